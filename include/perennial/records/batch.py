"""A batch: how its rows are made, what a revision is made of, and the two stores that hold it beside the ledger."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from perennial.ahead import one_ahead
from perennial.arrays import Floats
from perennial.digest import canonical_digest, table_digest
from perennial.encoding import from_json, json_digest
from perennial.errors import FeaturesChanged, RowsErased, RowsLost
from perennial.lake.port import window_partition
from perennial.lease import Lease
from perennial.ledger.entries import Batch, Deployment, Intervention, InterventionKind, Part, Snapshot
from perennial.ledger.port import Ledger
from perennial.modeling.decision import DECIDED, DECISION, DecisionRule, Rules
from perennial.modeling.inputs import model_inputs
from perennial.ordered import OrderedRows, Rows, ordered
from perennial.performance.cost import row_costs
from perennial.ports import Ports
from perennial.records import erasure
from perennial.records.gate import Gated
from perennial.records.kept_example import load_model
from perennial.records.model_choice import Assignment
from perennial.records.retained import Removals, on_record, ordered_batch
from perennial.records.scorers import Scorers, challengers_part, predictions_of
from perennial.registry.port import LoadedModel
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.retirement import RowClass
from perennial.wording import counted

PROVENANCE = ("revision", "run_id")  # columns that say how a batch came to be, not what was predicted


@dataclass(frozen=True)
class Provenance:
    """What every row of a batch says about where it comes from, beside its model."""

    snapshot_digest: str
    revision: int
    run_id: str


def predicted(
    spec: UseCase, chunks: Iterable[pa.Table], scorers: Scorers, origin: Provenance, *, other: bool = False
) -> Iterator[pa.Table]:
    """Predict the clean rows that come in chunks, each by its own model, or with `other` by the other one; two
    chunks are in memory at once, for the next is read meanwhile.

    Features are those that the models were trained on. Errors: `SchemaMismatch` when the rows lack any of the
    champion's; `ChallengerFailed`.
    """
    constants = {"snapshot_digest": origin.snapshot_digest, "revision": origin.revision, "run_id": origin.run_id}
    for rows in one_ahead(chunks):
        found = predictions_of(spec, rows, scorers, other=other)
        columns = {
            spec.key: rows.column(spec.key),
            "event_time": rows.column(spec.event_time),
            **found,
            **{name: pa.repeat(value, rows.num_rows) for name, value in constants.items()},
        }
        yield pa.table(columns)


@contextmanager
def ordered_batch_rows(chunks: Iterable[pa.Table], scorers: Scorers, origin: Provenance) -> Iterator[OrderedRows]:
    """`ordered` of the chunks that `predicted` made, with what all rows say alike, most of their bytes, kept once.

    Errors: as `ordered`.
    """
    constants = {
        "snapshot_digest": pa.scalar(origin.snapshot_digest),
        "revision": pa.scalar(origin.revision, pa.int64()),
        "run_id": pa.scalar(origin.run_id),
    }
    if scorers.challenger is None:
        constants["model_version"] = pa.scalar(scorers.champion.version)
        constants["model_digest"] = pa.scalar(scorers.champion.digest)
    with ordered((chunk.drop_columns([*constants]) for chunk in one_ahead(chunks)), constants=constants) as rows:
        yield rows


def require_features(use_case: LoadedUseCase, snapshot: Snapshot, model: LoadedModel) -> None:
    """Refuse to score a snapshot whose columns can't give the model's features.

    Errors: `FeaturesChanged`, with what is lacking and the commands of the way on.
    """
    lacking = model_inputs(model.pipeline).unavailable(snapshot.columns)
    if not lacking:
        return
    name, start = use_case.name, f"{snapshot.window.start:%Y-%m-%dT%H:%MZ}"
    raise FeaturesChanged(
        f"{name} {snapshot.window}: model version {model.version} was trained on features that the window's rows don't "
        f"have: {'; '.join(lacking.values())}. Nothing was scored. There are two ways on. With the columns as they are "
        f"now: train a new model with `perennial retrain {name} --as-of {start}`, then run `perennial score {name} "
        f"--window {start}`, with `--model as_now` if windows after this one are scored already. With the columns as "
        f"they were: put them back into the spec and the source, then `perennial ingest {name} --window {start}`, "
        "validate and score."
    )


def usable_model(use_case: LoadedUseCase, entry: Deployment, gate: Gated, ports: Ports) -> LoadedModel:
    """The deployment's model, if it can score the window's rows.

    Errors: `FeaturesChanged`, `LibrariesChanged`, `UntrustedModel`, `NoModel`, `StoreUnavailable`.
    """
    model = load_model(use_case.spec, entry.model_version, entry.model_digest, ports)
    require_features(use_case, gate.snapshot, model)
    return model


def content_digest(predictions: Rows) -> str:
    """The digest of what was predicted, whichever run and revision made it."""
    if isinstance(predictions, OrderedRows):
        return predictions.digest(without=PROVENANCE)
    return table_digest(predictions.drop_columns(list(PROVENANCE)))


Canary = tuple[str, int | None, str, str]  # a challenger's model, its share, its salt and its decision
Inputs = tuple[str, str, str, str, str, Canary | None]


def inputs(use_case: LoadedUseCase, gate: Gated, assignment: Assignment) -> Inputs:
    """What a batch is made of: snapshot, rules it passed, what predictions depend on in the spec, model, decision, and
    what a challenger was to predict.
    """
    champion, stage = assignment.champion, assignment.canary
    return (
        gate.snapshot.digest,
        gate.validation.suite_digest,
        use_case.scoring_digest,
        champion.model_digest,
        json_digest(champion.training.get(DECISION)),
        (stage.model_digest, stage.share, stage.salt, json_digest(stage.training.get(DECISION))) if stage else None,
    )


def made_of(batch: Batch) -> Inputs:
    """What a recorded revision was made of, in the same form; a challenger that failed was to predict, too."""
    part = challengers_part(batch)
    return (
        batch.snapshot_digest,
        batch.suite_digest,
        batch.scoring_digest,
        batch.model_digest,
        json_digest(batch.decision),
        (part.model_digest, part.share, part.salt, json_digest(part.decision)) if part else None,
    )


def rules_of(assignment: Assignment) -> Rules:
    """By which rule each model of an assignment decides, by its digest."""
    entries = [assignment.champion, *([assignment.canary] if assignment.canary else [])]
    return {entry.model_digest: decision_rule(entry) for entry in entries}


def recorded_rules(batch: Batch) -> Rules:
    """By which rule each model of a recorded batch decided, by its digest."""
    return {batch.model_digest: decision_rule(batch)} | {
        part.model_digest: decision_rule(part) for part in filter(None, [challengers_part(batch)])
    }


def decision_rule(entry: Deployment | Batch | Part) -> DecisionRule | None:
    """The rule by which the deployed version decides, or by which rows were decided; None where there is none."""
    kept = entry.training.get(DECISION) if isinstance(entry, Deployment) else entry.decision
    return None if kept is None else from_json(DecisionRule, kept)


def published_costs(batch: Batch, rows: pa.Table, truth: Floats) -> Floats | None:
    """What the published decisions about these rows of a batch cost, row by row, by the costs of their time.

    `truth` are the rows' outcomes, 0 or 1. Rows of a model that decides nothing are left out. None where the batch came
    without a decision or without costs.
    """
    costs = next((rule.costs for rule in recorded_rules(batch).values() if rule and rule.costs), None)
    if costs is None:
        return None
    decided = rows.column(DECIDED).cast(pa.float64()).to_numpy()  # null becomes NaN
    known = ~np.isnan(decided)
    return row_costs(costs, truth[known], decided[known])


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoresFound:
    """What the lake's head and the published table hold of a window, compared with its live revision."""

    live_rows: int
    live_digest: str
    lake_rows: int
    lake_digest: str
    published_rows: int
    published_digest: str

    @property
    def lake_agrees(self) -> bool:
        """Whether the lake's head holds the live revision."""
        return self.lake_digest == self.live_digest

    @property
    def published_agrees(self) -> bool:
        """Whether the published table holds the live revision."""
        return self.published_digest == self.live_digest


def live_rows(batch: Batch, ports: Ports, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a live revision, looked up by its version and checked against its digest; with `columns`, only those
    of these that it has.

    Errors: `StoreUnavailable`, `RowsLost`, `RowsRemoved`; `RowsExpired` when they went by age, and `RowsErased` for a
    revision of before an entity was erased.
    """
    rows = ordered_live_rows(batch, ports)
    return rows.table(None if columns is None else [name for name in columns if name in rows.schema.names])


def ordered_live_rows(batch: Batch, ports: Ports) -> OrderedRows:
    """`live_rows` without having them all in memory. Errors: as `live_rows`."""
    rows = ordered_batch(batch, ports)
    if rows.num_rows != batch.rows or content_digest(rows) != batch.digest:
        if erased := erased_from(batch, rows, ports.ledger):
            raise RowsErased(f"{batch.use_case} {batch.window}: of revision {batch.revision}, {erased}.")
        raise RowsLost(
            f"{batch.use_case} {batch.window}: version {batch.version} of the lake's {batch.table} does not hold "
            f"revision {batch.revision} ({batch.rows:,} rows), but {rows.num_rows:,} others: an older lake was "
            f"brought back, or somebody wrote there. `perennial run {batch.use_case} --window "
            f"{batch.window.start:%Y-%m-%dT%H:%MZ}` makes the predictions again."
        )
    return rows


def erased_from(batch: Batch, rows: Rows, ledger: Ledger) -> str:
    """How many of a revision's rows were erased, when and by whom, in words; `rows` are those that the lake has of it.

    "" where it has as many as were committed, or lacks others than tombstones say.
    """
    gone = batch.rows - rows.num_rows
    if gone <= 0:
        return ""
    number, found = erasure.from_revision(batch.window, batch.revision, batch.use_case, ledger)
    return f"{counted(gone, 'row')} {'was' if gone == 1 else 'were'} {erasure.told(found)}" if number == gone else ""


def compare_stores(
    batch: Batch, ports: Ports, *, head_is_live: bool = False, removed: Removals | None = None
) -> StoresFound:
    """Compare the stores with a live revision, by row count and checksum.

    With `head_is_live`, the lake's head is known to have the file that the revision was written to. Where its
    published rows went by age, as `removed` says or the ledger, nothing need be published of it.

    Errors: `StoreUnavailable`; `RowsLost`, `RowsRemoved` when the lake does not hold the revision any more: then
    nothing is known that the stores could be brought back to.
    """
    return _compared(batch, ordered_live_rows(batch, ports), ports, head_is_live=head_is_live, removed=removed)


def _compared(
    batch: Batch, live: OrderedRows, ports: Ports, *, head_is_live: bool = False, removed: Removals | None = None
) -> StoresFound:
    live_digest = live.digest()
    head = live if head_is_live else ports.lake.ordered(batch.table, window_partition(batch.window))
    head_digest = live_digest if head_is_live else head.digest()
    known = removed or on_record(batch.use_case, ports.ledger)
    if known.has(RowClass.PUBLISHED, batch.window, batch.recorded_at):
        there, there_digest = live.num_rows, live_digest
    else:
        published = ports.published.read(batch.use_case, batch.window)
        there, there_digest = published.num_rows, canonical_digest(published)
    return StoresFound(live.num_rows, live_digest, head.num_rows, head_digest, there, there_digest)


def restore_stores(
    batch: Batch, ports: Ports, lease: Lease, run_id: str, *, actor: str, removed: Removals | None = None
) -> tuple[InterventionKind, ...]:
    """Bring lake and published table back to the live revision, and say what was restored. `removed` as above.

    Each is recorded as an intervention once it is done. What is written is what was compared with the ledger.

    Errors: as `compare_stores`, and `LeaseLost`.
    """
    rows = ordered_live_rows(batch, ports)
    found = _compared(batch, rows, ports, removed=removed)
    if found.lake_agrees and found.published_agrees:
        return ()
    partition = window_partition(batch.window)
    restored: list[InterventionKind] = []
    if not found.lake_agrees:
        ports.lake.replace(batch.table, partition, rows, lease)
        restored.append(InterventionKind.LAKE_RESTORED)
    if not found.published_agrees:
        ports.published.publish(batch.use_case, batch.window, rows, lease)
        restored.append(InterventionKind.PUBLISHED_RESTORED)
    for kind in restored:
        text = _reason(kind, batch, found)
        log.warning("%s %s: %s", batch.use_case, batch.window, text)
        ports.ledger.record_intervention(
            Intervention(
                use_case=batch.use_case,
                kind=kind,
                subject=batch.window.key,
                actor=actor,
                reason=text,
                details={"revision": batch.revision, "found": vars(found)},
                run_id=run_id,
            )
        )
    return tuple(restored)


def _reason(kind: InterventionKind, batch: Batch, found: StoresFound) -> str:
    place, rows, digest = (
        ("the lake's head", found.lake_rows, found.lake_digest)
        if kind is InterventionKind.LAKE_RESTORED
        else ("the published table", found.published_rows, found.published_digest)
    )
    return (
        f"{place} held {rows} rows (digest {digest[:12]}), revision {batch.revision} has {found.live_rows} "
        f"(digest {found.live_digest[:12]}); so it was written there again"
    )
