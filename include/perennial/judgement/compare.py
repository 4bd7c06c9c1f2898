"""Comparing champion and challenger in one metric."""

import numpy as np

from perennial.errors import NotEnoughData
from perennial.judgement.bootstrap import compare_resampled
from perennial.judgement.comparison import Comparison
from perennial.judgement.delong import compare_auc
from perennial.judgement.rows import Scored
from perennial.performance.gain import METRIC_TITLES, metric_named

# Of either class: fewer rows have no spread to speak of.
FEWEST = 2


def compare(metric: str, scored: Scored) -> Comparison:
    """By how much the challenger is better, with its interval: see `compare_auc` and `compare_resampled`.

    Errors: `InvalidSpec` for a metric that does not exist; `NotEnoughData` where these rows leave the metric, or its
    certainty, undefined.
    """
    metric_named(metric)
    lacking = what_is_lacking(metric, scored)
    if lacking:
        raise NotEnoughData(
            f"{METRIC_TITLES[metric]} of two models can't be compared: {lacking}. Lengthen training.holdout, "
            "or wait for labels."
        )
    return compare_auc(scored) if metric == "roc_auc" else compare_resampled(metric, scored)


def what_is_lacking(metric: str, scored: Scored, rows: int = FEWEST, of_class: int = FEWEST) -> str:
    """Why these rows don't suffice for the metric, in words, or "". Asked for are so many rows, of either class."""
    if len(scored) < rows:
        return f"there are {len(scored):,} labelled rows, and {rows:,} are needed"
    if metric in _OF_CLASSES:
        ones = int((scored.truth == 1).sum())
        zeros = len(scored) - ones
        if min(ones, zeros) < of_class:
            return f"{ones:,} outcomes are 1 and {zeros:,} are 0, and {of_class:,} of either are needed"
    if metric == "r2" and np.ptp(scored.truth) == 0:
        return "all outcomes are the same"
    return ""


_OF_CLASSES = frozenset({"roc_auc", "pr_auc"})
