"""Setting aside the latest stretch of event time, on which candidates and champion are judged."""

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import NotEnoughData
from perennial.performance.labels import LABELLED_BY, LabelledBy, truth_of
from perennial.spec.models import UseCase
from perennial.spec.names import Task

# Below this, the standard error of a ROC AUC near 0.7 is above 0.05 (Hanley & McNeil, Radiology 1982).
MIN_HOLDOUT_ROWS = 100


def split(spec: UseCase, rows: pa.Table, until: datetime) -> tuple[pa.Table, pa.Table]:
    """Training rows, and holdout rows: those of the last `training.holdout` before `until`.

    `until` is the end of the newest window whose labels are mature, not the present: younger rows would leave the
    holdout with the labels that come early. `rows` have the event time and the label. Rows at or after `until` are in
    neither part, nor are holdout rows that people labelled because they were doubtful: they are like no window's rows.
    Errors: `NotEnoughData` when either part has too few rows, or only one class.
    """
    start = until - spec.training.holdout
    event_time = rows.column(spec.event_time).cast(pa.timestamp("us", tz="UTC"))
    before = pc.less(event_time, pa.scalar(start, event_time.type))
    within = pc.and_(pc.invert(before), pc.less(event_time, pa.scalar(until, event_time.type)))
    training, holdout = rows.filter(before), rows.filter(within)
    if LABELLED_BY in rows.column_names:
        holdout = holdout.filter(pc.not_equal(holdout.column(LABELLED_BY), LabelledBy.PERSON_AS_DOUBTFUL.value))
    _require(spec, training, spec.training.min_rows, f"before {start:%Y-%m-%d %H:%M}", "training set")
    _require(spec, holdout, MIN_HOLDOUT_ROWS, f"from {start:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}", "holdout")
    return training, holdout


def _require(spec: UseCase, rows: pa.Table, least: int, when: str, part: str) -> None:
    if rows.num_rows < least:
        raise NotEnoughData(
            f"{spec.name}: the {part} ({when}) has {rows.num_rows:,} labelled rows and needs {least:,}; "
            "wait for labels, or change training.history, training.holdout or training.min_rows."
        )
    if spec.task is Task.BINARY_CLASSIFICATION:
        truth = truth_of(spec.task, rows.column(spec.labels.column))
        if truth.min() == truth.max():
            raise NotEnoughData(
                f"{spec.name}: all {rows.num_rows:,} labels of the {part} ({when}) are {truth[0]:.0f}; "
                "a classifier needs both classes. Lengthen training.history or training.holdout."
            )
