"""Ingest: one window of the source becomes a snapshot in the lake.

The window is held from the first read to the ledger entry, so that of two runs the later one also saw the source
later. The lake adopts rows it already holds, so a run killed before the ledger entry leaves nothing to clean up.

Where an older lake was brought back, it gives numbers of versions to new rows that the ledger knows as other rows. Rows
that the lake has lost are recorded anew, under a number that the ledger does not know yet.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain

import pyarrow as pa

from perennial.errors import EmptyWindow, NotReady, RowsRemoved, SchemaMismatch
from perennial.lake.port import Commit, raw_table, window_partition
from perennial.lake.schema import changed_types
from perennial.ledger.entries import Intervention, InterventionKind, Snapshot
from perennial.ledger.rules import recorded_order
from perennial.ordered import OrderedRows, ordered
from perennial.ports import Ports
from perennial.quality.schema import Conforming, Restricted, canonical_schema
from perennial.quality.unread import BAD_CELLS, UnreadRows
from perennial.records.gate import snapshot_rows
from perennial.records.leases import data_lease
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.window import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ingested:
    """The window's snapshot; `changed` is false when the source still had the rows of the last one.

    `remarks` say what was left out of the window, and which rows validation will set aside, in sentences.
    """

    window: Window
    digest: str
    version: int
    rows: int
    changed: bool
    remarks: tuple[str, ...] = ()


def note_empty(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> None:
    """Put on record that the window has no rows and need not have any: it is not missing then.

    Errors: `StoreUnavailable`.
    """
    ports.ledger.record_intervention(
        Intervention(
            use_case=use_case.name,
            kind=InterventionKind.WINDOW_EMPTY,
            subject=window.key,
            actor=run_id,
            reason="the source has no rows for the window, and the spec says `allow_empty`",
            details={},
            run_id=run_id,
        )
    )


@dataclass(frozen=True)
class Delivered:
    """The rows of a window as its source delivered them when it closed, in canonical types, and what was asked for."""

    window: Window
    rows: pa.Table
    query: str
    remarks: tuple[str, ...]

    def snapshot(self, use_case: str, commit: Commit, run_id: str) -> Snapshot:
        """What the ledger is told of them once they are in the lake."""
        return _snapshot(use_case, self.window, commit, self.rows.schema, self.query, self.remarks, run_id)


def delivered(use_case: LoadedUseCase, window: Window, ports: Ports) -> Delivered:
    """What the source has of the window, for who holds it. Errors: as `run`, but for those of leases and stores."""
    delivery = _Delivery(use_case, window, ports)
    rows = pa.concat_tables(delivery.parts(), promote_options="default")
    return Delivered(window, rows, delivery.query, delivery.remarks)


class _Delivery:
    """A window's rows as its source delivers them, part by part; what there is to say of all of them is known when the
    last part was taken.
    """

    def __init__(self, use_case: LoadedUseCase, window: Window, ports: Ports) -> None:
        self._use_case, self._window, self._ports = use_case, window, ports
        self.query = ""
        self.remarks: tuple[str, ...] = ()
        self.schema = canonical_schema(use_case.spec)

    def parts(self) -> Iterator[pa.Table]:
        """The rows, conforming. Errors: as `delivered`; what is wrong with the rows is said when all were taken, and
        with it what the lake will refuse of their columns.
        """
        try:
            yield from self._conforming()
        except SchemaMismatch as error:
            known = self._ports.lake.read(raw_table(self._use_case.name), "").schema
            if told := changed_types(known, canonical_schema(self._use_case.spec)):
                raise SchemaMismatch(f"{error}\n{raw_table(self._use_case.name)} in the lake: {told}") from error
            raise

    def _conforming(self) -> Iterator[pa.Table]:
        use_case, spec, window = self._use_case, self._use_case.spec, self._window
        closed = spec.closed(window)
        if absent := self._ports.missing(use_case, window, closed):
            raise NotReady(f"{spec.name}: {window} is not complete at its source: {absent}. Nothing was stored.")
        conforming, restricted, unread = Conforming(spec, use_case.line), Restricted(spec, window), UnreadRows()
        with closing(self._ports.source(use_case, spec.source).parts(window, closed, spec.limits)) as extracts:
            for extract in extracts:
                if (rows := conforming.take(extract.rows)) is not None:
                    restricted.take(rows)
                    unread.take(rows)
                    self.schema = rows.schema if BAD_CELLS in rows.column_names else self.schema
                    yield rows
        remarks = tuple(extract.told(spec.event_time))
        _warn(spec, window, remarks)
        if conforming.rows == 0:
            raise EmptyWindow(
                f"{spec.name}: the source has no rows for {window}. Check that it was loaded, and that it keeps "
                f"{spec.event_time} in the window. If empty windows are ordinary here, set `allow_empty: true`."
            )
        conforming.finish()
        restricted.finish()
        set_aside = tuple(unread.told())
        _warn(spec, window, set_aside)
        self.query, self.remarks = extract.query, remarks + set_aside

    @contextmanager
    def ordered(self) -> Iterator[OrderedRows]:
        """The rows in canonical order; many are not held in memory. Errors: as `parts`, and as `ordered`."""
        with ordered(_alike(self.parts())) as rows:
            idle = BAD_CELLS in rows.schema.names and BAD_CELLS not in self.schema.names
            yield rows.without(BAD_CELLS) if idle else rows


def _alike(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The parts as they are where there is one, else all with the column of bad cells: a later one may have some."""
    first, second = next(parts, None), next(parts, None)
    if first is not None and second is None:
        yield first
        return
    for rows in chain((each for each in (first, second) if each is not None), parts):
        if BAD_CELLS in rows.column_names:
            yield rows
        else:
            yield rows.append_column(BAD_CELLS, pa.nulls(rows.num_rows, pa.string()))


def _snapshot(
    use_case: str, window: Window, commit: Commit, schema: pa.Schema, query: str, remarks: tuple[str, ...], run_id: str
) -> Snapshot:
    return Snapshot(
        use_case=use_case,
        window=window,
        table=commit.table,
        version=commit.version,
        digest=commit.digest,
        rows=commit.rows,
        columns={field.name: str(field.type) for field in schema},
        query=query,
        run_id=run_id,
        remarks=remarks,
    )


def run(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> Ingested:
    """Take the window's rows, as the source knew them when the window closed (`UseCase.closed`), into the lake.

    Errors: `NotReady`, `EmptyWindow`, `SchemaMismatch`, `UndecodableText`, `TooMuchData`, `InvalidQuery`,
    `SourceUnavailable`, `StoreUnavailable`, `WindowBusy`, `LeaseLost`. After any of them lake and ledger are as they
    were.
    """
    spec = use_case.spec
    with data_lease(spec.name, window, ports, run_id) as lease:
        delivery = _Delivery(use_case, window, ports)
        with delivery.ordered() as rows:
            remarks = delivery.remarks
            commit = ports.lake.replace(raw_table(spec.name), window_partition(window), rows, lease)
            latest = ports.ledger.latest_snapshot(spec.name, window)
            if latest is not None and latest.digest == commit.digest and _holds(latest, commit, ports):
                log.info("%s %s: unchanged, %d rows, snapshot %s", spec.name, window, latest.rows, latest.digest[:12])
                return Ingested(window, latest.digest, latest.version, latest.rows, changed=False, remarks=remarks)
            snapshot = _snapshot(spec.name, window, commit, delivery.schema, delivery.query, remarks, run_id)
            recorded = ports.ledger.record_snapshot(snapshot, lease)
            while latest is not None and not _newer(recorded, latest):  # the version's number is taken in the ledger
                again = ports.lake.replace(commit.table, window_partition(window), rows, lease, anew=True)
                recorded = ports.ledger.record_snapshot(replace(snapshot, version=again.version), lease)
    log.info("%s %s: %d rows, snapshot %s", spec.name, window, commit.rows, commit.digest[:12])
    return Ingested(window, recorded.digest, recorded.version, recorded.rows, changed=True, remarks=remarks)


def _newer(one: Snapshot, other: Snapshot) -> bool:
    return recorded_order(one) > recorded_order(other)


def _holds(snapshot: Snapshot, commit: Commit, ports: Ports) -> bool:
    """Whether the lake has the snapshot's rows where the ledger says; not if an older lake was brought back."""
    if snapshot.version == commit.version:
        return True
    try:
        snapshot_rows(snapshot, ports.lake)
    except RowsRemoved as error:
        log.warning("%s", error)
        return False
    return True


def _warn(spec: UseCase, window: Window, remarks: Iterable[str]) -> None:
    for remark in remarks:
        log.warning("%s %s: %s", spec.name, window, remark)
