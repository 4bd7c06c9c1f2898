"""A candidate's attempt in a process of its own: one that hangs, or takes all memory, is ended there and nothing else.

The process gets no more memory than `training.limits.memory` and no more time than `training.limits.time`.
"""

import json
import os
import resource
import select
import subprocess
import sys
import threading
from pathlib import Path
from signal import Signals

import yaml
from pydantic import TypeAdapter

from perennial.modeling.attempt import Attempt, Attempted, Fitted, Unusable, attempted_here
from perennial.modeling.trial import as_file, from_file
from perennial.policy.candidate_costs import Failure
from perennial.scratch import scratch_folder
from perennial.spec.models import UseCase
from perennial.spec.training_limits import size_text

PROGRAM = ("-m", "perennial.jobs.retrain.trying.attempt_process")
MOST_TOLD = 1_000  # characters of what a process said that failed
TOLD, TRAINING, HOLDOUT, MODEL, RESULT = "attempt.json", "training.arrow", "holdout.arrow", "model.skops", "result.json"
LOOK_EVERY = 0.1  # seconds
_STATUS = Path("/proc/self/status")  # Linux tells there what a process holds; elsewhere memory is measured, not limited


def attempted_in_process(attempt: Attempt, seconds: float | None = None) -> Attempted:
    """Fit and measure the candidate in a new process of the same interpreter, which ends when this one does.

    It is ended after `seconds`, by default those of `training.limits.time`.
    """
    most = seconds or attempt.spec.training.limits.time.total_seconds()
    with scratch_folder() as folder:
        _write(folder, attempt)
        alive, ours = os.pipe()
        command = [sys.executable, *PROGRAM, str(folder), str(alive)]
        try:
            done = subprocess.run(  # noqa: S603 - our own module
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                pass_fds=[alive],
                timeout=most,
                check=False,
            )
        except subprocess.TimeoutExpired:
            told = f"was not done after {_text(most)}, all that training.limits.time allows, and was ended"
            return Unusable(Failure.OUT_OF_TIME, told)
        finally:
            os.close(alive)
            os.close(ours)
        if not (folder / RESULT).exists():
            return _ended(done.returncode, done.stderr.strip()[-MOST_TOLD:])
        result = json.loads((folder / RESULT).read_text())
        if (folder / MODEL).exists():
            return TypeAdapter(Fitted).validate_python({**result, "content": (folder / MODEL).read_bytes()})
        return TypeAdapter(Unusable).validate_python(result)


def _ended(code: int, said: str) -> Unusable:
    """What is said of a process that left no result."""
    if code == -Signals.SIGKILL:
        told = "was killed while it was trained, as the system does with a process when memory runs out"
        return Unusable(Failure.TOO_MUCH_MEMORY, told)
    how = f"signal {Signals(-code).name}" if code < 0 else f"exit code {code}"
    return Unusable(Failure.FAILED, f"ended its process while it was trained ({how}): {said or 'it said nothing'}")


def _text(seconds: float) -> str:
    unit, size = next((unit, size) for unit, size in (("h", 3_600), ("min", 60), ("s", 1)) if seconds >= size)
    return f"{seconds / size:g} {unit}"


def _write(folder: Path, attempt: Attempt) -> None:
    told = {
        "spec": attempt.spec.model_dump(mode="json"),
        "candidate": attempt.candidate.name,
        # As YAML, which they come from: JSON has no keys that are numbers, such as those of class_weight.
        "parameters": yaml.safe_dump(attempt.candidate.parameters),
        "window_column": attempt.window_column,
    }
    (folder / TOLD).write_text(json.dumps(told))
    (folder / TRAINING).write_bytes(as_file(attempt.training))
    (folder / HOLDOUT).write_bytes(as_file(attempt.holdout))


def _read(folder: Path) -> Attempt:
    told = json.loads((folder / TOLD).read_text())
    spec = UseCase.model_validate(told["spec"])
    candidate = next(each for each in spec.training.candidates if each.name == told["candidate"])
    return Attempt(
        spec=spec,
        candidate=candidate.model_copy(update={"parameters": yaml.safe_load(told["parameters"])}),
        training=from_file((folder / TRAINING).read_bytes()),
        holdout=from_file((folder / HOLDOUT).read_bytes()),
        window_column=told["window_column"],
    )


def _held() -> dict[str, int]:
    """What Linux says that this process holds, in bytes, by the names in `/proc/self/status`."""
    lines = (line.split() for line in _STATUS.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1_024 for words in lines if words[2:] == ["kB"]}


def _limit_memory(most: int) -> None:
    """Refuse this process one large piece beyond what is left for it; small ones are `_guard`'s."""
    held = _held()
    allowed = held["VmData"] + max(0, most - held["VmRSS"])  # much of what is reserved, as for threads, is never used
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))


def _guard(folder: Path, alive: int, most: int | None) -> None:
    """End this process when the one that began it has gone, or when it has come to hold more than `most` bytes."""
    while not select.select([alive], [], [], LOOK_EVERY)[0]:  # nobody writes there: it is read when all have gone
        if most is not None and _STATUS.exists() and (held := _held()["VmRSS"]) > most:
            told = f"holds {size_text(held)} of memory; training.limits.memory allows {size_text(most)}"
            _leave(folder, Unusable(Failure.TOO_MUCH_MEMORY, f"{told}, libraries and rows included"))
            break
    os._exit(1)


def _peak() -> int:
    """The most that this process has held, in bytes."""
    if _STATUS.exists():
        return _held()["VmHWM"]  # what `getrusage` says begins with all that the process held which began this one
    unit = 1 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _leave(folder: Path, done: Attempted) -> None:
    result = TypeAdapter(type(done)).dump_python(done, mode="json", exclude={"content"})
    if isinstance(done, Fitted):
        (folder / MODEL).write_bytes(done.content)
    (folder / RESULT).write_text(json.dumps(result))


def main(folder: Path, alive: int) -> None:
    """What the process does: attempt what lies in the folder, and leave the result there."""
    attempt = _read(folder)
    most = attempt.spec.training.limits.memory
    threading.Thread(target=_guard, args=[folder, alive, most], daemon=True).start()
    if most is not None and _STATUS.exists():
        _limit_memory(most)
    _leave(folder, attempted_here(attempt, _peak))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
