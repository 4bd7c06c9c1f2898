"""Reading the DAG file: what it imports and reads, and what a wrong spec does to the others."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk.exceptions import AirflowFailException
from tests.waiting import PATIENCE

from perennial.errors import InvalidSpec
from perennial_airflow.dag_factory import build_dags
from perennial_airflow.maintenance import DAG_ID

FORBIDDEN = ("great_expectations", "mlflow", "numpy", "pandas", "pyarrow", "sklearn", "deltalake", "skops", "psycopg2")
PARSE = """
import json, os, sys
from collections import Counter
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
import airflow.providers.standard.operators.trigger_dagrun
reads, refused, use_cases = Counter(), [], os.environ["PERENNIAL_USE_CASES"]
def watch(event, arguments):
    if event == "open" and str(arguments[0]).startswith(use_cases):
        reads[os.path.relpath(arguments[0], use_cases)] += 1
    elif event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.posix_spawn"):
        refused.append(event)
sys.addaudithook(watch)
bag = DagBag(sys.argv[1])
counted, asked = dict(reads), list(refused)
print(json.dumps({
    "reads": counted, "refused": asked, "dags": sorted(bag.dags), "errors": bag.import_errors,
    "modules": sorted({name.split(".")[0] for name in sys.modules}),
}))
"""


def parse(repository: Path, use_cases: Path, **environment: str) -> dict[str, Any]:
    """What reading the repository's DAG file gives, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(repository / "dags")],
        env={**os.environ, "PERENNIAL_USE_CASES": str(use_cases), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def flight_delays(repository: Path) -> Path:
    return repository / "include" / "use_cases" / "flight_delays"


def copy_as(folder: Path, root: Path, name: str) -> Path:
    """A copy of the use case under another name."""
    shutil.copytree(folder, root / name)
    spec = root / name / "use_case.yaml"
    spec.write_text(re.sub(r"^name: .*$", f"name: {name}", spec.read_text(), flags=re.MULTILINE))
    return spec


def spoil(spec: Path) -> None:
    spec.write_text(spec.read_text().replace("\ntask:", "\ntsak:"))


def test_specs_are_read_once_with_nothing_heavy_and_nobody_asked(
    repository: Path, flight_delays: Path, tmp_path: Path
) -> None:
    """How long that takes, beside plain DAGs, is measured by `make bench`."""
    for number in range(20):
        copy_as(flight_delays, tmp_path, f"use_case_{number:03}")
    found = parse(repository, tmp_path)
    assert not found["errors"]
    assert len(found["dags"]) == 81
    assert not set(FORBIDDEN) & set(found["modules"])
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.suffix in {".yaml", ".sql"}}
    assert {file for file in files if file.endswith("use_case.yaml")} <= set(found["reads"]) <= files
    assert set(found["reads"].values()) == {1}
    assert found["refused"] == []


def test_a_tasks_process_builds_its_own_dag_only(repository: Path, flight_delays: Path, tmp_path: Path) -> None:
    copy_as(flight_delays, tmp_path, "one")
    spoil(copy_as(flight_delays, tmp_path, "other"))
    found = parse(repository, tmp_path, _AIRFLOW_PARSING_CONTEXT_DAG_ID="one.retrain")
    assert found["dags"] == ["one.retrain"]
    assert {Path(file).parts[0] for file in found["reads"]} == {"one"}
    assert not found["errors"]


def test_a_task_of_a_use_case_whose_spec_became_wrong_says_so(
    repository: Path, flight_delays: Path, tmp_path: Path
) -> None:
    spoil(copy_as(flight_delays, tmp_path, "one"))
    found = parse(repository, tmp_path, _AIRFLOW_PARSING_CONTEXT_DAG_ID="one.predict")
    assert not found["dags"]
    assert "InvalidSpec" in next(iter(found["errors"].values()))


def test_a_wrong_spec_leaves_the_others_alone_and_shows_itself(flight_delays: Path, tmp_path: Path) -> None:
    copy_as(flight_delays, tmp_path, "fine")
    spoil(copy_as(flight_delays, tmp_path, "wrong"))
    dags = {dag.dag_id: dag for dag in build_dags(tmp_path)}
    assert set(dags) == {"fine.predict", "fine.evaluate", "fine.retrain", "fine.rollback", "wrong.invalid", DAG_ID}
    stand_in = dags["wrong.invalid"]
    assert "tsak" in (stand_in.doc_md or "")
    assert stand_in.dag_display_name == "wrong: invalid spec"
    assert set(stand_in.tags) == {"perennial", "invalid"}
    explain = stand_in.task_dict["explain"]
    assert isinstance(explain, PythonOperator)
    with pytest.raises(AirflowFailException, match="tsak"):
        explain.python_callable()


def test_a_folder_with_an_odd_name_still_shows_itself(flight_delays: Path, tmp_path: Path) -> None:
    shutil.copytree(flight_delays, tmp_path / "Late flights!")
    (stand_in,) = build_dags(tmp_path)
    assert stand_in.dag_id == "Late_flights_.invalid"


def test_the_stand_in_can_run_alone(flight_delays: Path, tmp_path: Path) -> None:
    copy_as(flight_delays, tmp_path, "fine")
    spoil(copy_as(flight_delays, tmp_path, "wrong"))
    assert [dag.dag_id for dag in build_dags(tmp_path, only="wrong.invalid")] == ["wrong.invalid"]


@pytest.mark.parametrize("unknown", ["nowhere.predict", "fine.somewhat", "fine"])
def test_an_unknown_dag_is_nothing(flight_delays: Path, tmp_path: Path, unknown: str) -> None:
    copy_as(flight_delays, tmp_path, "fine")
    assert list(build_dags(tmp_path, only=unknown)) == []


def test_a_missing_folder_of_use_cases_is_an_error_and_not_an_empty_list(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="should hold one folder per use case"):
        list(build_dags(tmp_path / "nowhere"))


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")  # raised inside Airflow
def test_airflow_loads_one_module_as_a_plugin_and_none_of_the_others(repository: Path) -> None:
    from airflow._shared.module_loading import find_path_from_directory

    found = find_path_from_directory(repository / "plugins", ".airflowignore", "glob")
    assert [Path(path).name for path in found if path.endswith(".py")] == ["perennial_plugin.py"]
