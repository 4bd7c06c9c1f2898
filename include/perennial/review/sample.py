"""A sample: one window of rows and labels, read through the real source, and everything in it that does not fit.

Steps end at the first thing that they may not let in. This goes on after each, so that a new use case is mended in one
go instead of one run at a time. Nothing is written.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from perennial.errors import EmptyWindow, PerennialError
from perennial.lake.port import raw_table
from perennial.lake.schema import changed_types
from perennial.quality.labels import label_columns
from perennial.quality.schema import Conforming, canonical_schema
from perennial.quality.unread import UnreadRows
from perennial.review.findings import Finding, Findings, Level
from perennial.review.sample_columns import LABELS, read_columns, written
from perennial.review.sample_values import judge_features, judge_labels, judge_rules, rows_of_window
from perennial.sources.peek import Peek
from perennial.sources.port import Source
from perennial.spec.columns import Column
from perennial.spec.fields import RESERVED_COLUMNS
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.problems import Location
from perennial.spec.sources import PostgresSource
from perennial.spec.sources import Source as SourceSpec
from perennial.window import Window

Opened = Callable[[LoadedUseCase, SourceSpec], Source]
Look = Callable[[SourceSpec, datetime], Peek | None]


@dataclass(frozen=True)
class Reading:
    """What a source gave for the window: rows in it, their size in memory, and how long it took.

    `of_others` counts rows beside them that have windows of their own, which read them. `refused` is what ingesting, or
    collecting labels, would have ended with; None when it would have taken them.
    """

    what: str
    rows: int
    bytes: int
    seconds: float
    refused: str | None
    of_others: int = 0


@dataclass(frozen=True)
class SampleReport:
    """Everything that was found; `ready` says that none of it would stop a step."""

    use_case: str
    window: Window
    readings: tuple[Reading, ...]
    findings: tuple[Finding, ...]

    @property
    def ready(self) -> bool:
        """Whether the window would come through."""
        return not any(each.level is Level.ERROR for each in self.findings)


def run(
    use_case: LoadedUseCase,
    window: Window,
    as_of: datetime,
    opened: Opened,
    look: Look,
    stored: pa.Schema | None = None,
) -> SampleReport:
    """Read the window's rows, and its labels as of a moment, and compare them with the spec.

    `opened` turns a source of the spec into one that can be asked, `look` reads one as it is
    (`perennial.sources.peek`). What can't be read becomes a finding, too. `stored` are the columns of the windows that
    the lake has; None where it was not asked.
    """
    spec, found = use_case.spec, Findings.about(use_case)
    asked = _Asked(use_case, window, opened, look, found)
    rows_read, rows = asked.taken("rows", spec.source, spec.columns, ("source",), window.end)
    inside = rows_of_window(spec, rows, window, rows_read.of_others, found) if rows is not None else None
    columns = dict(label_columns(spec))
    by_arrival = spec.labels.dated_by == "arrival_time"
    if not isinstance(spec.labels.source, PostgresSource) and not by_arrival:
        columns[spec.event_time] = spec.columns[spec.event_time]
    keys = (
        inside.column(spec.key).combine_chunks()
        if by_arrival and inside is not None and spec.key in inside.column_names
        else None
    )
    labels_read, labels = asked.taken("labels", spec.labels.source, columns, LABELS, as_of, keys)
    if inside is not None and inside.num_rows:
        judge_rules(use_case, inside, window, found)
        judge_features(spec, inside, found)
    if labels is not None:
        judge_labels(spec, inside, labels, found)
    for reading in (rows_read, labels_read):
        _near_limits(spec, reading, found)
    _kept_types(spec, stored, found)
    return SampleReport(spec.name, window, (rows_read, labels_read), found.in_order())


@dataclass(frozen=True)
class _Asked:
    """Sources of one use case, asked about one window."""

    use_case: LoadedUseCase
    window: Window
    opened: Opened
    look: Look
    found: Findings

    def taken(
        self,
        what: str,
        source: SourceSpec,
        columns: dict[str, Column],
        at: Location,
        as_of: datetime,
        keys: pa.Array | None = None,
    ) -> tuple[Reading, pa.Table | None]:
        """How the source was read, and its rows as far as they could be understood; None when there is nothing.

        With `keys`, the labels of these are sought in files by day of arrival, whichever day that was; such files are
        not looked at one by one.
        """
        spec, found = self.use_case.spec, self.found
        began = time.perf_counter()
        strict, refused, of_others = None, None, 0
        unread: tuple[str, ...] = ()
        try:
            extract = self.opened(self.use_case, source).fetch(self.window, as_of, spec.limits, keys)
            strict, of_others = extract.rows, extract.outside
            unread = _set_aside(spec, strict) if what == "rows" else ()
        except PerennialError as error:
            refused = error
        seconds = time.perf_counter() - began
        rows, size = (strict.num_rows, strict.nbytes) if strict is not None else (0, 0)
        before = found.errors
        if strict is not None:  # as the source writes it, which is what a look at the source itself finds
            names = {name: written(spec, name, column, at) for name, column in columns.items()}
            strict = strict.rename_columns([names.get(name, name) for name in strict.column_names])
        peek = self._peeked(source, as_of, strict, by_itself=keys is None)
        understood = read_columns(spec, peek, source, columns, at, found) if peek is not None else None
        if refused is not None and found.errors == before:
            # Labels of a window that is young are not there yet; that is ordinary.
            level = Level.WARNING if what == "labels" and isinstance(refused, EmptyWindow) else Level.ERROR
            found.add(level, at, f"{what}: {' '.join(str(refused).split())}")
        elif refused is None and unread and found.errors == before:
            for text in unread:
                found.add(Level.WARNING, at, text)
        elif refused is None and rows == 0:
            _empty(what, spec, self.window, as_of, at, found)
        return Reading(what, rows, size, seconds, str(refused) if refused else None, of_others), understood

    def _peeked(self, source: SourceSpec, as_of: datetime, strict: pa.Table | None, *, by_itself: bool) -> Peek | None:
        try:
            peek = self.look(source, as_of) if by_itself or strict is None else None
        except PerennialError:  # the source itself was refused for the same reason, and that is told
            peek = None
        if peek is None and strict is not None:
            ours = [name for name in strict.column_names if name in RESERVED_COLUMNS]
            return Peek(strict.drop_columns(ours), ())
        return peek


def _kept_types(spec: UseCase, stored: pa.Schema | None, found: Findings) -> None:
    """Columns whose kind is not that of the windows that are stored: ingesting refuses them."""
    for field in canonical_schema(spec) if stored is not None else ():
        if told := changed_types(stored, pa.schema([field])):
            found.add(Level.ERROR, ("columns", field.name), f"{raw_table(spec.name)} in the lake: {told}")


def _set_aside(spec: UseCase, rows: pa.Table) -> tuple[str, ...]:
    """What ingesting would tell of rows that it sets aside. Errors: `SchemaMismatch` where it would refuse them."""
    conforming, unread = Conforming(spec), UnreadRows()
    taken = conforming.take(rows)
    conforming.finish()
    unread.take(rows if taken is None else taken)
    return tuple(unread.told())


def _empty(what: str, spec: UseCase, window: Window, as_of: datetime, at: Location, found: Findings) -> None:
    if what == "labels":
        found.add(Level.WARNING, at, f"no label of this window had arrived by {as_of:%Y-%m-%dT%H:%MZ}")
    else:
        found.add(Level.NOTE if spec.allow_empty else Level.ERROR, at, f"the source has no rows in {window}")


def _near_limits(spec: UseCase, reading: Reading, found: Findings) -> None:
    for key, used, most in (
        ("max_rows", reading.rows, spec.limits.max_rows),
        ("max_bytes", reading.bytes, spec.limits.max_bytes),
    ):
        if used > most / 2:
            text = f"{used:,} of {most:,} are used by the {reading.what} of one window"
            found.add(Level.WARNING, ("limits", key), text)
