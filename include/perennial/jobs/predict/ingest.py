"""Ingest: one window of the source becomes a snapshot in the lake.

The window is held from the first read to the ledger entry, so that of two runs the later one also saw the source
later. The lake adopts rows it already holds, so a run killed before the ledger entry leaves nothing to clean up.

Where an older lake was brought back, it gives numbers of versions to new rows that the ledger knows as other rows. Rows
that the lake has lost are recorded anew, under a number that the ledger does not know yet.
"""

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from operator import itemgetter

import pyarrow as pa

from perennial.errors import EmptyWindow, NotReady, RowsRemoved, SchemaMismatch, UndecodableText
from perennial.lake.port import Commit, raw_table, window_partition
from perennial.lake.schema import changed_types
from perennial.ledger.entries import Intervention, InterventionKind, Snapshot
from perennial.ledger.rules import recorded_order
from perennial.ordered import OrderedRows, ordered
from perennial.ports import Ports
from perennial.quality.row_rules import outside_windows
from perennial.quality.schema import Conforming, Restricted, canonical_schema, conform
from perennial.quality.unread import BAD_CELLS, UnreadRows
from perennial.records.gate import ordered_snapshot
from perennial.records.leases import data_lease
from perennial.sources.port import Extract
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.stacked import stacked
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


def extracted(use_case: LoadedUseCase, window: Window, ports: Ports) -> Sequence[Extract]:
    """The window as its source gives it, for who holds it; `delivered` makes rows of it.

    Errors: as `run`, but for those of leases and stores, and of rows that do not conform.
    """
    return tuple(_Delivery(use_case, window, ports).extracts())


def delivered(use_case: LoadedUseCase, window: Window, extracts: Sequence[Extract], ports: Ports) -> Delivered:
    """The rows of what was `extracted`. Errors: `EmptyWindow`, `SchemaMismatch`, `UndecodableText`."""
    delivery = _Delivery(use_case, window, ports)
    rows = pa.concat_tables(delivery.conforming(extracts), promote_options="default")
    return Delivered(window, rows, delivery.query, delivery.remarks)


def delivered_together(
    use_case: LoadedUseCase, extracts: Mapping[Window, Sequence[Extract]]
) -> Mapping[Window, Delivered]:
    """`delivered` of those of the windows that surely conform: in canonical types, every cell read, all in the window.

    Of other types what a cell means may depend on the cells around it, so that each window is asked about alone.
    """
    spec = use_case.spec
    canonical = canonical_schema(spec)
    plain = {window: its[0] for window, its in extracts.items() if len(its) == 1 and _is_plain(its[0].rows, canonical)}
    stack = stacked([each.rows.select(canonical.names) for each in plain.values()])
    if stack is None:
        return {}
    try:
        stack = stack.of(conform(spec, stack.rows))
    except (SchemaMismatch, UndecodableText):  # said of the window that it is about
        return {}
    if BAD_CELLS in stack.rows.column_names:
        return {}
    strays = set(stack.numbers[outside_windows(spec, stack, list(plain))].tolist())
    found: dict[Window, Delivered] = {}
    for number, ((window, extract), rows) in enumerate(zip(plain.items(), stack.apart(), strict=True)):
        if number not in strays:
            remarks = tuple(extract.told(spec.event_time))
            _warn(spec, window, _unexpected(spec, extract))
            found[window] = Delivered(window, rows, extract.query, remarks)
    return found


def _is_plain(rows: pa.Table, canonical: pa.Schema) -> bool:
    """Whether the rows, which are some, have just the spec's columns, in canonical types."""
    columns = list(zip(rows.schema.names, rows.schema.types, strict=True))
    return rows.num_rows > 0 and sorted(columns, key=itemgetter(0)) == sorted(
        zip(canonical.names, canonical.types, strict=True), key=itemgetter(0)
    )


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
        """The rows, conforming. Errors: as `run`; what is wrong with the rows is said when all were taken, and with it
        what the lake will refuse of their columns.
        """
        try:
            with closing(self.extracts()) as extracts:
                yield from self.conforming(extracts)
        except SchemaMismatch as error:
            known = self._ports.lake.read(raw_table(self._use_case.name), "").schema
            if told := changed_types(known, canonical_schema(self._use_case.spec)):
                raise SchemaMismatch(f"{error}\n{raw_table(self._use_case.name)} in the lake: {told}") from error
            raise

    def extracts(self) -> Generator[Extract, None, None]:
        """What the source gives, part by part. Errors: as `extracted`."""
        use_case, spec, window = self._use_case, self._use_case.spec, self._window
        closed = spec.closed(window)
        if absent := self._ports.missing(use_case, window, closed):
            raise NotReady(f"{spec.name}: {window} is not complete at its source: {absent}. Nothing was stored.")
        with closing(self._ports.source(use_case, spec.source).parts(window, closed, spec.limits)) as extracts:
            yield from extracts

    def conforming(self, extracts: Iterable[Extract]) -> Iterator[pa.Table]:
        """The rows of these parts, conforming. Errors: as `delivered`."""
        use_case, spec, window = self._use_case, self._use_case.spec, self._window
        conforming, restricted, unread = Conforming(spec, use_case.line), Restricted(spec, window), UnreadRows()
        for extract in extracts:
            if (rows := conforming.take(extract.rows)) is not None:
                restricted.take(rows)
                unread.take(rows)
                self.schema = rows.schema if BAD_CELLS in rows.column_names else self.schema
                yield rows
        remarks = tuple(extract.told(spec.event_time))
        _warn(spec, window, _unexpected(spec, extract))
        if conforming.rows == 0:
            raise EmptyWindow(
                f"{spec.name}: the source has no rows for {window}. Check that it was loaded, and that it keeps "
                f"{spec.event_time} in the window. If empty windows are ordinary here, set `allow_empty: true`; "
                "if no more rows will come, say where the last window ends in `schedule.end`."
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
            # Where the version's number is taken in the ledger, another is made.
            while latest is not None and recorded_order(recorded) <= recorded_order(latest):
                again = ports.lake.replace(commit.table, window_partition(window), rows, lease, anew=True)
                recorded = ports.ledger.record_snapshot(replace(snapshot, version=again.version), lease)
    log.info("%s %s: %d rows, snapshot %s", spec.name, window, commit.rows, commit.digest[:12])
    return Ingested(window, recorded.digest, recorded.version, recorded.rows, changed=True, remarks=remarks)


def _holds(snapshot: Snapshot, commit: Commit, ports: Ports) -> bool:
    """Whether the lake has the snapshot's rows where the ledger says; not if an older lake was brought back."""
    if snapshot.version == commit.version:
        return True
    try:
        ordered_snapshot(snapshot, ports.lake)
    except RowsRemoved as error:
        log.warning("%s", error)
        return False
    return True


def _unexpected(spec: UseCase, extract: Extract) -> list[str]:
    # Where many windows read one file, each leaves the rows of the others: that is on record, and no warning.
    return replace(extract, outside=0).told(spec.event_time)


def _warn(spec: UseCase, window: Window, remarks: Iterable[str]) -> None:
    for remark in remarks:
        log.warning("%s %s: %s", spec.name, window, remark)
