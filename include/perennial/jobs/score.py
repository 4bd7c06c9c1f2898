"""Score: the clean rows of a window become one revision of its predictions.

The order is lake, published table, ledger: a revision is live once the ledger has it. A run killed before that is
repeated; the lake adopts rows that are already there, and the published window is swapped again.
"""

import logging
from dataclasses import dataclass

import pyarrow as pa

from perennial.digest import table_digest
from perennial.features.build import feature_frame
from perennial.jobs.gate import Gated, gated
from perennial.jobs.model_choice import ModelChoice, Resolution
from perennial.lake.port import predictions_table, raw_table, window_partition
from perennial.ledger.entries import Batch, Deployment
from perennial.modeling.predict import predict
from perennial.ports import Ports
from perennial.registry.port import LoadedModel
from perennial.spec.load import LoadedUseCase
from perennial.window import Window

log = logging.getLogger(__name__)

CHUNK_ROWS = 100_000
PROVENANCE = ("revision", "run_id")  # columns that say how a batch came to be, not what was predicted


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
    `ValidationFailed`, `NoModel`, `UntrustedModel`, `DeploymentMoved`, `StoreUnavailable`, `WindowBusy`.
    """
    spec = use_case.spec
    with ports.ledger.working_on(spec.name, window):
        gate = gated(use_case, window, ports)
        deployment = model.resolve(spec.name, window, ports.ledger)
        latest = ports.ledger.latest_batch(spec.name, window)
        if latest is not None and _made_of(latest) == _inputs(use_case, gate, deployment):
            _mend_stores(latest, ports)
            log.info("%s %s: unchanged, revision %d", spec.name, window, latest.revision)
            return _scored(latest, changed=False)
        loaded = ports.registry.load(spec.name, deployment.model_version, deployment.model_digest)
        revision = latest.revision + 1 if latest else 1
        predictions = _predictions(use_case, gate, loaded, ports, revision, run_id)
        commit = ports.lake.replace(predictions_table(spec.name), window_partition(window), predictions)
        ports.published.publish(spec.name, window, predictions)
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
                digest=table_digest(predictions.drop_columns(list(PROVENANCE))),
                rows=predictions.num_rows,
                resolution=str(model),
                run_id=run_id,
            ),
            expected=deployment if model.resolution is Resolution.AS_WAS else None,
        )
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


def _mend_stores(batch: Batch, ports: Ports) -> None:
    """Bring lake and published table back to the recorded batch, should either have been changed behind our back."""
    partition = window_partition(batch.window)
    rows = ports.lake.read(batch.table, partition, version=batch.version)
    ports.lake.replace(batch.table, partition, rows)
    if ports.published.digest(batch.use_case, batch.window) != table_digest(rows):
        log.warning(
            "%s %s: the published table differed from the ledger; published again", batch.use_case, batch.window
        )
        ports.published.publish(batch.use_case, batch.window, rows)


def _scored(batch: Batch, *, changed: bool) -> Scored:
    return Scored(
        batch.window, batch.revision, batch.rows, batch.model_version, batch.model_digest, batch.digest, changed
    )
