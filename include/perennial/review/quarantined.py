"""One row of quarantine: what it holds, why and since when it is set aside, who let it in, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import NotIngested, RowsRemoved
from perennial.lake.port import raw_table, window_partition
from perennial.ledger.entries import Batch, Snapshot, ValidationResult
from perennial.ports import Ports
from perennial.quality.caught import CaughtCell, always_holds, caught_by_rule, cells_caught
from perennial.records.gate import quarantined_rows
from perennial.records.retained import quarantine_expired
from perennial.review import handled
from perennial.review.handled import Handled
from perennial.review.quarantine import (
    LONGEST_NAME,
    QuarantinedRow,
    is_named_by_key,
    quarantined_row,
    rules_in_force,
)
from perennial.spec.expectations import Expectation
from perennial.spec.load import LoadedUseCase
from perennial.window import Window

MOST_ROWS = 20  # of one key
MOST_REVISIONS = 10
PLAIN = f"^[ -~]{{1,{LONGEST_NAME}}}$"  # a key that names its row in an address, see `is_named_by_key`


@dataclass(frozen=True)
class Caught:
    """A rule that caught the row: the cell that it did not accept, and what it expected there.

    `since` is when a verdict on these rows first said so, by the run `run_id`; both are None when none is on record.
    """

    rule: str
    cell: CaughtCell | None
    always_holds: bool
    since: datetime | None
    run_id: str | None


@dataclass(frozen=True)
class InRevision:
    """What a revision of the window's predictions says of the entity. `removed` when retention took its rows."""

    revision: int
    live: bool
    model_version: str
    prediction: float | None
    removed: bool
    run_id: str
    recorded_at: datetime | None


@dataclass(frozen=True)
class QuarantinedEvidence:
    """The rows of an entity in a window, several where the key is doubled, and what was decided about them.

    `entity` is the key as text, None for a row without one and `withheld` where it is personal. Where the row is not
    `in_quarantine`, nothing `caught` it, or everything that did was accepted. `revisions` are the last ones, oldest
    first.
    """

    use_case: str
    title: str
    window: Window
    entity: str | None
    in_quarantine: bool
    rows: tuple[QuarantinedRow, ...]
    caught: tuple[Caught, ...]
    snapshot: Snapshot
    handled: tuple[Handled, ...]
    revisions: tuple[InRevision, ...]
    format: Literal[1] = 1


def run(
    use_case: LoadedUseCase, window: Window, ports: Ports, *, entity: str | None = None, row: str | None = None
) -> QuarantinedEvidence | None:
    """The evidence on the row with the key `entity`, or that the fingerprint `row` names; None when there is none.

    Errors: `NotIngested`, `RowsExpired` when the rows in quarantine went by age, `StoreUnavailable`.
    """
    spec, ledger = use_case.spec, ports.ledger
    snapshot = ledger.latest_snapshot(spec.name, window)
    if snapshot is None:
        raise NotIngested(f"{spec.name} {window} was never ingested, so no row of it was set aside.")
    aside = quarantined_rows(snapshot, ports.lake)
    if (gone := quarantine_expired(snapshot, aside.num_rows, ledger)) is not None:
        raise gone
    if entity is None:
        found, entity = _of_fingerprint(use_case, aside, row)
    else:
        found = _of_entity(aside, spec.key, entity)
    in_quarantine = found.num_rows > 0
    if not in_quarantine and entity is not None:
        found = _of_entity(_raw(snapshot, ports), spec.key, entity)
    if found.num_rows == 0:
        return None
    batches = ledger.batches(spec.name, window)
    return QuarantinedEvidence(
        use_case=spec.name,
        title=spec.title,
        window=window,
        entity=spec.shown_entity(entity),
        in_quarantine=in_quarantine,
        rows=tuple(quarantined_row(spec, each) for each in found.slice(0, MOST_ROWS).to_pylist()),
        caught=_caught(use_case, snapshot, found, ports) if in_quarantine else (),
        snapshot=snapshot,
        handled=handled.run(spec.name, window, ports),
        revisions=() if entity is None else _revisions(batches, spec.key, entity, ports),
    )


def _of_entity(rows: pa.Table, key: str, entity: str) -> pa.Table:
    """The rows whose key, written as text, is the entity's."""
    if key not in rows.column_names:  # nothing is there yet
        return rows.slice(0, 0)
    return rows.filter(pc.fill_null(pc.equal(rows.column(key).cast(pa.string()), entity), fill_value=False))


def _of_fingerprint(use_case: LoadedUseCase, rows: pa.Table, wanted: str | None) -> tuple[pa.Table, str | None]:
    """The first of the rows that can't be named by their keys whose fingerprint it is, and its key as text."""
    key = use_case.spec.key
    if key in rows.column_names and not use_case.spec.columns[key].personal:
        plain = pc.match_substring_regex(rows.column(key).cast(pa.string()), PLAIN)  # most are, and there may be many
        rows = rows.filter(pc.invert(pc.fill_null(plain, fill_value=False)))
    for number, values in enumerate(rows.to_pylist()):
        row = quarantined_row(use_case.spec, values)
        if not is_named_by_key(row) and row.fingerprint == wanted:
            return rows.slice(number, 1), None if values.get(key) is None else str(values[key])
    return rows.slice(0, 0), None


def _raw(snapshot: Snapshot, ports: Ports) -> pa.Table:
    try:
        return ports.lake.read(
            raw_table(snapshot.use_case), window_partition(snapshot.window), version=snapshot.version
        )
    except RowsRemoved:
        return pa.table({})


def _caught(use_case: LoadedUseCase, snapshot: Snapshot, rows: pa.Table, ports: Ports) -> tuple[Caught, ...]:
    expectations = rules_in_force(use_case, snapshot, ports)
    verdicts = ports.ledger.validations(use_case.name, snapshot.window)
    ours = [verdict for verdict in verdicts if verdict.snapshot_digest == snapshot.digest]
    return tuple(
        _by_rule(use_case, rule, rows.filter(pa.array(mask)), expectations, ours)
        for rule, mask in caught_by_rule(rows).items()
    )


def _by_rule(
    use_case: LoadedUseCase,
    rule: str,
    rows: pa.Table,
    expectations: Mapping[str, Expectation],
    verdicts: Sequence[ValidationResult],
) -> Caught:
    cells = cells_caught(use_case.spec, rule, rows, expectations, 1)
    first = next((verdict for verdict in verdicts if _counts(verdict, rule)), None)
    return Caught(
        rule=rule,
        cell=cells[0] if cells else None,
        always_holds=always_holds(rule),
        since=first.recorded_at if first else None,
        run_id=first.run_id if first else None,
    )


def _counts(verdict: ValidationResult, rule: str) -> bool:
    return any(each["rule"] == rule and each["rows"] for each in verdict.result["row_rules"])


def _revisions(batches: Sequence[Batch], key: str, entity: str, ports: Ports) -> tuple[InRevision, ...]:
    return tuple(
        _in_revision(batch, key, entity, ports, live=batch.revision == batches[-1].revision)
        for batch in batches[-MOST_REVISIONS:]
    )


def _in_revision(batch: Batch, key: str, entity: str, ports: Ports, *, live: bool) -> InRevision:
    try:
        rows = ports.lake.read(batch.table, window_partition(batch.window), version=batch.version)
    except RowsRemoved:
        rows = None
    found: list[dict[str, Any]] = [] if rows is None else _of_entity(rows, key, entity).to_pylist()
    return InRevision(
        revision=batch.revision,
        live=live,
        model_version=found[0]["model_version"] if found else batch.model_version,
        prediction=found[0]["prediction"] if found else None,
        removed=rows is None,
        run_id=batch.run_id,
        recorded_at=batch.recorded_at,
    )
