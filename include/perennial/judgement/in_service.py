"""The comparison that decides about a challenger: the metric as it is measured in service."""

from perennial.errors import NotEnoughData
from perennial.judgement.compare import compare
from perennial.judgement.comparison import Comparison
from perennial.judgement.rows import Scored
from perennial.judgement.within import MEAN_OF, compare_within
from perennial.performance.gain import METRIC_TITLES


def compare_in_service(metric: str, scored: Scored) -> Comparison:
    """By how much the challenger is better in a window, as the mean of windows weighted by rows: see `compare_within`.

    So is the metric of a model in service measured, week after week, and what is promised by a promotion is what is
    then looked at. Where windows are too few for that, or most rows lie in windows that leave the metric undefined,
    all rows are compared together: see `compare`. Errors: `NotEnoughData` where that fails, too.
    """
    try:
        found = compare_within(metric, scored)
    except NotEnoughData:
        return compare(metric, scored)
    return found if 2 * found.rows >= len(scored) else compare(metric, scored)


def measured_text(comparison: Comparison) -> str:
    """How the values of `compare_in_service` came about, as a sentence."""
    title = METRIC_TITLES[comparison.metric]
    if by_window(comparison):
        return f"{title} is that of each {comparison.group}, averaged by rows, as it is measured in service."
    return f"{title} is that of all rows together: there are too few {comparison.group}s to measure it in each."


def by_window(comparison: Comparison) -> bool:
    """Whether the values are means of windows."""
    return comparison.method.startswith(MEAN_OF)
