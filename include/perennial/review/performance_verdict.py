"""Whether a window's performance is what the model promised when it was deployed, for people who look at windows."""

from perennial.spec.models import UseCase
from perennial.spec.names import METRICS
from perennial.verdict import Verdict


def performance_verdict(
    spec: UseCase,
    measured: Verdict | None,
    value: float | None,
    low: float | None,
    high: float | None,
    at_deployment: float | None,
) -> Verdict | None:
    """The deciding metric of one window, with its 95% interval, against the same model's at its deployment.

    `fail`: it is surely worse by more than `monitoring.max_metric_loss`, because the whole interval is. `warn`: its
    value is, and the interval is not. One window decides nothing (see `perennial.policy.triggers.on_performance`). What
    was not measured is None, and without a limit or a promise to compare with it stays what was `measured`.
    """
    most = spec.monitoring.max_metric_loss
    if measured is None or value is None or at_deployment is None or most is None:
        return measured
    sign = 1 if METRICS[spec.training.metric].higher_is_better else -1
    if sign * (at_deployment - value) <= most:
        return Verdict.PASS
    best = high if sign > 0 else low
    return Verdict.FAIL if best is not None and sign * (at_deployment - best) > most else Verdict.WARN
