"""Where an entity is: in which windows, training sets and entries, and which models learnt from it. Changes nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import pyarrow as pa

from perennial.errors import RowsErased, RowsLost, RowsRemoved
from perennial.jobs.upkeep.decommission import TABLES, DataClass
from perennial.lake.forgetting import without
from perennial.lake.port import Lake, predictions_table, raw_table, training_table, window_partition
from perennial.ports import Ports
from perennial.records.batch import live_rows
from perennial.records.gate import snapshot_rows
from perennial.records.human_labels import questions_of
from perennial.spec.load import LoadedUseCase
from perennial.window import Window

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
Named = TypeVar("Named")
OF_WINDOWS = tuple(each for each in TABLES if each is not DataClass.TRAINING)


@dataclass(frozen=True)
class InWindow:
    """How many rows about an entity a window has: `rows` by what holds them now, `older` in earlier snapshots and
    revisions, `entries` in the ledger's questions and answers. `revisions` are those that have rows, with how many.
    """

    window: Window
    rows: Mapping[DataClass, int]
    older: int
    entries: int
    revisions: Mapping[int, int]

    @property
    def found(self) -> int:
        """How many rows and entries there are."""
        return sum(self.rows.values()) + self.older + self.entries


@dataclass(frozen=True)
class Whereabouts:
    """Where an entity is. `training` counts its rows by training set, `models` are versions that learnt from them."""

    windows: tuple[InWindow, ...]
    training: Mapping[str, int]
    models: tuple[str, ...]

    @property
    def found(self) -> int:
        """How many rows and entries there are."""
        return sum(each.found for each in self.windows) + sum(self.training.values())

    def rows(self, of: DataClass) -> int:
        """How many rows there are of a kind, now."""
        return sum(self.training.values()) if of is DataClass.TRAINING else sum(e.rows.get(of, 0) for e in self.windows)


def run(use_case: LoadedUseCase, entity: str, ports: Ports) -> Whereabouts:
    """Look into all windows and training sets that there are. Errors: `StoreUnavailable`."""
    name = use_case.name
    entries = _entries(name, entity, ports)
    with ExitStack() as held:
        heads = {each: ports.lake.version(TABLES[each](name)) for each in TABLES}
        for each, version in heads.items():
            held.enter_context(ports.lake.holding(TABLES[each](name), version))
        windows = sorted(_windows(name, ports) | entries.keys())
        seen = [_in_window(use_case, window, entity, heads, entries.get(window, 0), ports) for window in windows]
        training = _in_training(use_case, entity, heads[DataClass.TRAINING], ports.lake)
    learnt = [e.model_version for e in ports.ledger.deployments(name) if e.training.get("partition") in training]
    return Whereabouts(tuple(each for each in seen if each.found), training, tuple(dict.fromkeys(learnt)))


def lost(use_case: LoadedUseCase, ports: Ports) -> list[Window]:
    """The windows of which the lake does not hold the live snapshot or revision: whether the entity was there, nobody
    can say. What was erased by class when a use case ended is not lost. Errors: `StoreUnavailable`.
    """
    name = use_case.name
    stored = {each: frozenset(ports.lake.partitions(each(name))) for each in (raw_table, predictions_table)}
    found = []
    for window in sorted(_windows(name, ports)):
        snapshot, batch = ports.ledger.latest_snapshot(name, window), ports.ledger.latest_batch(name, window)
        live = [
            *([(raw_table, partial(snapshot_rows, snapshot, ports.lake))] if snapshot else []),
            *([(predictions_table, partial(live_rows, batch, ports))] if batch else []),
        ]
        if any(_is_lost(read, named=window_partition(window) in stored[table]) for table, read in live):
            found.append(window)
    return found


def _is_lost(read: Callable[[], pa.Table], *, named: bool) -> bool:
    """Whether what is live can't be read; `named`, if the lake's head has the window still, and so should have it."""
    try:
        read()
    except RowsErased:
        return False
    except RowsLost:
        return True
    except RowsRemoved:
        return named
    return False


def rows_about(rows: pa.Table, key: str, entity: str) -> int:
    """How many of the rows have the entity's key, written as text."""
    return int(rows.num_rows - without(rows, key, entity).num_rows)


def _windows(use_case: str, ports: Ports) -> set[Window]:
    known = {each.window for each in ports.ledger.snapshots_between(use_case, FIRST, LAST)}
    stored = (partition for each in OF_WINDOWS for partition in ports.lake.partitions(TABLES[each](use_case)))
    return known | {Window.parse(each) for each in stored} | {*ports.published.windows(use_case, FIRST, LAST)}


def _entries(use_case: str, entity: str, ports: Ports) -> dict[Window, int]:
    asked = (
        e.window for e in questions_of(ports.ledger.selections_between(use_case, FIRST, LAST)) if e.entity == entity
    )
    said = (e.window for e in ports.ledger.human_labels_between(use_case, FIRST, LAST) if e.entity == entity)
    found: dict[Window, int] = {}
    for window in (*asked, *said):
        found[window] = found.get(window, 0) + 1
    return found


def _in_window(
    use_case: LoadedUseCase,
    window: Window,
    entity: str,
    heads: Mapping[DataClass, int | None],
    entries: int,
    ports: Ports,
) -> InWindow:
    name, key = use_case.name, use_case.spec.key
    partition = window_partition(window)

    def count(table: str, version: int | None) -> int:
        try:
            return sum(rows_about(e, key, entity) for e in ports.lake.stream(table, partition, version=version))
        except RowsRemoved:
            return 0

    rows: dict[DataClass, int] = {each: count(TABLES[each](name), heads[each]) for each in OF_WINDOWS}
    rows[DataClass.PUBLISHED] = rows_about(ports.published.read(name, window), key, entity)
    snapshots = {each.version for each in ports.ledger.snapshots(name, window)[:-1]}
    batches = ports.ledger.batches(name, window)
    revisions = {each.revision: count(predictions_table(name), each.version) for each in batches}
    older = sum(count(raw_table(name), each) for each in snapshots)
    older += sum(revisions[each.revision] for each in batches[:-1])
    return InWindow(window, _without_zeros(rows), older, entries, _without_zeros(revisions))


def _without_zeros(counts: Mapping[Named, int]) -> dict[Named, int]:
    return {name: number for name, number in counts.items() if number}


def _in_training(use_case: LoadedUseCase, entity: str, head: int | None, lake: Lake) -> dict[str, int]:
    table = training_table(use_case.name)
    counts = {
        partition: sum(_counted(lake.stream(table, partition, version=head), use_case.spec.key, entity))
        for partition in lake.partitions(table)
    }
    return _without_zeros(counts)


def _counted(chunks: Iterable[pa.Table], key: str, entity: str) -> Iterator[int]:
    return (rows_about(chunk, key, entity) for chunk in chunks)
