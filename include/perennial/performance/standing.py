"""How a window's metric compares to what its model had when it was judged."""

from enum import StrEnum

from perennial.performance.gain import metric_named

Measured = tuple[float | None, float | None, float | None]


class Standing(StrEnum):
    """How a value compares to the one that was expected.

    `worse`: the whole 95% interval is worse. `far_worse`: it is worse by more than the loss that retraining is to
    answer. About one in forty ordinary windows is `worse` by chance alone.
    """

    AS_EXPECTED = "as_expected"
    WORSE = "worse"
    FAR_WORSE = "far_worse"


def standing_of(metric: str, expected: float | None, measured: Measured, max_loss: float | None) -> Standing | None:
    """The standing of a value with its interval (value, low, high); None where any of it, or `expected`, is unknown.

    `max_loss` is the loss that calls for retraining, in the metric's unit; None where none does. Of a single window
    it says less than of several: see `perennial.policy.triggers.on_performance`.

    >>> standing_of("roc_auc", 0.70, (0.64, 0.60, 0.68), 0.05)
    <Standing.WORSE: 'worse'>
    >>> standing_of("mae", 10.0, (14.0, 13.0, 15.0), 2.0)
    <Standing.FAR_WORSE: 'far_worse'>
    """
    value, low, high = measured
    if expected is None or value is None or low is None or high is None:
        return None
    loss_at_least = expected - high if metric_named(metric).higher_is_better else low - expected
    if loss_at_least <= 0:
        return Standing.AS_EXPECTED
    return Standing.FAR_WORSE if max_loss is not None and loss_at_least > max_loss else Standing.WORSE
