"""Labels in the lake: every (entity, outcome, arrival) ever collected of a window; and which windows wait for more."""

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import EmptyWindow, SchemaMismatch
from perennial.joining import grouped, joined
from perennial.lake.port import labels_table, raw_table, window_partition
from perennial.ledger.entries import Batch, Performance
from perennial.ledger.port import Ledger
from perennial.ordered import OrderedRows, OrderedTable, Rows, ordered
from perennial.performance.delay import usual_share
from perennial.performance.labels import (
    UnmatchedLabels,
    active_labels,
    last_labels,
    unmatched,
    with_outcome,
)
from perennial.ports import Ports
from perennial.quality.labels import conform_labels, label_schema, too_large_to_judge
from perennial.records.distinct_labels import all_contradicting, distinct
from perennial.records.leases import labels_lease
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.window import Window
from perennial.wording import counted

LOOKED_AT_AGAIN = 7  # final windows that lack a label
LEARNT_FROM = 60  # final windows, about which labels come, and when
RECURRING = 0.1  # so many keys in the next window, too, are no rows that were delivered twice
INSTANT = timedelta(microseconds=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WindowLabels:
    """How many labels of a window the lake holds, and how many of them are new."""

    window: Window
    labels: int
    new: int


def collect(
    use_case: LoadedUseCase,
    window: Window,
    as_of: datetime,
    ports: Ports,
    run_id: str,
) -> WindowLabels:
    """Add the labels of the window that had arrived by `as_of` to those the lake has; none is ever removed.

    Errors: `SchemaMismatch`, `SourceUnavailable`, `InvalidQuery`, `StoreUnavailable`, `WindowBusy`,
    `LeaseLost`.
    """
    spec = use_case.spec
    partition = window_partition(window)
    with ExitStack() as stack:
        try:
            arrived = stack.enter_context(_ordered_delivered(use_case, window, as_of, ports))
        except EmptyWindow:  # no file of labels is there yet: for labels that is ordinary
            return WindowLabels(window, labels=known_labels(use_case, window, as_of, ports).num_rows, new=0)
        before = ports.lake.ordered(labels_table(spec.name), partition)
        if _all_known(arrived, before):  # asking first spares taking the lease
            return WindowLabels(window, before.num_rows, new=0)
        lease = stack.enter_context(labels_lease(spec.name, window, ports, run_id))
        known = ports.lake.ordered(labels_table(spec.name), partition)
        found = stack.enter_context(distinct(arrived, known))
        new = found.num_rows - known.num_rows
        if not new:
            return WindowLabels(window, found.num_rows, new=0)
        ports.lake.replace(labels_table(spec.name), partition, found, lease)
        tell_contradictions(spec, window, found)
        return WindowLabels(window, found.num_rows, new)


def tell_contradictions(spec: UseCase, window: Window, labels: OrderedRows) -> None:
    """Log the keys that have several outcomes at one time of arrival."""
    names = spec.labels
    keys, first = all_contradicting(labels, key=spec.key, label=names.column, arrival=names.arrival_time)
    if keys:
        log.warning(
            "%s %s: %s several outcomes with one %s, such as %s %s: the greatest is used. Let the source say which one "
            "is right, by a later %s.",
            spec.name,
            window,
            "1 key has" if keys == 1 else f"{keys:,} keys have",
            names.arrival_time,
            spec.key,
            spec.shown_entity(first),
            names.arrival_time,
        )


def delivered_labels(use_case: LoadedUseCase, window: Window, as_of: datetime, ports: Ports) -> pa.Table:
    """The labels of the window that the source had by `as_of`. Where the source does not say which window a label is
    of, those that name one of the window's rows.

    Errors: `EmptyWindow`, and as `collect`.
    """
    return conform_labels(use_case.spec, extracted_labels(use_case, window, as_of, ports), use_case.line)


def extracted_labels(use_case: LoadedUseCase, window: Window, as_of: datetime, ports: Ports) -> pa.Table:
    """`delivered_labels` as their source has them. Errors: as there."""
    parts = list(_extracted(use_case, window, as_of, ports))
    return parts[0] if len(parts) == 1 else pa.concat_tables(parts, promote_options="default")


@contextmanager
def _ordered_delivered(use_case: LoadedUseCase, window: Window, as_of: datetime, ports: Ports) -> Iterator[OrderedRows]:
    """`delivered_labels` in canonical order, without having them all in memory; they are there until the end of the
    block. Errors: as there.
    """
    parts = _extracted(use_case, window, as_of, ports)
    with ExitStack() as stack:
        try:
            conforming = (conform_labels(use_case.spec, part, use_case.line) for part in parts)
            arrived = stack.enter_context(ordered(conforming))
        except SchemaMismatch:
            delivered_labels(use_case, window, as_of, ports)  # says of all of them what is wrong, not of one part
            raise
        yield arrived


def _extracted(use_case: LoadedUseCase, window: Window, as_of: datetime, ports: Ports) -> Iterator[pa.Table]:
    spec = use_case.spec
    keys = None
    if spec.labels.dated_by == "arrival_time":
        keys = _stored_keys(spec, window, ports)
        _refuse_keys_that_recur(spec, window, keys, ports)
    with closing(ports.source(use_case, spec.labels.source).parts(window, as_of, spec.limits, keys)) as parts:
        for extract in parts:
            yield extract.rows
    for remark in extract.told(spec.event_time, kept=False):
        log.info("%s %s, labels: %s", spec.name, window, remark)


def _stored_keys(spec: UseCase, window: Window, ports: Ports) -> pa.Array:
    rows = ports.lake.read(raw_table(spec.name), window_partition(window))
    return rows.column(spec.key).combine_chunks() if rows.num_rows else pa.array([], pa.string())


def _refuse_keys_that_recur(spec: UseCase, window: Window, keys: pa.Array, ports: Ports) -> None:
    """Keys that name customers, say, and not rows, come again in the windows around: a label that has nothing but the
    key may then be of any of them, and the last one would count in all.

    A few may be rows that were delivered twice: they are told. Errors: `SchemaMismatch` for a tenth of them or more.
    """
    before = spec.grid.containing(window.start - INSTANT)
    for other in (before, spec.grid.containing(window.end)):
        others = _stored_keys(spec, other, ports)
        if len(keys) == 0 or len(others) == 0:
            continue
        again = keys.filter(pc.is_in(keys, value_set=others.cast(keys.type)))
        if len(again) == 0:
            return
        example = spec.shown_entity(again[0].as_py())
        text = (
            f"{len(again):,} of {counted(len(keys), 'row')} have the same {spec.key} as rows of {other}, such as "
            f"{example}: labels that are dated_by arrival_time have only the key, so they may belong to either"
        )
        if len(again) < RECURRING * len(keys):
            log.warning("%s %s: %s.", spec.name, window, text)
            return
        raise SchemaMismatch(
            f"{text}. Let label files hold {spec.event_time} and leave `dated_by` out, or use a key that names one "
            "row in all windows."
        )


def _all_known(arrived: OrderedRows, known: OrderedRows) -> bool:
    """Whether none of the arrived labels is new."""
    if known.num_rows == 0 or arrived.num_rows == 0:
        return not arrived.num_rows
    with distinct(arrived, known) as together:
        return together.num_rows == known.num_rows


def unmatched_labels(use_case: LoadedUseCase, window: Window, labels: Rows, ports: Ports) -> UnmatchedLabels | None:
    """The window's labels whose key no row of its snapshot has; quarantined rows are rows here, too.

    Keys are in memory only where there is such a label.
    """
    snapshot, key = ports.ledger.latest_snapshot(use_case.name, window), use_case.spec.key
    if snapshot is None or labels.num_rows == 0:
        return None
    rows = ports.lake.ordered(raw_table(use_case.name), window_partition(window), version=snapshot.version)
    if not rows.schema.names:
        return None
    if isinstance(labels, OrderedRows):
        if sum(matched.num_rows for matched in joined(rows.chunks([key]), labels, key, [])) == labels.num_rows:
            return None
        labels = labels.table([key]).sort_by(key)
    found = unmatched(rows.table([key]), labels, key)
    personal = found is not None and use_case.spec.columns[key].personal
    return replace(found, label_key=None, row_key=None) if found is not None and personal else found


def known_labels(use_case: LoadedUseCase, window: Window, as_of: datetime, ports: Ports) -> pa.Table:
    """One outcome per entity: the last that had arrived by `as_of` (invariant I6). Arguments as `settled_labels`."""
    return with_outcome(settled_labels(use_case, window, as_of, ports), use_case.spec.labels.column)


def settled_labels(
    use_case: LoadedUseCase, window: Window, as_of: datetime, ports: Ports, *, version: int | None = None
) -> pa.Table:
    """One label per entity, the last that had arrived by `as_of`; where it is null, no outcome will come.

    `version` of the labels' table (default: its present one) says what had been collected. Outcomes that are too large
    to judge by, which 0.1.0 collected, count as not there, with a warning, until another arrives.
    """
    spec = use_case.spec
    return settled(
        spec, window, ports.lake.read(labels_table(spec.name), window_partition(window), version=version), as_of
    )


@contextmanager
def ordered_settled_labels(
    use_case: LoadedUseCase, window: Window, as_of: datetime, ports: Ports, *, version: int | None = None
) -> Iterator[OrderedRows]:
    """`settled_labels` in canonical order, without having them all in memory; they are there until the end of the
    block. Errors: as `perennial.ordered.ordered`.
    """
    spec = use_case.spec
    labels = ports.lake.ordered(labels_table(spec.name), window_partition(window), version=version)
    if isinstance(labels, OrderedTable):
        yield OrderedTable.of(settled(spec, window, labels.table(), as_of))
        return
    left_out = 0

    def last() -> Iterator[pa.Table]:
        nonlocal left_out
        for group in grouped(labels.chunks(), spec.key):
            found, number = _settled(spec, group, as_of)
            left_out += number
            yield found

    with ordered(last()) as rows:
        _tell_left_out(spec, window, left_out)
        yield rows


def settled(spec: UseCase, window: Window, labels: pa.Table, as_of: datetime) -> pa.Table:
    """`settled_labels` of these labels of the window."""
    if labels.num_rows == 0:
        return label_schema(spec).empty_table()
    found, left_out = _settled(spec, labels, as_of)
    _tell_left_out(spec, window, left_out)
    return found


def _settled(spec: UseCase, labels: pa.Table, as_of: datetime) -> tuple[pa.Table, int]:
    """The last label of each entity, and how many of these are too large to judge by and left out."""
    names = {"key": spec.key, "label": spec.labels.column, "arrival": spec.labels.arrival_time}
    found = last_labels(labels, **names, as_of=as_of)
    beyond = too_large_to_judge(found.column(spec.labels.column))
    number = pc.sum(beyond).as_py() or 0
    return (found.filter(pc.invert(beyond)) if number else found), number


def _tell_left_out(spec: UseCase, window: Window, number: int) -> None:
    if number:
        log.warning(
            "%s %s: %s too large to judge a model by and left out. An outcome with a later %s replaces it.",
            spec.name,
            window,
            f"{counted(number, 'label')} {'is' if number == 1 else 'are'}",
            spec.labels.arrival_time,
        )


def labels_at_ages(
    use_case: LoadedUseCase, windows: Sequence[Window], ages: Sequence[timedelta], ports: Ports
) -> dict[Window, list[pa.Table]]:
    """Of each window, at each age since its end, the outcomes that were known then, one per entity."""
    spec = use_case.spec
    read = ports.lake.read_many(labels_table(spec.name), {window_partition(window): None for window in windows})
    names = {"key": spec.key, "label": spec.labels.column, "arrival": spec.labels.arrival_time}
    nothing = label_schema(spec).empty_table()
    found: dict[Window, list[pa.Table]] = {}
    for window in windows:
        labels = read[window_partition(window)]
        found[window] = [
            active_labels(labels, **names, as_of=window.end + age) if labels.num_rows else nothing for age in ages
        ]
    return found


def pending_batches(spec: UseCase, as_of: datetime, ledger: Ledger) -> list[Batch]:
    """Live batches of windows that had ended by `as_of` and whose truth was not known then, by window.

    Windows whose labels are overdue are among them until they are given up. A window that was scored long after it
    ended is asked about as well: at least once, and if no label comes then, it is given up at once.
    """
    return list(ledger.batches_without_truth(spec.name, as_of))


MoreCame = Callable[[Sequence[tuple[Batch, Performance]]], Sequence[Batch]]  # which of them; and their last measurement


def reopened_batches(spec: UseCase, as_of: datetime, ledger: Ledger, more_came: MoreCame) -> list[Batch]:
    """Of the final windows that lack a label those of which more came, as `more_came` finds.

    It is asked about the last `LOOKED_AT_AGAIN` windows, and about as many before them as long as more came of some:
    after an outage that took a part of the labels all its windows are found, and on an ordinary day few are looked at.
    """
    reopened: list[Batch] = []
    seen: set[Window] = set()
    for number in itertools.count(LOOKED_AT_AGAIN, LOOKED_AT_AGAIN):
        further = [each for each in incomplete_batches(spec, as_of, ledger, number) if each[0].window not in seen]
        seen.update(batch.window for batch, _ in further)
        came = more_came(further)
        reopened += came
        if not came:
            break
    return reopened


def incomplete_batches(
    spec: UseCase, as_of: datetime, ledger: Ledger, number: int = LOOKED_AT_AGAIN
) -> list[tuple[Batch, Performance]]:
    """The live batches of the last `number` final windows that lack an outcome, with their last measurement.

    More labels may still come, also where none was to come, and reopen them. While a label source is down no window
    becomes final, so that these stay the same ones however long it takes.
    """
    lacking = [e for e in ledger.last_final(spec.name, as_of, number) if e.labelled < e.rows and e.settled]
    found = [(ledger.latest_batch(spec.name, entry.window), entry) for entry in lacking]
    return [(batch, entry) for batch, entry in found if batch is not None and batch.revision == entry.revision]


def more_labels_came(spec: UseCase, entry: Performance, ports: Ports) -> bool:
    """Whether the lake holds more labels of the window than the measurement saw."""
    table, partition = labels_table(spec.name), window_partition(entry.window)
    seen = 0
    if entry.labels_version is not None:
        seen = ports.lake.ordered(table, partition, version=entry.labels_version).num_rows
    return ports.lake.ordered(table, partition).num_rows > seen


def learnt_share(spec: UseCase, as_of: datetime, ledger: Ledger, also: Sequence[float] = ()) -> float | None:
    """The share of rows that are settled in the end, from the last windows that were final by `as_of`.

    `also` are shares of windows that have just been counted. None when there are too few to tell.
    """
    known = [entry.completeness for entry in ledger.last_final(spec.name, as_of, LEARNT_FROM) if entry.settled]
    return usual_share([*known, *also][-LEARNT_FROM:])


def overdue_text(labelled: int, without_outcome: int, rows: int, share: float | None) -> str:
    """How many labels came, of how many, and how many were to be expected."""
    expected = "" if share is None else f", where about {share * rows:,.0f} were expected"
    none = f", no outcome will come for {without_outcome:,}" if without_outcome else ""
    return f"{labelled:,} of {counted(rows, 'row')} {'has' if labelled == 1 else 'have'} a label{none}{expected}"
