"""Explain: from one prediction to everything that made it (invariant I8)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import EntityErased, NotScored, RowsExpired, RowsRemoved
from perennial.lake.port import raw_table, window_partition
from perennial.ledger.entries import (
    Batch,
    DecisionKind,
    DeployedRole,
    Deployment,
    DriftReport,
    Performance,
    Snapshot,
    ValidationResult,
)
from perennial.ledger.rules import recorded_at, settled
from perennial.modeling.decision import DECIDED
from perennial.policy.assignment import PLACES, place
from perennial.ports import Ports
from perennial.quality.unread import without_bad_cells
from perennial.records import erasure
from perennial.records.labels import settled_labels
from perennial.records.retained import batch_table, gone_text, on_record
from perennial.records.scorers import challengers_part
from perennial.records.training_set import TrainingManifest, read_manifest
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.retirement import RowClass
from perennial.window import Window
from perennial.wording import WITHHELD

FORMAT = 1


class OutcomeState(StrEnum):
    """Whether the outcome is known; whether it can't be, because labels were not asked for yet; or did not come.

    `NONE_WILL_COME` says that the label's source said so.
    """

    KNOWN = "known"
    NONE_WILL_COME = "none_will_come"
    NOT_KNOWN = "not_known"
    NOT_COLLECTED = "not_collected"


@dataclass(frozen=True)
class DagRun:
    """The run that wrote something: its name in the ledger, and where a person finds it with its logs."""

    run_id: str
    address: str | None


@dataclass(frozen=True)
class RowsModel:
    """The model that predicted the row, and `why` it was that one, in a sentence.

    In a batch by two models, `place` is the key's among 10,000: below 100 x `share` the challenger predicts.
    """

    role: str
    version: str
    digest: str
    why: str
    place: int | None = None
    share: int | None = None


@dataclass(frozen=True)
class PredictionEvidence:
    """One prediction row and its way back. `row` is None where retention took the snapshot's rows.

    `outcome` is the label known by `as_of`, `published` whether consumers see this very prediction. Without an outcome,
    `outcome_state` is `not_collected` when no collection of labels has covered the window since it ended, `not_known`
    when one has, and this label was not among them. `labels_as_of` is the moment as of which the window's labels were
    last collected. `training` is the manifest: which windows, each with the digest of its snapshot and the verdict on
    it. `predicted_by` is the row's model; `deployment` is by which that one was in service. `decided` is None where
    that came without a decision. `published_removed` says when the window's published rows went by age.
    """

    format: int
    use_case: str
    entity: str
    window: Window
    as_of: datetime
    prediction: float
    decided: bool | None
    published: bool
    row: dict[str, Any] | None
    outcome: Any
    outcome_state: OutcomeState
    labels_as_of: datetime | None
    batch: Batch
    dag_run: DagRun
    snapshot: Snapshot
    validation: ValidationResult
    drift: DriftReport | None
    performance: Performance | None
    deployment: Deployment
    deployed_by: DagRun
    model_address: str | None
    training: TrainingManifest | None
    predicted_by: RowsModel | None = None
    published_removed: str | None = None


def run(
    use_case: LoadedUseCase,
    entity: str,
    window: Window | None,
    as_of: datetime,
    ports: Ports,
    *,
    airflow_url: str | None,
    look_back: int | None = None,
) -> PredictionEvidence:
    """The evidence on the live prediction for the entity, in the window given or the last one that has it.

    Where no window is given, the last `look_back` up to the last that was ingested are searched, or all of them: each
    is read until one has it. `airflow_url` is where Airflow's pages are. Errors: `NotScored` when no live prediction is
    for that entity, `EntityErased` when it was erased, `StoreUnavailable`.
    """
    batch, found = _find(use_case, entity, window, as_of, ports, look_back)
    name, spec = use_case.name, use_case.spec
    ledger = ports.ledger
    snapshot = next(s for s in ledger.snapshots(name, batch.window) if s.digest == batch.snapshot_digest)
    validation = _validation_behind(batch, ports)
    drift = [d for d in ledger.drift_of(name, batch.window) if _is_about(d, batch)]
    measured = [p for p in ledger.performance_of(name, batch.window) if p.revision == batch.revision]
    by = _predicted_by(use_case, batch, found, entity)
    deployment = _deployment(batch, by, ports)
    labels = settled_labels(use_case, batch.window, as_of, ports)
    found_label = labels.filter(_is(labels, spec.key, entity))
    outcome = found_label[spec.labels.column][0].as_py() if found_label.num_rows else None
    collected = _collected(use_case, batch.window, labels, as_of, ports)
    published = ports.published.read(name, batch.window)
    return PredictionEvidence(
        format=FORMAT,
        use_case=name,
        entity=str(spec.shown_entity(entity)),
        window=batch.window,
        as_of=as_of,
        prediction=found["prediction"][0].as_py(),
        decided=found[DECIDED][0].as_py() if DECIDED in found.column_names else None,
        published=published.num_rows > 0 and published.filter(_is(published, spec.key, entity)).equals(found),
        row=_row(use_case, batch, snapshot, entity, ports),
        outcome=outcome,
        outcome_state=_outcome_state(outcome, settled=found_label.num_rows > 0, collected=collected is not None),
        labels_as_of=collected,
        batch=batch,
        dag_run=_dag_run(batch.run_id, airflow_url),
        snapshot=snapshot,
        validation=validation,
        drift=drift[-1] if drift else None,
        performance=measured[-1] if measured else None,
        deployment=deployment,
        deployed_by=_dag_run(deployment.run_id, airflow_url),
        model_address=ports.registry.address(name, by.version),
        training=read_manifest(deployment.training["training_id"], ports)
        if "training_id" in deployment.training
        else None,
        predicted_by=by,
        published_removed=_published_removed(batch, ports),
    )


def _validation_behind(batch: Batch, ports: Ports) -> ValidationResult:
    """The verdict that let the batch be made. One like it may have been recorded since, after others."""
    rules = (batch.snapshot_digest, batch.suite_digest)
    verdicts = ports.ledger.validations(batch.use_case, batch.window)
    same = [each for each in verdicts if (each.snapshot_digest, each.suite_digest) == rules]
    assert same, "invariant I2: no prediction without a verdict"
    before = [each for each in same if recorded_at(each) <= recorded_at(batch)]
    return (before or same[:1])[-1]


def _published_removed(batch: Batch, ports: Ports) -> str | None:
    """When and by which rule the window's published rows went by age; None where they did not."""
    entry = on_record(batch.use_case, ports.ledger).entry(RowClass.PUBLISHED, batch.window, batch.recorded_at)
    return None if entry is None else gone_text(RowClass.PUBLISHED, entry)


def _outcome_state(outcome: object, *, settled: bool, collected: bool) -> OutcomeState:
    if settled:
        return OutcomeState.NONE_WILL_COME if outcome is None else OutcomeState.KNOWN
    return OutcomeState.NOT_KNOWN if collected else OutcomeState.NOT_COLLECTED


def _collected(
    use_case: LoadedUseCase, window: Window, labels: pa.Table, as_of: datetime, ports: Ports
) -> datetime | None:
    """As of when the window's labels were last collected, of the collections by `as_of`; None when they never were.

    Every measurement comes after a collection as of the same moment, and while the window waits, so does every decision
    of an evaluation: where nothing is new, there is no measurement. A retraining collects, too: it leaves no entry
    about the window, but what it found had arrived by then.
    """
    entries = [each for each in ports.ledger.performance_of(use_case.name, window) if each.as_of <= as_of]
    measured = [each.as_of for each in entries]
    if entries and not settled(entries[-1]):
        kind = DecisionKind.RETRAIN_ON_PERFORMANCE
        measured += [each.as_of for each in ports.ledger.decisions(use_case.name, kind, measured[-1], as_of)]
    arrived = pc.max(labels.column(use_case.spec.labels.arrival_time)).as_py() if labels.num_rows else None
    return max([*measured, *([arrived] if arrived else [])], default=None)


def _find(
    use_case: LoadedUseCase,
    entity: str,
    window: Window | None,
    as_of: datetime,
    ports: Ports,
    look_back: int | None,
) -> tuple[Batch, pa.Table]:
    name = use_case.name
    if window is None:
        since = _since(use_case.spec, ports, look_back)
        batches = list(ports.ledger.batches_between(name, since, as_of))[::-1]
    else:
        live = ports.ledger.latest_batch(name, window)
        batches = [live] if live else []
    remarked = ""
    for batch in batches:
        try:
            rows = batch_table(batch, ports)
        except RowsExpired as error:
            if window is not None:
                raise
            remarked = f" Earlier windows can't be searched: {error}"  # what is older went, too
            break
        found = rows.filter(_is(rows, use_case.spec.key, entity))
        if found.num_rows:
            return batch, found
    if erased := erasure.of_entity(entity, name, ports.ledger):
        raise EntityErased(
            f"{name}: this {use_case.spec.key} was {erasure.told(erased)}. No live prediction is about it; `perennial "
            f"ledger verify {name}` proves that the entry which says so was not altered."
        )
    if window is not None and (snapshot := ports.ledger.latest_snapshot(name, window)) and snapshot.remarks:
        remarked = f" About the window, ingest remarked: {' '.join(snapshot.remarks)}"
    where = f"in {window}" if window else f"in its {len(batches)} scored windows"
    if window is None and look_back is not None:
        where = f"in its last {look_back} windows; say which window, to look in an earlier one"
    named = f"{use_case.spec.key} {use_case.spec.shown_entity(entity)!r}"
    raise NotScored(
        f"{name} has no live prediction for {named} {where}. It may be in quarantine "
        f"(`perennial quarantine list {name}`), or never have been in the source.{remarked}"
    )


def _since(spec: UseCase, ports: Ports, look_back: int | None) -> datetime:
    last = None if look_back is None else ports.ledger.last_ingested(spec.name)
    if look_back is None or last is None:
        return spec.start
    return max(spec.start, spec.grid.back(spec.grid.containing(last.end).start, look_back))


def _is(rows: pa.Table, key: str, entity: str) -> pa.ChunkedArray:
    """Where the key, written as text, is the entity's. Rows without that column match nothing: nothing is there yet, or
    the spec took another column for the key since.
    """
    if key not in rows.column_names:
        return pa.chunked_array([pa.repeat(pa.scalar(value=False), rows.num_rows)])
    return pc.fill_null(pc.equal(rows.column(key).cast(pa.string()), entity), fill_value=False)


def _row(use_case: LoadedUseCase, batch: Batch, snapshot: Snapshot, entity: str, ports: Ports) -> dict[str, Any] | None:
    try:
        rows = ports.lake.read(raw_table(use_case.name), window_partition(batch.window), version=snapshot.version)
    except RowsRemoved:
        return None
    rows = without_bad_cells(rows)
    found: list[dict[str, Any]] = rows.filter(_is(rows, use_case.spec.key, entity)).to_pylist()
    if not found:
        return None
    personal = use_case.spec.personal_columns
    shown = {n: WITHHELD if n in personal and v is not None else v for n, v in found[0].items()}
    return {**shown, use_case.spec.key: use_case.spec.shown_entity(entity)}


def _predicted_by(use_case: LoadedUseCase, batch: Batch, row: pa.Table, entity: str) -> RowsModel:
    """The model that the row itself names, and by which rule it was that one."""
    version, digest = (row[name][0].as_py() for name in ("model_version", "model_digest"))
    part = challengers_part(batch)
    if part is None or part.share is None:
        why = f"All rows of the window were predicted by version {version} ({batch.resolution})."
        return RowsModel(DeployedRole.CHAMPION, version, digest, why)
    if part.failed:
        why = f"Version {part.model_version}, in roll-out at {part.share}%, could not predict: {part.failed}"
        return RowsModel(DeployedRole.CHAMPION, version, digest, why, share=part.share)
    found = place(part.salt, use_case.name, entity)
    role = DeployedRole.CHALLENGER if digest == part.model_digest else DeployedRole.CHAMPION
    side = "below" if role is DeployedRole.CHALLENGER else "not below"
    why = (
        f"Version {part.model_version} was in roll-out at {part.share}% of the rows: it predicts keys whose place "
        f"among {PLACES:,} is below {part.share * PLACES // 100:,}. This key's is {found:,}, {side}."
    )
    return RowsModel(role, version, digest, why, found, part.share)


def _deployment(batch: Batch, by: RowsModel, ports: Ports) -> Deployment:
    """The deployment by which the row's model was in service when the batch was recorded."""
    entries = [
        entry
        for entry in ports.ledger.deployments(batch.use_case)
        if (entry.model_version, entry.model_digest) == (by.version, by.digest) and not entry.ends
    ]
    before = [e for e in entries if e.recorded_at and batch.recorded_at and e.recorded_at <= batch.recorded_at]
    return (before or entries)[-1]


def _is_about(report: DriftReport, batch: Batch) -> bool:
    return (report.snapshot_digest, report.model_digest) == (batch.snapshot_digest, batch.model_digest)


def _dag_run(run_id: str, airflow_url: str | None) -> DagRun:
    dag_id, separator, run = run_id.partition("/")
    if not separator or airflow_url is None:
        return DagRun(run_id, None)
    return DagRun(run_id, f"{airflow_url.rstrip('/')}/dags/{quote(dag_id)}/runs/{quote(run, safe='')}")
