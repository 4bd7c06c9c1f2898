"""The trial of a model before it is deployed, or while it stands by: loaded, and its example and a batch predicted."""

import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from perennial.errors import NotDeployable, PerennialError
from perennial.modeling.artifact import load
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.spec.names import Task

EXAMPLE = "trial/example.arrow"  # the example with its predictions, attached to the version
TRIED_ROWS = 50  # of an example
PREDICTION = "__prediction__"  # the column of an example that holds what was predicted for its rows


@dataclass(frozen=True)
class ModelTrial:
    """What is tried: the registered bytes, and rows as they are scored.

    `example` has the column `PREDICTION`: what was predicted for its rows when they were kept. `batch` are the rows of
    one window. One that is on `standby` was in service before.
    """

    use_case: str
    version: str
    task: Task
    digest: str
    content: bytes
    example: pa.Table
    batch: pa.Table
    standby: bool = False


@dataclass(frozen=True)
class Tried:
    """A trial that was passed: how many rows of the batch were scored, and the process that did it."""

    rows: int
    process: int


def tried_here(trial: ModelTrial) -> int:
    """Try the model in this process; how many rows of the batch were scored.

    Errors: `NotDeployable` when it can't be loaded or scored with, when a prediction of the example differs in any
    bit, or when one of the batch is infinite or NaN.
    """
    try:
        pipeline = load(trial.content, trial.digest)
        inputs = model_inputs(pipeline)
        again = predict(pipeline, trial.task, inputs.frame(trial.example))
        scored = predict(pipeline, trial.task, inputs.frame(trial.batch))
    except PerennialError as error:
        raise not_deployable(trial, f"could not be loaded and used: {error}") from error
    kept = trial.example.column(PREDICTION).to_numpy()
    different = np.flatnonzero(again.view(np.int64) != np.ascontiguousarray(kept).view(np.int64))
    if len(different):
        row = different[0]
        raise not_deployable(
            trial,
            f"predicts {len(different)} of the {len(kept)} rows of its input example differently from what was kept "
            f"with it (row {row}: {float(again[row])!r} instead of {float(kept[row])!r})",
        )
    if broken := int((~np.isfinite(scored)).sum()):
        raise not_deployable(trial, f"predicts infinity or NaN for {broken:,} of the {len(scored):,} rows of a window")
    return len(scored)


def not_deployable(trial: ModelTrial, found: str) -> NotDeployable:
    """The error that says what was tried, what was found and what to do."""
    if trial.standby:
        return NotDeployable(
            f"The standby version {trial.version} of {trial.use_case} was tried and {found}. A rollback to it would "
            "not work. Install what requirements.txt pins, in the environment of the tasks; or name another earlier "
            "version yourself if you need to roll back."
        )
    return NotDeployable(
        f"Version {trial.version} of {trial.use_case} was tried before its deployment and {found}. Nothing was "
        "deployed; the champion stays. Install what requirements.txt pins, in the environment of the task that "
        "deploys, and run the deploy task again; if it fails there too, train the model again."
    )


def as_file(table: pa.Table) -> bytes:
    """The rows as an Arrow file: every bit of every number is kept."""
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def from_file(content: bytes) -> pa.Table:
    """The rows that `as_file` wrote."""
    return pa.ipc.open_file(content).read_all()
