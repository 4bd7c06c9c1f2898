"""The peers that the bench measures against, in an environment of their own."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PYTHON = HERE.parents[2] / ".venv-peers" / "bin" / "python"


def ask(what: str, folder: Path) -> dict[str, Any]:
    """What the peers say; they read the files in `folder`."""
    if not PYTHON.exists():
        raise SystemExit("The peers' environment is missing; run `make bench`, which makes it.")
    quiet = {**os.environ, "DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
    command = [PYTHON, HERE / "measure.py", what, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
    if done.returncode != 0:
        raise SystemExit(f"The peers failed at {what}:\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads((folder / f"{what}.json").read_text())
    return answer
