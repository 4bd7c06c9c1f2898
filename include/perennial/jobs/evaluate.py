"""Evaluate: how good the batches were, by the labels that had arrived, and whether that calls for retraining."""

import logging
from dataclasses import dataclass
from datetime import datetime

from perennial.jobs.labels import known_labels
from perennial.jobs.pending import pending_batches
from perennial.jobs.retraining_history import last_deployed_at, last_retrain_at
from perennial.lake.port import labels_table, window_partition
from perennial.ledger.entries import Batch, DecisionKind, DeployedRole, Performance, RecordedDecision
from perennial.performance.labels import join_labels, truth_of
from perennial.performance.maturity import Maturity, maturity_of
from perennial.performance.metrics import measure
from perennial.policy.retraining import PerformancePoint, decide_on_performance
from perennial.ports import Ports
from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluated:
    """How many windows were measured and how many became final; `outcome` says it in words."""

    as_of: datetime
    windows: int
    final: int
    outcome: str
    decision: RecordedDecision


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str) -> Evaluated:
    """Measure every window that waits for the truth, as it was known at `as_of`, and decide about retraining.

    Errors: `StoreUnavailable`.
    """
    waiting = pending_batches(use_case.spec, as_of, ports.ledger)
    recorded = [_record(use_case, batch, as_of, ports, run_id) for batch in waiting]
    final = sum(entry.maturity is Maturity.FINAL for entry in recorded)
    outcome = (
        f"{len(recorded)} windows measured, {final} of them finally"
        if recorded
        else "no scored window waits for labels"
    )
    log.info("%s as of %s: %s", use_case.name, as_of, outcome)
    return Evaluated(as_of, len(recorded), final, outcome, _decide(use_case, as_of, ports, run_id))


@dataclass(frozen=True)
class Measured:
    """A batch against the labels: how many of its rows have one, and how good they are."""

    rows: int
    labelled: int
    metrics: dict[str, float]


def measured(
    use_case: LoadedUseCase, batch: Batch, as_of: datetime, ports: Ports, labels_version: int | None
) -> Measured:
    """Measure a batch by the labels that had arrived by `as_of` and been collected by that version of their table."""
    spec = use_case.spec
    predictions = ports.lake.read(batch.table, window_partition(batch.window), version=batch.version)
    labels = known_labels(use_case, batch.window, as_of, ports, version=labels_version)
    labelled = join_labels(predictions, labels, spec.key)
    truth = truth_of(spec.task, labelled.column(spec.labels.column))
    metrics = measure(spec.task, truth, labelled.column("prediction").to_numpy())
    return Measured(predictions.num_rows, labelled.num_rows, metrics)


def _record(use_case: LoadedUseCase, batch: Batch, as_of: datetime, ports: Ports, run_id: str) -> Performance:
    spec = use_case.spec
    labels_version = ports.lake.version(labels_table(spec.name))
    found = measured(use_case, batch, as_of, ports, labels_version)
    completeness = found.labelled / found.rows
    return ports.ledger.record_performance(
        Performance(
            use_case=spec.name,
            window=batch.window,
            revision=batch.revision,
            model_version=batch.model_version,
            model_digest=batch.model_digest,
            as_of=as_of,
            maturity=maturity_of(batch.window.end, as_of, spec.labels.mature_after, completeness),
            rows=found.rows,
            labelled=found.labelled,
            completeness=completeness,
            verdict=Verdict.PASS if spec.training.metric in found.metrics else Verdict.INSUFFICIENT,
            metrics=found.metrics,
            labels_version=labels_version,
            run_id=run_id,
        )
    )


def _decide(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str) -> RecordedDecision:
    spec = use_case.spec
    metric = spec.training.metric
    champion = ports.ledger.current_deployment(spec.name, DeployedRole.CHAMPION)
    points = [
        PerformancePoint(entry.window, entry.metrics[metric], entry.labelled)
        for entry in ports.ledger.performance_between(spec.name, spec.start, as_of)
        if entry.maturity is Maturity.FINAL
        and entry.as_of <= as_of  # what was learnt later is the future (invariant I6)
        and metric in entry.metrics
        and champion is not None
        and entry.model_digest == champion.model_digest
    ]
    decision = decide_on_performance(
        spec.monitoring,
        as_of,
        metric,
        at_deployment=champion.metrics.get(metric) if champion else None,
        recent=points,
        last_deployment_at=last_deployed_at(spec.name, ports.ledger),
        last_retrain_at=last_retrain_at(spec.name, as_of, ports.ledger),
    )
    return ports.ledger.record_decision(
        RecordedDecision(
            use_case=spec.name,
            kind=DecisionKind.RETRAIN_ON_PERFORMANCE,
            subject=as_of.isoformat(),
            as_of=as_of,
            action=decision.action,
            reasons=decision.reasons,
            numbers=dict(decision.numbers),
            run_id=run_id,
        )
    )
