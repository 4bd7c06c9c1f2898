"""The difference of two models within windows: each window is measured by itself, then their mean is taken."""

import math

import numpy as np
from sklearn.metrics import average_precision_score

from perennial.arrays import Floats
from perennial.errors import NotEnoughData
from perennial.judgement.bootstrap import value_from_sums
from perennial.judgement.compare import what_is_lacking
from perennial.judgement.comparison import Comparison, comparison_of
from perennial.judgement.delong import area
from perennial.judgement.rows import MIN_WINDOWS, Scored
from perennial.performance.gain import METRIC_TITLES, gain, metric_named

MEAN_OF = "mean of "  # windows, or days: what the method is called


def compare_within(metric: str, scored: Scored) -> Comparison:
    """By how much the challenger is better within a window, as the mean over windows weighted by their rows.

    So is performance measured in service (`perennial.performance.interval.trailing`). For a mean of losses it is what
    `compare` finds. For ROC AUC it is another question: `compare` ranks rows of all windows against each other, and
    a model that reads a stormy day as a little too risky loses by that; within a window only its own rows compete.
    Where it is the order within a window that matters, this is the question to ask, and it takes fewer windows to
    answer, because what all rows of a window share no longer counts.

    The standard error is that of a ratio of sums over windows (Cochran, 1977, Sampling Techniques, section 6.3).
    Windows that leave the metric undefined, such as those with one class, are left out of `rows` and `windows`.
    Errors: `NotEnoughData` where windows like the rest are too few for a spread; see `MIN_WINDOWS`.
    """
    metric_named(metric)
    parts = [scored.where(scored.windows == name) for name in np.unique(scored.windows)]
    defined = [part for part in parts if not what_is_lacking(metric, part, rows=1, of_class=1)]
    kept = scored.where(np.isin(scored.windows, [part.windows[0] for part in defined]))
    units = kept.units()
    if not defined or units.degrees_of_freedom + 1 < MIN_WINDOWS or units.count != len(defined):
        raise NotEnoughData(
            f"{METRIC_TITLES[metric]} of two models can't be compared within {scored.group}s: it is defined in "
            f"{len(defined)} of {len(parts)}, and their rows count as fewer than {MIN_WINDOWS:g} equal ones; "
            "lengthen training.holdout, or compare all rows together."
        )
    rows = np.array([len(part) for part in defined], dtype=np.float64)
    values = np.array(
        [[_value(metric, part.truth, each) for each in (part.champion, part.challenger)] for part in defined]
    )
    champion, challenger = (float(each) for each in rows @ values / rows.sum())
    gains = np.array([gain(metric, other, one) for one, other in values])
    mean = float(rows @ gains / rows.sum())
    spread = float(((rows * (gains - mean)) ** 2).sum())
    error = math.sqrt(units.count / (units.count - 1) * spread) / float(rows.sum())
    method = f"{MEAN_OF}{scored.group}s"
    return comparison_of(metric, (champion, challenger), mean, error, units, len(kept), method)


def _value(metric: str, truth: Floats, prediction: Floats) -> float:
    if metric == "roc_auc":
        return area(truth, prediction)
    if metric == "pr_auc":
        return float(average_precision_score(truth, prediction))
    return value_from_sums(metric, truth, prediction)
