"""How good the batches of some windows were, or are expected to be, and how far that may be believed."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from perennial.ledger.entries import DriftReport, Performance, ReviewMeasurement
from perennial.ledger.parts.evidence import DriftOfWindow, MetricOfWindow
from perennial.performance.audit import Audit, Trust
from perennial.performance.delay import DelayCurve, Movement, learn_delay, moved
from perennial.performance.interval import Interval, trailing
from perennial.performance.maturity import Maturity
from perennial.ports import Ports
from perennial.records.retraining import audit_of, looked_back
from perennial.spec.load import LoadedUseCase
from perennial.window import Window

Json = dict[str, Any]


@dataclass(frozen=True)
class WindowPerformance:
    """The deciding metric of one window, as of its last measurement, and its drift.

    Of `without_outcome` rows it is known that no outcome will come. `expected_completeness` is the low, mean and high
    share of rows that were settled, by a label or by that word, in windows of this age. `measured` is what
    the labels that came say; of a partial window it is biased, see `PerformanceOverview.movement`. `estimated` is what
    is expected from the predictions alone, None where the model can't tell or is no longer trusted. `label_drift` is
    about the outcomes, `data_drift` (`verdict`, `p_value`) about the inputs and predictions; both are {} where unknown.
    """

    window: Window
    as_of: datetime
    model_version: str
    maturity: Maturity
    rows: int
    labelled: int
    without_outcome: int
    expected_completeness: tuple[float, float, float] | None
    measured: Json | None
    estimated: Json | None
    label_drift: Json
    data_drift: Json = field(default_factory=dict)


@dataclass(frozen=True)
class PerformanceOverview:
    """The windows, oldest first, and what they say together.

    `trailing` is the metric over the final windows of the last model among them. `movement` says by how much partial
    figures moved until they were final, `delay` when labels come, `audit` whether estimates were right. `by_people` is
    what people's answers say of the newest model, None where nobody is asked.
    """

    use_case: str
    metric: str
    windows: tuple[WindowPerformance, ...]
    trailing: Interval | None
    movement: Movement | None
    delay: DelayCurve | None
    audit: Audit
    by_people: ReviewMeasurement | None = None
    format: Literal[1] = 1


def run(use_case: LoadedUseCase, windows: Sequence[Window], ports: Ports) -> PerformanceOverview:
    """The performance of these windows as it is on record; windows never evaluated are left out.

    What is said of the model, and of when labels come, is learnt from the windows that decisions look back to.
    Errors: `StoreUnavailable`.
    """
    spec, ledger = use_case.spec, ports.ledger
    metric = spec.training.metric
    end = windows[-1].end
    since = min(windows[0].start, looked_back(spec, end) - spec.labels.mature_after)
    history = list(ledger.performance_between(spec.name, since, end))
    chosen = [entry for entry in history if entry.window in set(windows)]
    delay = learn_delay([entry.arrivals for entry in history], spec.labels.mature_after)
    last_model = chosen[-1].model_digest if chosen else None
    own = [entry for entry in history if entry.model_digest == last_model]
    reports = [each for each in _reports(use_case, own, ports) if each.model_digest == last_model]
    found = audit_of(
        spec, [MetricOfWindow.of(entry, metric) for entry in own], [DriftOfWindow.of(report) for report in reports]
    )
    drift = {(each.window, each.model_digest): each for each in _reports(use_case, chosen, ports)}
    final = [entry for entry in chosen if entry.maturity is Maturity.FINAL and entry.model_digest == last_model]
    return PerformanceOverview(
        use_case=spec.name,
        metric=metric,
        windows=tuple(
            _window(entry, metric, delay, found.trust, drift.get((entry.window, entry.model_digest)))
            for entry in chosen
        ),
        trailing=_trailing(final, metric),
        movement=moved(_pairs(ledger.measurements_between(spec.name, windows[0].start, end), set(windows), metric)),
        delay=delay,
        audit=found,
        by_people=ledger.last_review_measurement(spec.name) if spec.review else None,
    )


def _window(
    entry: Performance, metric: str, delay: DelayCurve | None, trust: Trust, drift: DriftReport | None
) -> WindowPerformance:
    said = entry.estimates.get(metric)
    measured = {"value": entry.metrics[metric], **entry.intervals.get(metric, {})} if metric in entry.metrics else None
    return WindowPerformance(
        window=entry.window,
        as_of=entry.as_of,
        model_version=entry.model_version,
        maturity=entry.maturity,
        rows=entry.rows,
        labelled=entry.labelled,
        without_outcome=entry.without_outcome,
        expected_completeness=delay.expected(entry.as_of - entry.window.end) if delay else None,
        measured=measured,
        estimated=said if said and trust is not Trust.OFF else None,
        label_drift=entry.label_drift,
        data_drift={"verdict": drift.verdict, "p_value": drift.p_value} if drift else {},
    )


def _reports(use_case: LoadedUseCase, entries: Sequence[Performance], ports: Ports) -> Sequence[DriftReport]:
    if not entries:
        return []
    return ports.ledger.drift_between(use_case.name, entries[0].window.start, entries[-1].window.end)


def _trailing(entries: Sequence[Performance], metric: str) -> Interval | None:
    known = []
    for entry in entries:
        error = entry.intervals.get(metric, {}).get("standard_error")
        if metric in entry.metrics and error is not None:
            value = entry.metrics[metric]
            known.append((Interval(value, value, value, error), entry.labelled))
    return trailing(metric, known) if known else None


def _pairs(entries: Sequence[Performance], windows: AbstractSet[Window], metric: str) -> list[tuple[float, float]]:
    """Of each window that has both, the first partial figure of its last revision, and the final one."""
    by_window: dict[Window, list[Performance]] = {}
    for entry in entries:
        if entry.window in windows:
            by_window.setdefault(entry.window, []).append(entry)
    return [pair for found in by_window.values() if (pair := _pair(found, metric)) is not None]


def _pair(entries: Sequence[Performance], metric: str) -> tuple[float, float] | None:
    last = [each for each in entries if each.revision == entries[-1].revision and metric in each.metrics]
    partial = [each for each in last if each.maturity is Maturity.PARTIAL]
    final = [each for each in last if each.maturity is Maturity.FINAL]
    return (partial[0].metrics[metric], final[-1].metrics[metric]) if partial and final else None
