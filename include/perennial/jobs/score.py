"""Score: the clean rows of a window become one revision of its predictions.

The order is lake, ledger, published table. A revision is live once the ledger has it, and nothing is published that the
ledger does not have, so that every published row can be explained. A run killed in between is repeated: the lake adopts
rows that are already there, and what the ledger has is published without scoring again.
"""

import logging
from dataclasses import dataclass

import pyarrow as pa

from perennial.code_version import code_version, lock_digest
from perennial.features.build import feature_frame
from perennial.jobs.gate import Gated, gated
from perennial.jobs.holding import holding_data
from perennial.jobs.model_choice import ModelChoice, Resolution
from perennial.jobs.stores import content_digest, restore_stores
from perennial.lake.port import predictions_table, raw_table, window_partition
from perennial.ledger.entries import Batch, Deployment
from perennial.modeling.predict import predict
from perennial.ports import Ports
from perennial.registry.port import LoadedModel
from perennial.spec.load import LoadedUseCase
from perennial.window import Window

log = logging.getLogger(__name__)

CHUNK_ROWS = 100_000


@dataclass(frozen=True)
class Scored:
    """The live revision of the window; `changed` is false when there was nothing new to score."""

    window: Window
    revision: int
    rows: int
    model_version: str
    model_digest: str
    digest: str
    changed: bool


def run(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str, *, model: ModelChoice) -> Scored:
    """Score the window with the chosen model, in the lake and in the published table.

    Same snapshot, same rules and same model make no new revision. Errors: `NotIngested`, `NotValidated`,
    `ValidationFailed`, `NoModel`, `UntrustedModel`, `DeploymentMoved`, `StoreUnavailable`, `WindowBusy`, `HoldLost`.
    """
    spec = use_case.spec
    with holding_data(spec.name, window, ports, run_id) as hold:
        gate = gated(use_case, window, ports)
        deployment = model.resolve(spec.name, window, ports.ledger)
        latest = ports.ledger.latest_batch(spec.name, window)
        if latest is not None and _made_of(latest) == _inputs(use_case, gate, deployment):
            restore_stores(latest, ports, hold, run_id, actor=run_id)
            log.info("%s %s: unchanged, revision %d", spec.name, window, latest.revision)
            return _scored(latest, changed=False)
        loaded = ports.registry.load(spec.name, deployment.model_version, deployment.model_digest)
        revision = latest.revision + 1 if latest else 1
        predictions = _predictions(use_case, gate, loaded, ports, revision, run_id)
        commit = ports.lake.replace(predictions_table(spec.name), window_partition(window), predictions, hold)
        batch = ports.ledger.record_batch(
            Batch(
                use_case=spec.name,
                window=window,
                revision=revision,
                snapshot_digest=gate.snapshot.digest,
                suite_digest=use_case.suite_digest,
                scoring_digest=use_case.scoring_digest,
                model_version=deployment.model_version,
                model_digest=deployment.model_digest,
                table=commit.table,
                version=commit.version,
                digest=content_digest(predictions),
                rows=predictions.num_rows,
                resolution=str(model),
                epoch=hold.epoch,
                code_version=code_version(),
                lock_digest=lock_digest(),
                run_id=run_id,
            ),
            hold,
            expected=deployment if model.resolution is Resolution.AS_WAS else None,
        )
        ports.published.publish(spec.name, window, predictions, hold)
    log.info("%s %s: %d rows by model version %s", spec.name, window, batch.rows, batch.model_version)
    return _scored(batch, changed=True)


def _inputs(use_case: LoadedUseCase, gate: Gated, deployment: Deployment) -> tuple[str, ...]:
    return (gate.snapshot.digest, use_case.suite_digest, use_case.scoring_digest, deployment.model_digest)


def _made_of(batch: Batch) -> tuple[str, ...]:
    return (batch.snapshot_digest, batch.suite_digest, batch.scoring_digest, batch.model_digest)


def _predictions(
    use_case: LoadedUseCase, gate: Gated, model: LoadedModel, ports: Ports, revision: int, run_id: str
) -> pa.Table:
    """Rows of key, event time, prediction and provenance, made chunk by chunk so that memory stays bounded."""
    spec = use_case.spec
    partition = window_partition(gate.snapshot.window)
    chunks = ports.lake.stream(raw_table(spec.name), partition, version=gate.snapshot.version, chunk_rows=CHUNK_ROWS)
    scored = []
    for chunk in chunks:
        rows = gate.clean(chunk, spec.key)
        if rows.num_rows == 0:
            continue
        constants = {
            "model_version": model.version,
            "model_digest": model.digest,
            "snapshot_digest": gate.snapshot.digest,
            "revision": revision,
            "run_id": run_id,
        }
        columns = {
            spec.key: rows.column(spec.key),
            "event_time": rows.column(spec.event_time),
            "prediction": pa.array(predict(model.pipeline, spec.task, feature_frame(spec, rows)), pa.float64()),
            **{name: pa.repeat(value, rows.num_rows) for name, value in constants.items()},
        }
        scored.append(pa.table(columns))
    return pa.concat_tables(scored)


def _scored(batch: Batch, *, changed: bool) -> Scored:
    return Scored(
        batch.window, batch.revision, batch.rows, batch.model_version, batch.model_digest, batch.digest, changed
    )
