"""Aged: rows of windows that are older than the age of their class are removed, from the lake and where consumers read.

The ledger says first which rows will be gone (`perennial.records.retained`); a run that was killed is finished by the
next one. Rows of a window that was scored again long after its time go in the next night.
"""

import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ports import Ports
from perennial.records.retained import SUBJECT, TABLES, UNTIL, due
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.retirement import RowClass
from perennial.spec.training import in_days
from perennial.window import Window

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Aged:
    """Rows of a class that are removed, or would be: of how many windows, and from which start to which end.

    `bytes` are those of the lake's files; what a database gives back is not known.
    """

    rows_of: RowClass
    windows: int
    rows: int
    bytes: int
    first: datetime
    last: datetime
    reason: str


@dataclass(frozen=True)
class AgedRemoved:
    """How much of a class was removed; `files_removed` are the lake's."""

    rows_of: RowClass
    windows: int
    rows: int
    files_removed: int


def plan(use_case: LoadedUseCase, as_of: datetime, ports: Ports) -> list[Aged]:
    """What `run` would remove, by class; empty where that is nothing. Errors: `StoreUnavailable`."""
    return [each.said for each in _find(use_case.spec, as_of, ports)]


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, *, actor: str) -> list[AgedRemoved]:
    """Say in the ledger which rows will be gone, and remove them. Errors: `StoreUnavailable`."""
    name, found = use_case.name, _find(use_case.spec, as_of, ports)
    if not found:
        return []
    ports.ledger.record_intervention(
        Intervention(
            use_case=name,
            kind=InterventionKind.FILES_REMOVED,
            subject=SUBJECT,
            actor=actor,
            reason="; ".join(each.said.reason for each in found),
            details={"classes": {each.said.rows_of.value: each.details for each in found}},
            run_id=run_id,
        )
    )
    done = []
    for each in found:
        said = each.said
        log.info(
            "%s: removing %s, %d rows of %d windows from %s to %s: %s",
            *(name, said.rows_of, said.rows, said.windows, said.first, said.last, said.reason),
        )
        if said.rows_of is RowClass.PUBLISHED:
            ports.published.remove(name, each.until)
        for table, partitions in each.partitions.items():
            ports.lake.drop(table, partitions)
        files = sum(map(len, each.partitions.values()))
        done.append(AgedRemoved(said.rows_of, said.windows, said.rows, files))
    return done


@dataclass(frozen=True)
class _Found:
    """The rows of a class that go, those of windows that ended by `until`; of the lake, the partitions by table."""

    said: Aged
    until: datetime
    age: str
    partitions: dict[str, tuple[str, ...]]

    @property
    def details(self) -> dict[str, object]:
        said = asdict(self.said)
        counts = {name: said[name] for name in ("windows", "rows", "bytes")}
        ends = {"first": self.said.first.isoformat(), "last": self.said.last.isoformat()}
        return {UNTIL: self.until.isoformat(), "age": self.age, **counts, **ends}


def _find(spec: UseCase, as_of: datetime, ports: Ports) -> list[_Found]:
    """By class, in the order in which they go."""
    found = []
    for rows_of, age in spec.retention.ages.items():
        until = due(spec, rows_of, as_of)
        assert until is not None, "the class has an age"
        windows, partitions, rows, size = _old(spec, rows_of, until, ports)
        if windows:
            said = Aged(
                rows_of=rows_of,
                windows=len(windows),
                rows=rows,
                bytes=size,
                first=min(each.start for each in windows),
                last=max(each.end for each in windows),
                reason=f"{rows_of.value} older than {in_days(age)}",
            )
            found.append(_Found(said, until, in_days(age), partitions))
    return found


def _old(
    spec: UseCase, rows_of: RowClass, until: datetime, ports: Ports
) -> tuple[set[Window], dict[str, tuple[str, ...]], int, int]:
    """The windows that ended by then with rows of the class, where these are, how many, and their bytes."""
    if rows_of is RowClass.PUBLISHED:
        published = ports.published.overview(spec.name, FIRST, until)
        return set(published), {}, sum(each.rows for each in published.values()), 0
    windows: set[Window] = set()
    partitions: dict[str, tuple[str, ...]] = {}
    rows = size = 0
    for table in (named(spec.name) for named in TABLES[rows_of]):
        written = ports.lake.written(table)
        old = {key: window for key in written if (window := Window.parse(key)).end <= until}
        if old:
            windows |= set(old.values())
            partitions[table] = tuple(sorted(old))
            rows += sum(written[key].rows for key in old)
            size += sum(written[key].bytes for key in old)
    return windows, partitions, rows, size
