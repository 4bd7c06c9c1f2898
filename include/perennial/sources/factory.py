"""From a source in a spec to one that can be asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from perennial.quality.labels import label_columns
from perennial.sources.cache import FileCache
from perennial.sources.discreet import Discreet
from perennial.sources.files import Files, FileSource
from perennial.sources.naming import DatedName
from perennial.sources.port import Connections, Source
from perennial.sources.postgres import PostgresSource
from perennial.sources.s3 import S3Source
from perennial.sources.selection import Selection
from perennial.sources.shape import Shape
from perennial.sources.tabular import Layout
from perennial.spec.columns import Column
from perennial.spec.load import LoadedUseCase
from perennial.spec.sources import FileSource as FileSpec
from perennial.spec.sources import PostgresSource as PostgresSpec
from perennial.spec.sources import S3Source as S3Spec
from perennial.spec.sources import Source as SourceSpec
from perennial.window import Grid


@dataclass(frozen=True)
class Schedule:
    """The windows of a use case, and where the first one starts."""

    grid: Grid
    first: datetime


@dataclass(frozen=True)
class _Surroundings:
    """What a source may need to know of its use case."""

    queries: dict[str, str]
    folder: Path
    shape: Shape
    selection: Selection
    schedule: Schedule
    connections: Connections
    cache: FileCache | None

    def names(self, pattern: str, reach: timedelta | None) -> DatedName:
        by_arrival = self.selection.event_time is None
        return DatedName(pattern, reach or timedelta(0), self.schedule.grid, self.schedule.first, by_arrival)

    def layout(self, spec: FileSpec | S3Spec) -> Layout:
        section = f"{spec!r} {self.shape!r}"
        return Layout(spec.format, self.shape, self.selection, spec.csv, self.cache, section)


def source_of(
    use_case: LoadedUseCase, wanted: SourceSpec, connections: Connections, cache: FileCache | None = None
) -> Source:
    """The source of the use case's rows or of its labels: `wanted` is the spec's own object for one of them.

    With `cache`, files of labels that were read before are not read again. Errors: as `open_source`.
    """
    spec = use_case.spec
    labels = wanted == spec.labels.source and wanted is not spec.source  # both may read the same files
    happened = spec.columns[spec.event_time]
    there = spec.labels.from_.get(spec.event_time)
    event_time = {spec.event_time: happened.model_copy(update={"from_": there}) if there else happened}
    by_arrival = labels and spec.labels.dated_by == "arrival_time"
    if by_arrival:
        event_time = {}
    of_labels = {**event_time, **label_columns(spec)}
    columns, others = (of_labels, spec.columns) if labels else (spec.columns, of_labels)
    side_by_side = spec.labels.source == spec.source
    source = open_source(
        wanted,
        queries=use_case.queries,
        folder=use_case.folder,
        columns=columns,
        beside=frozenset(column.from_ or name for name, column in others.items()) if side_by_side else frozenset(),
        key=spec.key,
        event_time=None if by_arrival else spec.event_time,
        arrival=spec.labels.arrival_time if labels else None,
        schedule=Schedule(spec.grid, spec.start),
        connections=connections,
        cache=cache if labels else None,
    )
    return Discreet(source) if spec.personal_columns else source


def open_source(
    spec: SourceSpec,
    *,
    queries: dict[str, str],
    folder: Path,
    columns: Mapping[str, Column],
    key: str,
    event_time: str | None,
    arrival: str | None,
    schedule: Schedule,
    connections: Connections,
    cache: FileCache | None = None,
    beside: frozenset[str] = frozenset(),
) -> Source:
    """The source that `spec` describes; nothing is opened before it is asked.

    `queries` maps file names to SQL, `folder` is the use case's; `columns` are those that the spec knows, and `arrival`
    is the column that says when a label became known. Without `event_time` the dates in the names of files are those
    of arrival. Columns `beside` are left out without a word.
    Errors: `InvalidSettings` for a connection that is missing or of the wrong type, `InvalidQuery` for an unknown
    parameter.
    """
    shape = Shape(columns, spec.timezone, refuse_others=spec.other_columns == "refuse", beside=beside)
    around = _Surroundings(queries, folder, shape, Selection(event_time, arrival, key), schedule, connections, cache)
    return _OPENERS[type(spec)](spec, around)


def _postgres(spec: PostgresSpec, around: _Surroundings) -> Source:
    file = str(spec.query)
    url = around.connections.url(spec.connection)
    sql = around.queries[file]
    return PostgresSource(
        url, sql, connection_id=spec.connection, file=file, shape=around.shape, key=around.selection.key or ""
    )


def _files(spec: FileSpec, around: _Surroundings) -> Source:
    files = Files(spec.path, spec.pattern, around.folder)
    return FileSource(files, layout=around.layout(spec), names=around.names(files.names, spec.reach))


def _s3(spec: S3Spec, around: _Surroundings) -> Source:
    url = around.connections.url(spec.connection)
    names = around.names(spec.prefix, spec.reach)
    return S3Source(
        url, spec.bucket, spec.prefix, connection_id=spec.connection, layout=around.layout(spec), names=names
    )


_OPENERS: dict[type, Callable[..., Source]] = {
    PostgresSpec: _postgres,
    FileSpec: _files,
    S3Spec: _s3,
}
