"""A model's trial in a fresh process: nothing that this process has imported or kept can make it pass."""

import json
import os
import subprocess
import sys
from pathlib import Path

from perennial.errors import NotDeployable
from perennial.modeling.trial import ModelTrial, Tried, as_file, from_file, not_deployable, tried_here
from perennial.scratch import scratch_folder
from perennial.spec.names import Task

SECONDS = 600  # a fresh process needs a few for its imports, and a window of a million rows a minute
MOST_TOLD = 1_500  # characters of what a process said that failed
MODEL, EXAMPLE, BATCH, TRIAL, RESULT = "model.skops", "example.arrow", "batch.arrow", "trial.json", "result.json"


def tried_in_fresh_process(trial: ModelTrial) -> Tried:
    """Try the model in a new process of the same interpreter. Errors: `NotDeployable`."""
    with scratch_folder() as folder:
        _write(folder, trial)
        command = [sys.executable, "-m", "perennial.jobs.retrain.trying.fresh_process", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise not_deployable(trial, f"was not done in a fresh process after {SECONDS} seconds") from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()[-MOST_TOLD:]
            raise not_deployable(trial, f"failed in a fresh process (exit code {done.returncode}): {said}")
        result = json.loads((folder / RESULT).read_text())
    if "error" in result:
        raise NotDeployable(result["error"])
    return Tried(result["rows"], result["process"])


def tried_in_this_process(trial: ModelTrial) -> Tried:
    """The same without a new process, for stores in memory. Errors: `NotDeployable`."""
    return Tried(tried_here(trial), os.getpid())


def _write(folder: Path, trial: ModelTrial) -> None:
    (folder / MODEL).write_bytes(trial.content)
    (folder / EXAMPLE).write_bytes(as_file(trial.example))
    (folder / BATCH).write_bytes(as_file(trial.batch))
    names = ("use_case", "version", "task", "digest", "standby")
    told = {name: getattr(trial, name) for name in names}
    (folder / TRIAL).write_text(json.dumps(told))


def _read(folder: Path) -> ModelTrial:
    told = json.loads((folder / TRIAL).read_text())
    return ModelTrial(
        use_case=told["use_case"],
        version=told["version"],
        task=Task(told["task"]),
        digest=told["digest"],
        content=(folder / MODEL).read_bytes(),
        example=from_file((folder / EXAMPLE).read_bytes()),
        batch=from_file((folder / BATCH).read_bytes()),
        standby=told["standby"],
    )


def main(folder: Path) -> None:
    """What the fresh process does: try what lies in the folder, and leave the result there."""
    try:
        result: dict[str, object] = {"rows": tried_here(_read(folder)), "process": os.getpid()}
    except NotDeployable as error:
        result = {"error": str(error)}
    (folder / RESULT).write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
