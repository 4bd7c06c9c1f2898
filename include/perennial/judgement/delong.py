"""Two models' ROC AUC on the same rows."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from perennial.arrays import Floats
from perennial.judgement.comparison import CONFIDENCE, Comparison, comparison_of
from perennial.judgement.rows import Scored, Unit, Units
from perennial.performance.interval import midranks


@dataclass(frozen=True)
class _Placements:
    """For each positive row, the share of negative rows it is ranked above; for each negative row, of positive ones
    that are ranked above it. Equal predictions count half."""

    positive: Floats
    negative: Floats


def compare_auc(scored: Scored) -> Comparison:
    """The difference of two correlated ROC AUCs. `scored` has at least two rows of either class.

    By placements, from midranks: DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44); Sun and Xu (2014, IEEE
    Signal Processing Letters 21). Where windows suffice they are clusters, whose rows may depend on each other in any
    way: Obuchowski (1997, Biometrics 53). With every row its own cluster that is DeLong's variance.

    Where all placements agree their spread tells nothing (both models rank perfectly, say). Unless the two rank rows
    alike, the standard error then is that of a share of the smaller class's rows that is 0 or 1 (Clopper and Pearson,
    1934, Biometrika 26).
    """
    positive = scored.truth == 1
    units = scored.units([positive, ~positive])
    champion, challenger = _placements(scored.champion, positive), _placements(scored.challenger, positive)
    values = float(champion.positive.mean()), float(challenger.positive.mean())
    gain = values[1] - values[0]
    of_positive = challenger.positive - champion.positive - gain
    of_negative = challenger.negative - champion.negative - gain
    error = math.sqrt(_variance(of_positive, of_negative, positive, units))
    if error <= 1e-12 and not np.array_equal(midranks(scored.champion), midranks(scored.challenger)):  # noqa: PLR2004
        tail = (1 - CONFIDENCE) / 2
        room = 1 - tail ** (1 / min(len(of_positive), len(of_negative)))
        error = room / float(stats.t.ppf(1 - tail, units.degrees_of_freedom))
    method = "DeLong" if units.unit is Unit.ROW else f"DeLong, {units.unit}s as clusters"
    return comparison_of("roc_auc", values, gain, error, units, len(scored), method)


def area(truth: Floats, prediction: Floats) -> float:
    """One model's ROC AUC; both classes are there."""
    return float(_placements(prediction, truth == 1).positive.mean())


def _placements(prediction: Floats, positive: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> _Placements:
    above, below = prediction[positive], prediction[~positive]
    m, n = len(above), len(below)
    together = midranks(np.concatenate([above, below]))
    return _Placements((together[:m] - midranks(above)) / n, 1 - (together[m:] - midranks(below)) / m)


def _variance(
    of_positive: Floats, of_negative: Floats, positive: np.ndarray[tuple[int], np.dtype[np.bool_]], units: Units
) -> float:
    """Obuchowski's variance, from the centred differences of placements."""
    m, n = len(of_positive), len(of_negative)
    clusters_m, clusters_n = units.of_row[positive], units.of_row[~positive]
    sums_m = np.bincount(clusters_m, of_positive, minlength=units.count)
    sums_n = np.bincount(clusters_n, of_negative, minlength=units.count)
    with_m, with_n = len(np.unique(clusters_m)), len(np.unique(clusters_n))
    return max(
        0.0,
        with_m / (with_m - 1) * float((sums_m**2).sum()) / m**2
        + with_n / (with_n - 1) * float((sums_n**2).sum()) / n**2
        + 2 * units.count / (units.count - 1) * float((sums_m * sums_n).sum()) / (m * n),
    )
