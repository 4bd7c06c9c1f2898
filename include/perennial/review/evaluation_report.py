"""The report on an evaluation: which windows a run measured, how good they were, and what was decided."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from perennial.ledger.entries import DecisionKind, Performance, RecordedDecision
from perennial.performance.maturity import Maturity
from perennial.ports import Ports
from perennial.review import timeline
from perennial.spec.load import LoadedUseCase
from perennial.wording import counted

MOST_WINDOWS = 371  # of the newest


@dataclass(frozen=True)
class EstimatesFound:
    """Of the windows that are final now, how many had an estimate, and how many estimates' intervals hold the truth."""

    windows: int
    held: int


@dataclass(frozen=True)
class EvaluationReport:
    """The measurements that a run recorded, by window, and the decision about retraining as of the same moment.

    `by_maturity` counts the windows; `estimates` is about the deciding metric.
    """

    use_case: str
    title: str
    run_id: str
    as_of: datetime
    metric: str
    sentence: str
    measured: tuple[Performance, ...]
    by_maturity: dict[Maturity, int]
    estimates: EstimatesFound
    decision: RecordedDecision | None
    format: Literal[1] = 1


def run(use_case: LoadedUseCase, run_id: str, as_of: datetime, ports: Ports) -> EvaluationReport:
    """What the run of that name in the ledger measured as of a moment. Errors: `StoreUnavailable`."""
    spec, ledger = use_case.spec, ports.ledger
    windows = timeline.last_windows(spec, as_of, MOST_WINDOWS)
    entries = ledger.performance_between(spec.name, windows[0].start, windows[-1].end, as_of=as_of) if windows else []
    measured = tuple(entry for entry in entries if (entry.run_id, entry.as_of) == (run_id, as_of))
    decisions = ledger.decisions(spec.name, DecisionKind.RETRAIN_ON_PERFORMANCE, as_of, as_of)
    return EvaluationReport(
        use_case=spec.name,
        title=spec.title,
        run_id=run_id,
        as_of=as_of,
        metric=spec.training.metric,
        sentence=_sentence(measured),
        measured=measured,
        by_maturity={each: count for each in Maturity if (count := sum(entry.maturity is each for entry in measured))},
        estimates=_estimates(measured, spec.training.metric),
        decision=decisions[-1] if decisions else None,
    )


def _estimates(measured: tuple[Performance, ...], metric: str) -> EstimatesFound:
    """A truth lies inside an estimate's interval as often as the interval promises, if the estimates can be trusted."""
    ends = [
        (said["low"], entry.metrics[metric], said["high"])
        for entry in measured
        if entry.maturity is Maturity.FINAL and metric in entry.metrics
        if None not in ((said := entry.estimates.get(metric) or {}).get("low"), said.get("high"))
    ]
    return EstimatesFound(windows=len(ends), held=sum(low <= truth <= high for low, truth, high in ends))


def _sentence(measured: tuple[Performance, ...]) -> str:
    if not measured:
        return "This run measured no window anew: no label has come since the run before."
    final = sum(entry.maturity is Maturity.FINAL for entry in measured)
    overdue = sum(entry.maturity is Maturity.OVERDUE for entry in measured)
    late = f"; the labels of {counted(overdue, 'window')} are overdue" if overdue else ""
    return f"{counted(len(measured), 'window')} measured, {final:,} of them final{late}."
