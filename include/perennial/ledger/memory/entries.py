"""Entries in memory, and how they are found: what the ledger in memory keeps its facts in."""

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from threading import RLock
from typing import Any, TypeVar

from perennial.clock import Clock
from perennial.lease import Lease
from perennial.ledger.entries import Batch, DriftReport, LedgerEntry, Performance, Snapshot, ValidationResult
from perennial.ledger.rows import Entry, as_stored, natural_key, utc
from perennial.window import Window

Windowed = TypeVar("Windowed", Snapshot, ValidationResult, Batch, DriftReport, Performance)
Age = Callable[[Windowed], Any]
Wanted = Callable[[Windowed], bool]
FOREVER = datetime.max.replace(tzinfo=UTC)  # until then, where no end is asked for


class EntriesInMemory:
    """Entries by kind, in the order they were recorded. Threads may share them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_kind: defaultdict[type[LedgerEntry], list[LedgerEntry]] = defaultdict(list)
        self._tokens: dict[tuple[str, Window], int] = {}  # the fencing token last given for a subject's window
        self._lock = RLock()

    def _record(self, given: Entry, lease: Lease | None = None) -> Entry:
        entry = as_stored(given, self._clock())
        with self._lock:
            self._refuse_if_passed(lease)
            return self._existing(entry) or self._append(entry)

    def _refuse_if_passed(self, lease: Lease | None) -> None:
        if lease is not None:
            lease.refuse_if_passed(self._tokens.get((lease.subject, lease.window), 0), "the ledger")

    def _append(self, entry: Entry) -> Entry:
        stored = replace(entry, id=sum(map(len, self._by_kind.values())) + 1)
        self._by_kind[type(stored)].append(stored)
        return copy.deepcopy(stored)

    def _existing(self, entry: Entry) -> Entry | None:
        return next(iter(self._of(type(entry), lambda other: natural_key(other) == natural_key(entry))), None)

    def _of(self, kind: type[Entry], wanted: Callable[[Entry], bool]) -> list[Entry]:
        """Copies, in the order they were recorded: a caller that changes one changes no fact."""
        return [copy.deepcopy(entry) for entry in self._found(kind, wanted)]

    def _found(self, kind: type[Entry], wanted: Callable[[Entry], bool]) -> list[Entry]:
        with self._lock:
            return [entry for entry in self._by_kind[kind] if isinstance(entry, kind) and wanted(entry)]

    def _newest(
        self, kind: type[Windowed], use_case: str, age: Age[Windowed], wanted: Wanted[Windowed] | None = None
    ) -> list[Windowed]:
        newest: dict[Window, Windowed] = {}
        for entry in sorted(self._found(kind, lambda entry: entry.use_case == use_case), key=age):
            if wanted is None or wanted(entry):
                newest[entry.window] = entry
        return [newest[window] for window in sorted(newest)]

    def _between(
        self,
        kind: type[Windowed],
        use_case: str,
        start: datetime,
        end: datetime,
        age: Age[Windowed],
        wanted: Wanted[Windowed] | None = None,
    ) -> list[Windowed]:
        newest = {entry.window: entry for entry in self._newest(kind, use_case, age, wanted)}
        within = inside(newest, start, end)
        return [copy.deepcopy(entry) for window, entry in newest.items() if window in within]


def inside(windows: Iterable[Window], start: datetime, end: datetime) -> frozenset[Window]:
    """Those of the windows that lie wholly inside `[start, end)`."""
    first, last = utc(start, "start"), utc(end, "end")
    return frozenset(window for window in windows if first <= window.start and window.end <= last)
