"""Two models' PR AUC on the same resamples of windows."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score

from perennial.arrays import Floats
from perennial.judgement.resampling import resamples
from perennial.judgement.rows import Scored, Unit, Units

THRESHOLDS = 1_000


def resampled_precision(scored: Scored, units: Units) -> tuple[tuple[float, float], Floats]:
    """Both models' average precision, exactly, and the gain in each resample; NaN in one without both classes.

    In resamples predictions are taken apart at `THRESHOLDS` values at most: the standard error does not need more,
    and a resample of a million rows then costs no more than one of a thousand.
    """
    models = scored.champion, scored.challenger
    champion, challenger = (float(average_precision_score(scored.truth, each)) for each in models)
    counters = [_counter(scored.truth, each, units) for each in models]
    found = []
    for counts in resamples(units, THRESHOLDS):
        one, other = (_average_precision(*counter(counts)) for counter in counters)
        found.append(other - one)
    return (champion, challenger), np.concatenate(found)


def _counter(truth: Floats, prediction: Floats, units: Units) -> Callable[[Floats], tuple[Floats, Floats]]:
    """From how often each unit is there to outcomes of 1, and rows, at each threshold, the highest first."""
    groups = _groups(prediction)
    many = int(groups.max()) + 1
    if units.unit is not Unit.ROW:
        cell, cells = units.of_row * many + groups, units.count * many
        hits, rows = (
            np.bincount(cell, weights, minlength=cells).reshape(units.count, many)
            for weights in (truth, np.ones(len(truth)))
        )
        return lambda counts: (counts @ hits, counts @ rows)
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(many))

    def count(counts: Floats) -> tuple[Floats, Floats]:
        ordered = counts[:, order]
        of_ones = np.add.reduceat(ordered * truth[order], starts, axis=1)
        return of_ones, np.add.reduceat(ordered, starts, axis=1)

    return count


def _groups(prediction: Floats) -> npt.NDArray[np.intp]:
    """Each row's threshold: from 0, the highest predictions, on; equal predictions have the same."""
    _, level, counts = np.unique(-prediction, return_inverse=True, return_counts=True)
    if len(counts) > THRESHOLDS:
        before = np.cumsum(counts) - counts
        _, level = np.unique((before * THRESHOLDS // len(prediction))[level], return_inverse=True)
    return level


def _average_precision(hits: Floats, rows: Floats) -> Floats:
    found, taken = np.cumsum(hits, axis=1), np.cumsum(rows, axis=1)
    precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
    ones, both = found[:, -1], (found[:, -1] > 0) & (found[:, -1] < taken[:, -1])
    return np.asarray(np.divide((hits * precision).sum(axis=1), ones, out=np.full(len(ones), np.nan), where=both))
