"""When to retrain: after drift that persists, or after a loss of performance that is seen in final labels.

Both questions are answered with `retrain`, `hold` (nothing calls for it) or `wait` (it can't be told or done yet).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from perennial.errors import InvalidSpec
from perennial.spec.models import Monitoring
from perennial.spec.names import METRICS
from perennial.verdict import Decision, Verdict
from perennial.window import Window

RETRAIN, HOLD, WAIT = "retrain", "hold", "wait"
MIN_LABELLED_ROWS = 500
ROUNDING = 1e-12  # a loss of exactly the limit is not more than the limit


@dataclass(frozen=True)
class DriftPoint:
    """What was said about a window's drift from the model now in force. `fail` is an alarm."""

    window: Window
    verdict: Verdict


@dataclass(frozen=True)
class PerformancePoint:
    """The deciding metric of a window that the model now in force scored, from its final labels."""

    window: Window
    value: float
    labelled: int


Point = TypeVar("Point", DriftPoint, PerformancePoint)


def decide_on_drift(
    spec: Monitoring,
    as_of: datetime,
    recent: Sequence[DriftPoint],
    last_deployment_at: datetime | None,
    last_retrain_at: datetime | None,
) -> Decision:
    """Retrain when enough of the last `persistence.of` windows raised an alarm and the cooldown is over.

    One alarm proves little: at level 0.05 every twentieth ordinary window raises one. `recent` holds points of the
    model now in force only, in any order; those that end after `as_of` are not looked at. An `insufficient` window
    takes its place among the last ones without counting for either side. As long as such windows, or those that are
    not there yet, could tip the balance, the answer is `wait`.
    """
    persistence = spec.persistence
    latest = _latest(recent, as_of, persistence.of)
    alarms = sum(point.verdict is Verdict.FAIL for point in latest)
    unknown = sum(point.verdict is Verdict.INSUFFICIENT for point in latest)
    quiet_until = _quiet_until(spec, last_deployment_at, last_retrain_at)
    numbers: dict[str, float | int | str | None] = {
        "alarms": alarms,
        "alarms_needed": persistence.alarms,
        "windows": len(latest),
        "windows_considered": persistence.of,
        "windows_insufficient": unknown,
        "quiet_until": quiet_until.isoformat() if quiet_until else None,
    }
    counted = f"{_count(alarms, 'alarm')} in the last {_count(len(latest), 'window')}"
    if alarms >= persistence.alarms:
        reason = f"{counted}; {persistence.alarms} in {persistence.of} call for retraining."
        return _after_cooldown(spec, as_of, quiet_until, reason, numbers)
    reason = f"{counted}; {persistence.alarms} in {persistence.of} are needed."
    absent = persistence.of - len(latest)
    if alarms + unknown + absent < persistence.alarms:
        return Decision(HOLD, (reason,), numbers)
    missing = [f"{unknown} of these could not be assessed."] if unknown else []
    missing += [f"{_count(absent, 'more window')} must be compared with the model in force first."] if absent else []
    return Decision(WAIT, (reason, *missing), numbers)


def decide_on_performance(
    spec: Monitoring,
    as_of: datetime,
    metric: str,
    *,
    at_deployment: float | None,
    recent: Sequence[PerformancePoint],
    last_deployment_at: datetime | None,
    last_retrain_at: datetime | None,
) -> Decision:
    """Retrain when the metric, over the last `persistence.of` final windows, lost more than `max_metric_loss`.

    The windows' values are averaged with their labelled rows as weights; for a ranking metric such as ROC AUC that
    is not the value over all rows together, and it is the better one here: it does not mix windows. `recent` holds
    final windows of the model now in force, in any order; those that end after `as_of` are not looked at. Fewer than
    `persistence.of` windows or `MIN_LABELLED_ROWS` labelled rows decide nothing. Errors: `InvalidSpec` when nobody
    knows the metric.
    """
    if metric not in METRICS:
        raise InvalidSpec(
            f"The metric {metric!r} decides about retraining, but is not known; known are {', '.join(METRICS)}."
        )
    before = at_deployment if at_deployment is not None and math.isfinite(at_deployment) else None
    points = [point for point in recent if math.isfinite(point.value) and point.labelled > 0]
    latest = _latest(points, as_of, spec.persistence.of)
    labelled = sum(point.labelled for point in latest)
    now = sum(point.value * point.labelled for point in latest) / labelled if labelled else None
    quiet_until = _quiet_until(spec, last_deployment_at, last_retrain_at)
    numbers: dict[str, float | int | str | None] = {
        "metric": metric,
        "at_deployment": before,
        "now": now,
        "loss": None,
        "max_metric_loss": spec.max_metric_loss,
        "windows": len(latest),
        "windows_needed": spec.persistence.of,
        "labelled_rows": labelled,
        "quiet_until": quiet_until.isoformat() if quiet_until else None,
    }
    if spec.max_metric_loss is None:
        return Decision(HOLD, ("monitoring.max_metric_loss is not set: performance alone never retrains.",), numbers)
    if before is None:
        return Decision(WAIT, (f"The {metric} that the model in force had at its deployment is not known.",), numbers)
    if now is None or len(latest) < spec.persistence.of or labelled < MIN_LABELLED_ROWS:
        reason = (
            f"{_count(len(latest), 'final window')} with {_count(labelled, 'labelled row')}; "
            f"{spec.persistence.of} windows with {MIN_LABELLED_ROWS} are needed."
        )
        return Decision(WAIT, (reason,), numbers)
    loss = before - now if METRICS[metric].higher_is_better else now - before
    numbers["loss"] = loss
    reason = (
        f"{metric} is {now:.4g} over the last {len(latest)} final windows and was {before:.4g} at deployment: "
        f"{abs(loss):.4g} {'worse' if loss > 0 else 'better'}; "
        f"more than {spec.max_metric_loss:g} worse calls for retraining."
    )
    if loss <= spec.max_metric_loss + ROUNDING:
        return Decision(HOLD, (reason,), numbers)
    return _after_cooldown(spec, as_of, quiet_until, reason, numbers)


def _latest(points: Sequence[Point], as_of: datetime, count: int) -> list[Point]:
    past = [point for point in points if point.window.end <= as_of]
    return sorted(past, key=lambda point: point.window)[-count:]


def _quiet_until(spec: Monitoring, *events: datetime | None) -> datetime | None:
    """When the cooldown after the latest event is over, in the data's time."""
    last = max((event for event in events if event is not None), default=None)
    return (last + spec.cooldown).astimezone(UTC) if last else None


def _after_cooldown(
    spec: Monitoring,
    as_of: datetime,
    quiet_until: datetime | None,
    reason: str,
    numbers: dict[str, float | int | str | None],
) -> Decision:
    if quiet_until is None or as_of >= quiet_until:
        return Decision(RETRAIN, (reason,), numbers)
    days = spec.cooldown.total_seconds() / 86_400
    until = f"{quiet_until:%Y-%m-%d %H:%M} UTC"
    cooling = f"The last deployment or retraining is less than {days:g} days old: not before {until}."
    return Decision(WAIT, (reason, cooling), numbers)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
