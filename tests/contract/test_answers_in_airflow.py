"""The middleware before Airflow's own route, with Airflow's own database and rights."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"


def test_airflow_gets_an_answer_only_when_it_is_on_record(tmp_path: Path) -> None:
    ours = {
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("include", "plugins", ".")),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__AUTH_MANAGER": SIMPLE,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "ann:admin,ben:admin,olga:op,vera:viewer",
        "AIRFLOW__API_AUTH__JWT_SECRET": "j" * 64,
        "AIRFLOW__API__SECRET_KEY": "s" * 64,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }
    script = ROOT / "tests" / "contract" / "answers_in_airflow.py"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script, ROOT / "include" / "use_cases"],
        env={**os.environ, **ours}, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert [(name, status) for name, status, _ in found["answers"]] == [
        ("vera", 403), ("olga", 403), ("ann", 403), ("ben", 422), ("ben", 200), ("ben", 409),
    ]  # fmt: skip
    said = [detail for _, _, detail in found["answers"]]
    assert said[0] == "Forbidden"  # by Airflow: a viewer may not answer
    assert "olga has the roles op; an answer counts from Admin or Approver" in said[1]
    assert "ann asked for this retraining, so that somebody else must approve it" in said[2]
    assert "Say why in the field 'why'" in said[3]
    assert "has already been updated" in said[5]  # by Airflow, which takes one answer
    assert found["kept"] == [["ben", "admin", "better"]]
    assert (found["state"], found["by"]) == ("scheduled", "ben")  # the task goes on
