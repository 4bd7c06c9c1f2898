"""Whether to retrain: the evidence for it that is on record, and the decision, which goes on record too."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from perennial.drift.accumulate import NOTHING_KEPT, Thresholds, read_thresholds
from perennial.ledger.entries import (
    COMMAND_LINE,
    DecisionKind,
    DeployedRole,
    Deployment,
    RecordedDecision,
)
from perennial.ledger.parts.evidence import DriftOfWindow, MetricOfWindow
from perennial.ledger.port import Ledger
from perennial.performance.audit import Audit, Audited, audit
from perennial.performance.maturity import Maturity
from perennial.policy.evidence import Awaited, ColumnPoint, DriftPoint, PerformancePoint, RetrainingEvidence
from perennial.policy.retraining import decide
from perennial.policy.triggers import accumulated
from perennial.ports import Ports
from perennial.records.judgement import HOLDOUT_END
from perennial.spec.false_alarms import windows_per_year
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.monitoring import Trigger
from perennial.verdict import PROMOTE, RETRAIN, Verdict
from perennial.window import Window, parse_instant, stamp

# New windows bring news of drift; new labels bring news of performance, and of everything else.
ASKED: dict[DecisionKind, tuple[Trigger, ...]] = {
    DecisionKind.RETRAIN_ON_DRIFT: (Trigger.DRIFT,),
    DecisionKind.RETRAIN_ON_PERFORMANCE: (Trigger.PERFORMANCE, Trigger.ESTIMATE, Trigger.AGE),
}


def decide_retraining(
    use_case: LoadedUseCase, kind: DecisionKind, subject: str, as_of: datetime, ports: Ports, run_id: str
) -> RecordedDecision:
    """Decide as of a moment of the data's time. The first decision about a subject stands.

    A decision on performance is taken anew when it is asked for again and the numbers have changed, because windows
    were scored or labels collected meanwhile, unless it was to retrain. One to retrain that was taken at the command
    line, and that nobody has acted on when a task of Airflow takes it too, is recorded again as that task's: from then
    on a retraining is under way, for which later windows wait. Errors: `StoreUnavailable`.
    """
    spec = use_case.spec
    with ports.ledger.deciding(spec.name):
        champion = ports.ledger.current_deployment(spec.name, DeployedRole.CHAMPION)
        decision = decide(spec.monitoring, gather(spec, as_of, ports.ledger, champion), ASKED[kind])
        if kind is DecisionKind.RETRAIN_ON_PERFORMANCE:
            earlier = [
                each
                for each in ports.ledger.decisions(spec.name, kind, since=as_of)
                if each.as_of == as_of and each.subject.startswith(subject)
            ]
            if earlier and (earlier[-1].action == RETRAIN or earlier[-1].numbers == dict(decision.numbers)):
                return _told(_taken_over(earlier[-1], ports.ledger, run_id))
            subject = f"{subject}, asked {len(earlier) + 1} times" if earlier else subject
        recorded = ports.ledger.record_decision(
            RecordedDecision(
                use_case=spec.name,
                kind=kind,
                subject=subject,
                as_of=as_of,
                action=decision.action,
                reasons=decision.reasons,
                numbers=dict(decision.numbers),
                run_id=run_id,
            )
        )
        return _told(_taken_over(recorded, ports.ledger, run_id))


def taken_by_hand(decision: RecordedDecision) -> bool:
    """Whether it was taken at the command line: then nobody but the person there starts anything."""
    return decision.run_id.startswith(COMMAND_LINE)


def answer_to(decision: RecordedDecision, ledger: Ledger, run_id: str) -> RecordedDecision | None:
    """The judgement that makes the retraining needless that was decided, if another run than `run_id` came to one.

    It is one as of the decision's own moment, whoever started it, or one as of a later moment that came after the
    decision. Errors: `StoreUnavailable`.
    """
    judged = [
        each
        for each in ledger.decisions(decision.use_case, DecisionKind.PROMOTE, since=decision.as_of)
        if each.run_id != run_id and (each.as_of == decision.as_of or _later(each, decision))
    ]
    return judged[0] if judged else None


def _later(one: RecordedDecision, other: RecordedDecision) -> bool:
    return one.id is not None and other.id is not None and one.id > other.id


def _taken_over(decision: RecordedDecision, ledger: Ledger, run_id: str) -> RecordedDecision:
    if decision.action != RETRAIN or not taken_by_hand(decision) or run_id.startswith(COMMAND_LINE):
        return decision
    if answer_to(decision, ledger, run_id) is not None:
        return decision
    subject = f"{decision.subject}, taken over from {decision.run_id}"
    return ledger.record_decision(replace(decision, subject=subject, run_id=run_id, recorded_at=None, id=None))


def _told(decision: RecordedDecision) -> RecordedDecision:
    """The decision, which is logged: as a warning where something calls for retraining, even if it has to wait."""
    level = logging.WARNING if decision.numbers.get("trigger") else logging.INFO
    reasons = " ".join(decision.reasons)
    log.log(level, "%s as of %s: %s: %s", decision.use_case, stamp(decision.as_of), decision.action, reasons)
    return decision


log = logging.getLogger(__name__)

THRESHOLDS = "evidence_thresholds"  # among what a deployment says of the training
# Windows. Evidence of drift falls back to zero again and again, and what was before no longer counts in it: in ordinary
# windows it takes some fifty. Performance is judged by the last few, and estimates by how they did lately.
LOOKED_BACK = 1_000


def gather(spec: UseCase, as_of: datetime, ledger: Ledger, champion: Deployment | None) -> RetrainingEvidence:
    """What was recorded for the champion, and known by `as_of` in the data's time (I6).

    It reaches `LOOKED_BACK` windows back, and for performance as far before windows whose labels may still come: what
    a decision costs does not grow with the history. Earlier decisions to retrain are included even when they are about
    later moments, so that a retraining under way is not asked for twice.
    """
    recent = looked_back(spec, as_of)
    promotions = ledger.decisions(spec.name, DecisionKind.PROMOTE)
    judged = [each for each in promotions if each.as_of < as_of]
    came_to_judgement = {each.as_of for each in promotions}
    decided = [
        each.as_of
        for kind in (DecisionKind.RETRAIN_ON_DRIFT, DecisionKind.RETRAIN_ON_PERFORMANCE)
        # Also for a later moment: windows of a backfill are not always monitored in order.
        for each in ledger.decisions(spec.name, kind, action=RETRAIN)
        # What was decided at the command line is started by nobody but a person: until then, nothing waits for it.
        if not taken_by_hand(each) or each.as_of in came_to_judgement
    ]
    metric = spec.training.metric
    since = recent - spec.labels.mature_after
    measured = ledger.metric_between(spec.name, since, as_of, metric, as_of=as_of)
    own = [entry for entry in measured if champion is not None and entry.model_digest == champion.model_digest]
    reports = reports_on(spec, champion, as_of, ledger, since=recent)
    audited = audit_of(spec, own, reports, kept_thresholds(champion))
    for reason in audited.reasons:
        log.log(logging.WARNING if audited.concept_drift else logging.INFO, "%s: %s", spec.name, reason)
    learning = _Learning.of(spec, measured, as_of)
    return RetrainingEvidence(
        as_of=as_of,
        every=spec.schedule.every,
        metric=metric,
        at_deployment=champion.expected(metric) if champion else None,
        reference_windows=_reference_windows(reports),
        drift=tuple(_drift(report, learnable=learning.from_window(report.window)) for report in reports),
        performance=_measured(own),
        estimates=_estimated(own),
        trust=audited.trust,
        concept_drift=audited.concept_drift,
        last_trained_as_of=_last_trained_as_of(champion),
        deployed_at=champion.effective_from if champion else None,
        retrains=tuple(sorted({*decided, *(each.as_of for each in judged)})),
        rejected_at=max((each.as_of for each in judged if each.action != PROMOTE), default=None),
        new_labels=_new_labels(spec, champion, as_of, ledger),
        failed=_failed(spec, as_of, ledger),
        thresholds=kept_thresholds(champion),
        awaited=_awaited(spec, judged, as_of, ledger),
    )


def looked_back(spec: UseCase, as_of: datetime) -> datetime:
    """What was recorded of windows before no longer counts in what is told and decided as of that moment."""
    return as_of - _length(spec, LOOKED_BACK)


def _length(spec: UseCase, windows: int) -> timedelta:
    return windows * timedelta(days=365) / windows_per_year(spec.schedule.every)


def _awaited(spec: UseCase, judged: Sequence[RecordedDecision], as_of: datetime, ledger: Ledger) -> Awaited | None:
    """The labels that the last judgement was in want of; None where it was not, or did not say so, as 0.1.0 did not."""
    if not judged:
        return None
    last = judged[-1]
    numbers = last.numbers
    needed, had, end = (numbers.get(key) for key in ("needed_labels", "rows_compared", HOLDOUT_END))
    if last.action == PROMOTE or numbers.get("improvement_ruled_out") or not needed or not had or not end:
        return None
    end = parse_instant(end)
    _, come = ledger.labelled_between(spec.name, end, as_of, as_of=as_of)
    return Awaited(int(needed), int(had), come, end + spec.training.holdout + spec.labels.mature_after)


@dataclass(frozen=True)
class _Learning:
    """What a retraining as of a moment could learn from: windows up to `until` whose labels came."""

    until: datetime
    lacking: frozenset[Window]

    @classmethod
    def of(cls, spec: UseCase, measured: Sequence[MetricOfWindow], as_of: datetime) -> "_Learning":
        held_out = timedelta(0) if spec.training.refit else spec.training.holdout
        lacking = {each.window for each in measured if each.maturity in (Maturity.OVERDUE, Maturity.GIVEN_UP)}
        return cls(until=as_of - spec.labels.mature_after - held_out, lacking=frozenset(lacking))

    def from_window(self, window: Window) -> bool:
        return window.end <= self.until and window not in self.lacking


def reports_on(
    spec: UseCase, champion: Deployment | None, as_of: datetime, ledger: Ledger, *, since: datetime
) -> Sequence[DriftOfWindow]:
    """What the drift reports say of windows that the champion scored since its deployment, and since that moment."""
    if champion is None:
        return []
    start = max(champion.effective_from, since)
    return ledger.drift_of_model_between(spec.name, start, as_of, champion.model_digest)


def kept_thresholds(champion: Deployment | None) -> Thresholds:
    """The thresholds that were simulated when the champion was deployed."""
    kept = champion.training.get(THRESHOLDS) if champion else None
    return read_thresholds(kept) if isinstance(kept, dict) else NOTHING_KEPT


def _drift_shown_by(spec: UseCase, reports: Sequence[DriftOfWindow], kept: Thresholds) -> Window | None:
    """The last window at which the evidence of drift was enough."""
    points = [_drift(report) for report in reports]
    reference_windows = _reference_windows(reports)
    if not reference_windows:
        return None
    alarms = accumulated(spec.monitoring, points, reference_windows, spec.schedule.every, kept).alarms
    return points[alarms[-1]].window if alarms else None


def _reference_windows(reports: Sequence[DriftOfWindow]) -> int:
    return max((each.reference_windows for each in reports), default=0)


def _drift(report: DriftOfWindow, *, learnable: bool | None = None) -> DriftPoint:
    columns = {  # reports of 0.1.0 don't say how important a column is
        name: ColumnPoint(own["p_value"], own["missing"], own.get("importance")) for name, own in report.columns.items()
    }
    return DriftPoint(report.window, report.verdict, report.p_value, report.missing, columns, report.rows, learnable)


def audit_of(
    spec: UseCase,
    entries: Sequence[MetricOfWindow],
    reports: Sequence[DriftOfWindow],
    kept: Thresholds = NOTHING_KEPT,
) -> Audit:
    """How good the estimates of the deciding metric were in these windows that are final."""
    alarms = {report.window for report in reports if report.verdict is Verdict.FAIL}
    points = [
        Audited(
            window=entry.window,
            estimate=said.value,
            estimate_error=_error(said.standard_error),
            truth=entry.value,
            truth_error=_error(entry.standard_error),
            correction=said.correction,
            error_sd=said.error_sd,
            drifted=entry.window in alarms,
        )
        for entry in entries
        if entry.maturity is Maturity.FINAL and entry.value is not None and (said := entry.estimate) is not None
    ]
    return audit(spec.training.metric, points, partial(_drift_shown_by, spec, reports, kept))


def _measured(entries: Sequence[MetricOfWindow]) -> tuple[PerformancePoint, ...]:
    """Those of final windows."""
    return tuple(
        PerformancePoint(entry.window, entry.value, _error(entry.standard_error), entry.labelled)
        for entry in entries
        if entry.maturity is Maturity.FINAL and entry.value is not None
    )


def _estimated(entries: Sequence[MetricOfWindow]) -> tuple[PerformancePoint, ...]:
    """Those of windows that are not final, corrected."""
    return tuple(
        PerformancePoint(
            entry.window,
            said.value + said.correction,
            math.hypot(_error(said.standard_error), said.error_sd),
            entry.rows,
        )
        for entry in entries
        if entry.maturity is not Maturity.FINAL and (said := entry.estimate) is not None
    )


def _error(standard_error: float | None) -> float:
    """The standard error; infinite where the ledger has none, because it was, or because nobody computed it then."""
    return math.inf if standard_error is None else standard_error


def _last_trained_as_of(champion: Deployment | None) -> datetime | None:
    moment = champion.training.get("as_of") if champion else None
    return parse_instant(moment) if isinstance(moment, str) else None


def _learnt_until(champion: Deployment | None) -> datetime | None:
    """The end of the last window that the champion was trained or judged on; it is older than its `as_of`."""
    last = champion.training.get("last_window") if champion else None
    return Window.parse(last).end if isinstance(last, str) else _last_trained_as_of(champion)


def _new_labels(spec: UseCase, champion: Deployment | None, as_of: datetime, ledger: Ledger) -> int | None:
    """Those that a new model could learn from, and this one did not; None when no such window was measured."""
    learnt_until = _learnt_until(champion)
    if learnt_until is None:
        return None
    learnable = as_of - spec.labels.mature_after - spec.training.holdout - spec.training.history
    windows, labels = ledger.labelled_between(spec.name, max(learnt_until, learnable), as_of, as_of=as_of)
    return labels if windows else None


def _failed(spec: UseCase, as_of: datetime, ledger: Ledger) -> Window | None:
    """The last ingested window, if its rows failed; where they wait for a verdict, if those before them did."""
    verdicts = ledger.validations_between(spec.name, spec.grid.back(as_of, 2), as_of)
    return verdicts[-1].window if verdicts and verdicts[-1].verdict is Verdict.FAIL else None
