"""How far people agree with the model, with each other, and with the outcomes that came."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perennial.arrays import Floats
from perennial.performance.design_based import weighted_share
from perennial.performance.interval import Interval
from perennial.spec.names import Task

YES = 0.5  # the probability from which on the model says yes


@dataclass(frozen=True)
class Judged:
    """What is known of a row that people answered: their answers in their order, the last of which counts.

    `weight` is the inverse of the probability with which the row was to be asked about; `outcome` is the source's.
    """

    answers: tuple[float, ...]
    prediction: float
    weight: float
    outcome: float | None


@dataclass(frozen=True)
class Agreement:
    """Of `answered` rows how many people and the model call alike, and `with_model`, the share of all rows.

    Two people or more answered `twice`, of which `alike` answers were the same. Of `outcomes` rows the source's outcome
    came, too; people had said the same of `right`. For a regression, answers are numbers: `same` and `right` are 0, and
    `difference` is how far answer and prediction are apart on average, in the label's unit.
    """

    answered: int
    same: int
    with_model: Interval | None
    twice: int
    alike: int
    outcomes: int
    right: int
    difference: float | None = None


def agreement(task: Task, rows: Sequence[Judged]) -> Agreement:
    """The agreement on these rows."""
    last = np.array([each.answers[-1] for each in rows], dtype=np.float64)
    weight = np.array([each.weight for each in rows], dtype=np.float64)
    predictions = np.array([each.prediction for each in rows], dtype=np.float64)
    twice = [each for each in rows if len(each.answers) > 1]
    known = [each for each in rows if each.outcome is not None]
    classes = task is Task.BINARY_CLASSIFICATION
    hits: Floats = ((predictions >= YES) == (last == 1)).astype(np.float64)
    return Agreement(
        answered=len(rows),
        same=int(hits.sum()) if classes else 0,
        with_model=weighted_share(hits, weight) if classes and rows else None,
        twice=len(twice),
        alike=sum(len(set(each.answers)) == 1 for each in twice),
        outcomes=len(known),
        right=sum(each.answers[-1] == each.outcome for each in known) if classes else 0,
        difference=None if classes or not rows else float(np.average(np.abs(last - predictions), weights=weight)),
    )
