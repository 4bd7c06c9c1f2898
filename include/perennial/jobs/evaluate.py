"""Evaluate: how good the batches were, by the labels that had arrived, and whether that calls for retraining."""

import logging
from dataclasses import dataclass
from datetime import datetime

from perennial.jobs.measure import drift_of_labels, estimated, measured
from perennial.jobs.pending import pending_batches
from perennial.jobs.retraining import decide_retraining
from perennial.lake.port import labels_table
from perennial.ledger.entries import Batch, DecisionKind, Performance, RecordedDecision
from perennial.modeling.reference import ModelReference
from perennial.performance.maturity import Maturity, maturity_of
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
    decision = decide_retraining(use_case, DecisionKind.RETRAIN_ON_PERFORMANCE, as_of.isoformat(), as_of, ports, run_id)
    return Evaluated(as_of, len(recorded), final, outcome, decision)


def _record(use_case: LoadedUseCase, batch: Batch, as_of: datetime, ports: Ports, run_id: str) -> Performance:
    spec = use_case.spec
    labels_version = ports.lake.version(labels_table(spec.name))
    found = measured(use_case, batch, as_of, ports, labels_version)
    completeness = found.labelled / found.rows
    maturity = maturity_of(batch.window.end, as_of, spec.labels.mature_after, completeness)
    final = maturity is Maturity.FINAL
    reference = ModelReference.from_json(
        ports.registry.load(spec.name, batch.model_version, batch.model_digest).reference
    )
    return ports.ledger.record_performance(
        Performance(
            use_case=spec.name,
            window=batch.window,
            revision=batch.revision,
            model_version=batch.model_version,
            model_digest=batch.model_digest,
            as_of=as_of,
            maturity=maturity,
            rows=found.rows,
            labelled=found.labelled,
            completeness=completeness,
            verdict=Verdict.PASS if spec.training.metric in found.metrics else Verdict.INSUFFICIENT,
            metrics=found.metrics,
            intervals=found.intervals,
            estimates=estimated(use_case, batch, reference, ports),
            arrivals=found.arrivals if final else (),
            label_drift=drift_of_labels(use_case, found.labels, reference) if final else {},
            labels_version=labels_version,
            run_id=run_id,
        )
    )
