"""What may call for retraining. Each trigger looks at the evidence and says yes, no, or that it is too early to say."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from perennial.drift.accumulate import NOTHING_KEPT, Accumulated, Thresholds, strongest
from perennial.drift.importance_floor import latest_shares, that_matter
from perennial.errors import InvalidSpec
from perennial.performance.audit import Trust
from perennial.performance.interval import Interval, trailing
from perennial.policy.blockers import too_little_after_shift
from perennial.policy.evidence import DriftPoint, PerformancePoint, RetrainingEvidence, latest
from perennial.spec.monitoring import Monitoring, Persistence, Trigger
from perennial.spec.names import METRICS
from perennial.verdict import Verdict
from perennial.window import Every
from perennial.wording import counted

MIN_ROWS, FEWEST_ROWS = 500, 30  # 30: below, a mean of rows is hardly normal, and its interval not to be believed
ROUNDING = 1e-12  # a loss of exactly the limit is not more than the limit
FEWEST_WINDOWS = 2

Numbers = dict[str, float | int | str | None]


@dataclass(frozen=True)
class Finding:
    """A trigger's answer. `calls` is None when it is too early to say.

    `defect` says what points to broken data instead, `unlearnable` why a new model could not do better yet.
    """

    calls: bool | None
    reasons: tuple[str, ...]
    numbers: Numbers
    defect: str | None = None
    unlearnable: str | None = None


def on_drift(spec: Monitoring, evidence: RetrainingEvidence) -> Finding:
    """Drift that persists: accumulated evidence, or so many alarms in so many windows where the spec says so."""
    points = latest(evidence.drift, evidence.as_of)
    if spec.persistence is not None:
        return _k_of_n(spec.persistence, points)
    if evidence.reference_windows == 0:
        reason = "No window was compared yet with what the model in force considers normal."
        return Finding(None, (reason,), {"windows": len(points)})
    found = accumulated(spec, points, evidence.reference_windows, evidence.every, evidence.thresholds)
    numbers: Numbers = {
        "evidence_of": found.column,
        "evidence": found.statistic,
        "evidence_needed": found.threshold,
        "windows": found.windows,
        "alarms": sum(point.verdict is Verdict.FAIL for point in points),
        "alarms_expected": spec.false_alarms.level(evidence.every) * found.windows,
    }
    if found.verdict is Verdict.INSUFFICIENT:
        return Finding(None, (found.reason,), numbers)
    if found.verdict is not Verdict.FAIL:
        return Finding(False, (found.reason,), numbers)
    climb = [point for point in points[found.since :] if _p_value(point, found.column) is not None]
    missing = _missing(climb) if found.column is None else _missing_of(found.column, climb)
    return _learning_from(points[found.shift :], Finding(True, (found.reason,), numbers, missing or _spike(climb)))


def _p_value(point: DriftPoint, column: str | None) -> float | None:
    """What a window adds to the evidence of the column, or to that of whole windows; None where it was not assessed."""
    if column is None:
        return point.p_value
    own = point.columns.get(column)
    return None if own is None else own.p_value


def accumulated(
    spec: Monitoring,
    points: Sequence[DriftPoint],
    reference_windows: int,
    every: Every,
    kept: Thresholds = NOTHING_KEPT,
) -> Accumulated:
    """The evidence of these windows, oldest first, in columns of at least `min_importance`.

    Errors: `NotEnoughData` without a reference window.
    """
    shares = latest_shares({name: own.importance for name, own in point.columns.items()} for point in points)
    names = sorted(that_matter(shares, spec.min_importance))
    columns = {name: [_p_value(point, name) for point in points] for name in names}
    whole = [point.p_value for point in points]
    return strongest(whole, columns, reference_windows, spec.false_retrains, every, kept)


def _k_of_n(rule: Persistence, points: Sequence[DriftPoint]) -> Finding:
    """An `insufficient` window is one of the last n, but counts neither as an alarm nor as an ordinary window."""
    last = points[-rule.of :]
    alarms = sum(point.verdict is Verdict.FAIL for point in last)
    unknown = sum(point.verdict is Verdict.INSUFFICIENT for point in last)
    absent = rule.of - len(last)
    numbers: Numbers = {
        "alarms": alarms,
        "alarms_needed": rule.alarms,
        "windows": len(last),
        "windows_considered": rule.of,
        "windows_insufficient": unknown,
    }
    seen = f"{counted(alarms, 'alarm')} in the last {counted(len(last), 'window')}"
    if alarms >= rule.alarms:
        reason = f"{seen}; {rule.alarms} in {rule.of} call for retraining."
        first = next(i for i, point in enumerate(last) if point.verdict is Verdict.FAIL)
        return _learning_from(last[first:], Finding(True, (reason,), numbers, _missing(last)))
    reason = f"{seen}; {rule.alarms} in {rule.of} are needed."
    if alarms + unknown + absent < rule.alarms:
        return Finding(False, (reason,), numbers)
    missing = [f"{unknown} of these could not be assessed."] if unknown else []
    missing += [f"{counted(absent, 'more window')} must be compared with the model in force first."] if absent else []
    return Finding(None, (reason, *missing), numbers)


def _learning_from(since_shift: Sequence[DriftPoint], finding: Finding) -> Finding:
    """The finding, with how much of the data since the shift a new model could learn from."""
    if any(point.learnable is None for point in since_shift):
        return finding
    mature = [point for point in since_shift if point.learnable]
    rows = sum(point.rows for point in mature)
    numbers: Numbers = {
        "windows_since_shift": len(since_shift),
        "windows_to_learn_from": len(mature),
        "rows_to_learn_from": rows,
    }
    reason = (
        f"Of {counted(len(since_shift), 'window')} since it began, "
        f"{since_shift[0].window.start.astimezone(UTC):%Y-%m-%d %H:%M} UTC, a new model can learn from {len(mature)} "
        f"({counted(rows, 'row')})."
    )
    return replace(
        finding,
        reasons=(*finding.reasons, *([reason] if mature else [])),
        numbers=finding.numbers | numbers,
        unlearnable=too_little_after_shift(since_shift),
    )


def _missing(points: Sequence[DriftPoint]) -> str | None:
    """Values that went missing point to a defect upstream rather than to a change in the world."""
    alarms = [point for point in points if point.verdict is Verdict.FAIL]
    by_missing = [point for point in alarms if point.missing]
    if 2 * len(by_missing) <= len(alarms):
        return None
    names = sorted({name for point in by_missing for name in point.missing})
    return _looks_broken(f"In {len(by_missing)} of {counted(len(alarms), 'alarm')}", ", ".join(names[:5]))


def _missing_of(column: str, points: Sequence[DriftPoint]) -> str | None:
    """The same for the one column that the evidence is about."""
    own = [point.columns[column] for point in points if column in point.columns]
    by_missing = sum(each.missing for each in own)
    if 2 * by_missing <= len(own):
        return None
    return _looks_broken(f"In {by_missing} of {counted(len(own), 'window')}", column)


def _looks_broken(where: str, columns: str) -> str:
    return (
        f"{where} values went missing ({columns}): that looks like a defect upstream, and a model trained on it would "
        "learn the defect. Correct the source and run the windows again; if the values are gone for good, retrain by "
        "hand."
    )


def _spike(points: Sequence[DriftPoint]) -> str | None:
    """A single window that carries all the evidence points to a defect, too."""
    if len(points) >= FEWEST_WINDOWS:
        return None
    return (
        f"All the evidence is of {points[-1].window}: a single spike looks like a defect upstream rather than like a "
        "world that moved. If it lasts, the next windows will say so."
    )


def on_performance(spec: Monitoring, evidence: RetrainingEvidence) -> Finding:
    """The metric over the last final windows is surely worse than at deployment by more than `max_metric_loss`.

    Windows are averaged with their labelled rows as weights; for a ranking metric such as ROC AUC that is not the
    value over all rows together, and it is the better one here: it does not mix windows. It is surely worse when the
    whole 95% interval is. Fewer than `trailing_windows` windows or `enough_rows` rows decide nothing.
    """
    points = _usable(evidence.performance, evidence, spec.trailing_windows)
    rows = sum(point.rows for point in points)
    numbers = _numbers(spec, evidence, points)
    if (answer := _no_measure(spec, evidence, numbers)) is not None:
        return answer
    least = enough_rows(spec, evidence.performance)
    if len(points) < spec.trailing_windows or rows < least:
        reason = (
            f"{counted(len(points), 'final window')} with {counted(rows, 'labelled row')}; "
            f"{spec.trailing_windows} windows with {least:,} are needed."
        )
        return Finding(None, (reason,), numbers)
    return _compared(spec, evidence, points, numbers, f"over the last {counted(len(points), 'final window')}")


def on_estimate(spec: Monitoring, evidence: RetrainingEvidence) -> Finding:
    """The metric as it is estimated for windows whose labels have not come, where estimates have earned trust."""
    points = _usable(evidence.estimates, evidence, spec.trailing_windows)
    numbers = {f"estimate_{name}": value for name, value in _numbers(spec, evidence, points).items()}
    numbers["estimate_trust"] = evidence.trust
    if (answer := _no_measure(spec, evidence, numbers)) is not None:
        return answer
    if evidence.trust is not Trust.TRUSTED:
        reason = f"Estimates of {evidence.metric} are {evidence.trust}: they don't decide."
        return Finding(False if evidence.trust is Trust.OFF else None, (reason,), numbers)
    least = enough_rows(spec, evidence.estimates)
    if sum(point.rows for point in points) < least:
        reason = f"Fewer than {least:,} rows without final labels: there is nothing to estimate."
        return Finding(None, (reason,), numbers)
    return _compared(spec, evidence, points, numbers, f"as estimated for {counted(len(points), 'window')}")


def enough_rows(spec: Monitoring, points: Sequence[PerformancePoint]) -> int:
    """How many rows performance is judged on at least.

    Unless the spec says it: half of what `trailing_windows` ordinary windows have, from 30 to 500. How sure the metric
    is on so many rows is for its interval to say.
    """
    if spec.min_labelled_rows is not None:
        return spec.min_labelled_rows
    sizes = sorted(point.rows for point in points if point.rows > 0)
    if not sizes:
        return MIN_ROWS
    ordinary = sizes[len(sizes) // 2]
    return int(min(MIN_ROWS, max(FEWEST_ROWS, spec.trailing_windows * ordinary / 2)))


def on_age(spec: Monitoring, evidence: RetrainingEvidence) -> Finding:
    """The model's training data lies further back than `max_age`."""
    if spec.max_age is None or evidence.last_trained_as_of is None:
        return Finding(False, (), {})
    days, most = (
        each.total_seconds() / 86_400 for each in (evidence.as_of - evidence.last_trained_as_of, spec.max_age)
    )
    reason = f"The model's training ended {days:.0f} days ago; after {most:g} days it is time for a new one."
    return Finding(days >= most, (reason,), {"model_age_days": days, "max_age_days": most})


def _no_measure(spec: Monitoring, evidence: RetrainingEvidence, numbers: Numbers) -> Finding | None:
    if evidence.metric not in METRICS:
        raise InvalidSpec(
            f"The metric {evidence.metric!r} decides about retraining, but is not known; known are "
            f"{', '.join(METRICS)}."
        )
    if spec.max_metric_loss is None:
        return Finding(False, ("monitoring.max_metric_loss is not set: performance alone never retrains.",), numbers)
    if _before(evidence) is None:
        reason = f"The {evidence.metric} that the model in force had at its deployment is not known."
        return Finding(None, (reason,), numbers)
    return None


def _compared(
    spec: Monitoring, evidence: RetrainingEvidence, points: Sequence[PerformancePoint], numbers: Numbers, where: str
) -> Finding:
    before, most = _before(evidence), spec.max_metric_loss
    assert before is not None
    assert most is not None
    now = _trailing(evidence.metric, points)
    better = METRICS[evidence.metric].higher_is_better
    loss = before - now.value if better else now.value - before
    surely = before - now.high if better else now.low - before
    prefix = "estimate_" if "estimate_trust" in numbers else ""
    numbers |= {f"{prefix}loss": loss, f"{prefix}loss_at_least": surely}
    reason = (
        f"{evidence.metric} is {now.value:.4g} ({now.low:.4g} to {now.high:.4g}) {where} and was {before:.4g} at "
        f"deployment: {abs(loss):.4g} {'worse' if loss > 0 else 'better'}; surely more than {most:g} worse calls for "
        "retraining."
    )
    return Finding(surely > most + ROUNDING, (reason,), numbers)


def _usable(points: Sequence[PerformancePoint], evidence: RetrainingEvidence, count: int) -> list[PerformancePoint]:
    finite = [
        point
        for point in points
        if math.isfinite(point.value) and math.isfinite(point.standard_error) and point.rows > 0
    ]
    return latest(finite, evidence.as_of, count)


def _trailing(metric: str, points: Sequence[PerformancePoint]) -> Interval:
    return trailing(metric, [(Interval(p.value, p.value, p.value, p.standard_error), p.rows) for p in points])


def _before(evidence: RetrainingEvidence) -> float | None:
    known = evidence.at_deployment
    return known if known is not None and math.isfinite(known) else None


def _numbers(spec: Monitoring, evidence: RetrainingEvidence, points: Sequence[PerformancePoint]) -> Numbers:
    now = _trailing(evidence.metric, points) if points and evidence.metric in METRICS else None
    return {
        "metric": evidence.metric,
        "at_deployment": _before(evidence),
        "now": now.value if now else None,
        "low": now.low if now else None,
        "high": now.high if now else None,
        "loss": None,
        "loss_at_least": None,
        "max_metric_loss": spec.max_metric_loss,
        "windows": len(points),
        "rows": sum(point.rows for point in points),
    }


TRIGGERS: dict[Trigger, Callable[[Monitoring, RetrainingEvidence], Finding]] = {
    Trigger.DRIFT: on_drift,
    Trigger.PERFORMANCE: on_performance,
    Trigger.ESTIMATE: on_estimate,
    Trigger.AGE: on_age,
}
