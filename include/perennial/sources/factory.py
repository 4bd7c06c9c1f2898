"""From a source in a spec to one that can be asked."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from perennial.sources.files import FileSource
from perennial.sources.port import Connections, Source
from perennial.sources.postgres import PostgresSource
from perennial.sources.s3 import S3Source
from perennial.sources.selection import Selection
from perennial.sources.tabular import Layout
from perennial.spec.models import Column
from perennial.spec.models import FileSource as FileSpec
from perennial.spec.models import PostgresSource as PostgresSpec
from perennial.spec.models import S3Source as S3Spec
from perennial.spec.models import Source as SourceSpec


@dataclass(frozen=True)
class _Surroundings:
    """What a source may need to know of its use case."""

    queries: dict[str, str]
    folder: Path
    columns: dict[str, Column]
    selection: Selection
    connections: Connections


def open_source(
    spec: SourceSpec,
    *,
    queries: dict[str, str],
    folder: Path,
    columns: dict[str, Column],
    event_time: str,
    arrival: str | None,
    connections: Connections,
) -> Source:
    """The source that `spec` describes; nothing is opened before it is asked.

    `queries` maps file names to SQL, `folder` is the use case's; `columns` are those that the spec knows, and `arrival`
    is the column that says when a label became known. Errors: `InvalidSettings` for a connection that is missing or of
    the wrong type, `InvalidQuery` for an unknown parameter.
    """
    around = _Surroundings(queries, folder, columns, Selection(event_time, arrival), connections)
    return _OPENERS[type(spec)](spec, around)


def _postgres(spec: PostgresSpec, around: _Surroundings) -> Source:
    file = str(spec.query)
    url = around.connections.url(spec.connection)
    return PostgresSource(url, around.queries[file], connection_id=spec.connection, file=file)


def _files(spec: FileSpec, around: _Surroundings) -> Source:
    layout = Layout(spec.format, around.columns, around.selection)
    return FileSource(spec.path, spec.pattern, folder=around.folder, layout=layout)


def _s3(spec: S3Spec, around: _Surroundings) -> Source:
    layout = Layout(spec.format, around.columns, around.selection)
    url = around.connections.url(spec.connection)
    return S3Source(url, spec.bucket, spec.prefix, connection_id=spec.connection, layout=layout)


_OPENERS: dict[type, Callable[..., Source]] = {
    PostgresSpec: _postgres,
    FileSpec: _files,
    S3Spec: _s3,
}
