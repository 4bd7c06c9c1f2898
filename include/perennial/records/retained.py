"""Retained: rows of a window are kept until the window's end and the age of their class; then maintenance takes them.

What is due to go follows from the spec and the moment. What has gone is on record: before rows go, an intervention says
of which windows they are, those that ended by a moment. So what is said of gone rows stays true when an age is made
shorter or longer later: rows that were written since are not among those that went.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import pyarrow as pa

from perennial.errors import RowsErased, RowsExpired, RowsLost, RowsRemoved
from perennial.lake.port import (
    labels_table,
    predictions_table,
    quarantine_table,
    raw_table,
    shadow_table,
    window_partition,
)
from perennial.ledger.entries import Batch, Intervention, InterventionKind, Snapshot
from perennial.ledger.port import Ledger
from perennial.ordered import OrderedRows
from perennial.ports import Ports
from perennial.spec.models import UseCase
from perennial.spec.retirement import RowClass
from perennial.window import Window

SUBJECT, SAMPLES = "rows of windows", "samples of validations"
UNTIL = "until"  # in an entry's details, by class: windows that ended by then
TABLES = {
    RowClass.PREDICTIONS: (predictions_table, shadow_table),
    RowClass.QUARANTINE: (quarantine_table,),
    RowClass.LABELS: (labels_table,),
    RowClass.RAW: (raw_table,),
}
"""Where the rows of each class are in the lake; published ones are in their own store."""

_NAMES = {
    RowClass.PUBLISHED: "the published rows",
    RowClass.PREDICTIONS: "its predictions",
    RowClass.QUARANTINE: "the rows in quarantine",
    RowClass.LABELS: "its labels",
    RowClass.RAW: "its snapshots",
}
_LEFT = {
    RowClass.PUBLISHED: "The lake still has them, for as long as `retention.predictions` says.",
    RowClass.PREDICTIONS: "The ledger still knows by which model and from which snapshot they were made, and how good "
    "they were.",
    RowClass.QUARANTINE: "The verdict still says how many rows each rule caught. While the window's snapshot is there, "
    "validating it again sets them aside again.",
    RowClass.LABELS: "The ledger still has what was measured with them.",
    RowClass.RAW: "The ledger still knows their digest. As long as the source has them, ingesting the window again "
    "brings them back, until the next night.",
}


def due(spec: UseCase, rows: RowClass, as_of: datetime) -> datetime | None:
    """Rows of that class go of windows that ended by this moment; None where they are kept for ever."""
    age = spec.retention.ages.get(rows)
    return None if age is None else as_of - age


@dataclass(frozen=True)
class Removals:
    """What went by age in a use case, as it is on record, and what is `due` to go."""

    entries: tuple[Intervention, ...]
    due: Mapping[RowClass, datetime]

    def has(self, rows: RowClass, window: Window, written: datetime | None) -> bool:
        """Whether a window's rows, of which it was recorded then that they were written, have gone or are due to."""
        moment = self.due.get(rows)
        return (moment is not None and window.end <= moment) or self.entry(rows, window, written) is not None

    def entry(self, rows: RowClass, window: Window, written: datetime | None) -> Intervention | None:
        """The entry by which they went; None where they did not go by age."""
        if rows not in self._last or window.end > self._last[rows]:
            return None
        for until, each in reversed(self._known[rows]):
            if window.end <= until and _is_before(written, each.recorded_at):
                return each
        return None

    @cached_property
    def _known(self) -> Mapping[RowClass, Sequence[tuple[datetime, Intervention]]]:
        """By class, until when which entry took its rows, in the order in which that was recorded."""
        found: dict[RowClass, list[tuple[datetime, Intervention]]] = {}
        for each in self.entries:
            for name, said in each.details["classes"].items():
                found.setdefault(RowClass(name), []).append((datetime.fromisoformat(said[UNTIL]), each))
        return found

    @cached_property
    def _last(self) -> Mapping[RowClass, datetime]:
        """By class, the last moment until which rows went: most windows are younger, and asked about for nothing."""
        return {rows: max(until for until, _ in known) for rows, known in self._known.items()}


def _is_before(one: datetime | None, other: datetime | None) -> bool:
    return one is None or other is None or one <= other


def removals(spec: UseCase, as_of: datetime, ledger: Ledger) -> Removals:
    """What has gone by age, and what is due to go by `as_of`. Errors: `StoreUnavailable`."""
    moments = {each: as_of - age for each, age in spec.retention.ages.items()}
    return Removals(on_record(spec.name, ledger).entries, moments)


def on_record(use_case: str, ledger: Ledger) -> Removals:
    """What has gone by age. Errors: `StoreUnavailable`."""
    return Removals(tuple(ledger.interventions(use_case, InterventionKind.FILES_REMOVED, subject=SUBJECT)), {})


def snapshot_table(snapshot: Snapshot, ports: Ports) -> pa.Table:
    """The rows that the lake has of a snapshot.

    Errors: `RowsExpired` when they went by age, `RowsRemoved`, `RowsLost`, `StoreUnavailable`.
    """
    return ordered_snapshot(snapshot, ports).table()


def ordered_snapshot(snapshot: Snapshot, ports: Ports) -> OrderedRows:
    """`snapshot_table` without having the rows in memory. Errors: as there."""
    with saying_what_expired(snapshot, ports.ledger):
        return ports.lake.ordered(snapshot.table, window_partition(snapshot.window), version=snapshot.version)


@contextmanager
def saying_what_expired(snapshot: Snapshot, ledger: Ledger) -> Iterator[None]:
    """Inside, the snapshot's rows are read: that they went by age becomes `RowsExpired`."""
    try:
        yield
    except RowsRemoved as error:
        said = expired(snapshot.use_case, RowClass.RAW, snapshot.window, snapshot.recorded_at, ledger)
        raise _or(said, error) from error


def batch_table(batch: Batch, ports: Ports) -> pa.Table:
    """The rows that the lake has of a revision. Errors: as `snapshot_table`."""
    return ordered_batch(batch, ports).table()


def ordered_batch(batch: Batch, ports: Ports) -> OrderedRows:
    """`batch_table` without having the rows in memory. Errors: as `snapshot_table`."""
    try:
        return ports.lake.ordered(batch.table, window_partition(batch.window), version=batch.version)
    except RowsRemoved as error:
        said = expired(batch.use_case, RowClass.PREDICTIONS, batch.window, batch.recorded_at, ports.ledger)
        raise _or(said, error) from error


def expired(
    use_case: str, rows: RowClass, window: Window, written: datetime | None, ledger: Ledger
) -> RowsExpired | None:
    """What to say of rows that are not there: when they went by age, and what can be done. None where they did not."""
    return refusal(use_case, rows, window, written, on_record(use_case, ledger))


def refusal(
    use_case: str, rows: RowClass, window: Window, written: datetime | None, known: Removals
) -> RowsExpired | None:
    """`expired`, by what was read of the ledger before."""
    entry = known.entry(rows, window, written)
    if entry is None:
        return None
    return RowsExpired(f"{use_case} {window}: {gone_text(rows, entry)} {_LEFT[rows]}")


def gone_text(rows: RowClass, entry: Intervention) -> str:
    """When rows went by age, and by which rule, in a sentence."""
    said = entry.details["classes"][rows.value]
    on = f"{entry.recorded_at:%Y-%m-%d}"
    return f"{_NAMES[rows]} were removed by retention on {on} (retention.{rows.value}: {said['age']})."


def quarantine_expired(snapshot: Snapshot, found: int, ledger: Ledger) -> RowsExpired | None:
    """What to say of the `found` rows in the latest snapshot's quarantine, if more were set aside and went by age."""
    verdict = None if found else ledger.counting_verdict(snapshot.use_case, snapshot.window)
    if verdict is None or verdict.snapshot_digest != snapshot.digest or not verdict.rows_quarantined:
        return None
    return expired(snapshot.use_case, RowClass.QUARANTINE, snapshot.window, snapshot.recorded_at, ledger)


def removed_texts(use_case: str, window: Window, written: datetime | None, ledger: Ledger) -> tuple[str, ...]:
    """What went by age of a window whose rows were written then, a sentence for each class."""
    known = on_record(use_case, ledger)
    entries = ((each, known.entry(each, window, written)) for each in RowClass)
    found = [gone_text(each, entry) for each, entry in entries if entry is not None]
    return tuple(text[0].upper() + text[1:] for text in [*found, *_samples_text(use_case, window, ledger)])


def _samples_text(use_case: str, window: Window, ledger: Ledger) -> list[str]:
    entries = ledger.interventions(use_case, InterventionKind.FILES_REMOVED, subject=SAMPLES)
    entry = next((e for e in entries if window.end <= datetime.fromisoformat(e.details[UNTIL])), None)
    if entry is None:
        return []
    on = f"{entry.recorded_at:%Y-%m-%d}"
    return [f"the {SAMPLES} were removed by retention on {on} (retention.samples: {entry.details['age']})."]


def _or(said: RowsExpired | None, error: RowsRemoved) -> RowsRemoved:
    """An error that says more already stays as it is."""
    return error if said is None or isinstance(error, RowsErased | RowsLost) else said
