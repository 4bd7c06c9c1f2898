"""Whether a window is complete at its source, found out in the way that the spec names."""

from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from perennial.errors import InvalidQuery
from perennial.sources.naming import filled
from perennial.sources.port import Connections, Source
from perennial.sources.postgres import PostgresSource
from perennial.sources.s3 import S3Source
from perennial.spec.load import LoadedUseCase
from perennial.spec.sources import FileSource as FileSpec
from perennial.spec.sources import PostgresSource as PostgresSpec
from perennial.spec.sources import S3Source as S3Spec
from perennial.window import Window

WILDCARDS = "*?["
_NO_ANSWER = "none"


def missing(
    use_case: LoadedUseCase, window: Window, as_of: datetime, opened: Source, connections: Connections
) -> str | None:
    """What has not come yet of the window, in words; None when the window is complete, or the spec doesn't say.

    `opened` is the use case's source, opened. Errors: `SourceUnavailable`, `InvalidQuery`, `InvalidSettings`.
    """
    source = use_case.spec.source
    if isinstance(source, PostgresSpec):
        return _query_says(use_case, source, window, as_of, connections)
    absent = _absent_files(use_case, source, window) if isinstance(source, FileSpec) else None
    if isinstance(source, S3Spec):
        absent = _absent_objects(source, window, opened)
    return f"there is no {', no '.join(absent)} yet" if absent else None


def _query_says(
    use_case: LoadedUseCase, source: PostgresSpec, window: Window, as_of: datetime, connections: Connections
) -> str | None:
    if source.ready is None:
        return None
    file = str(source.ready.sql)
    asked = PostgresSource(
        connections.url(source.connection), use_case.queries[file], connection_id=source.connection, file=file
    )
    rows = asked.fetch(window, as_of, use_case.spec.limits).rows
    answer = rows.column(0)[0].as_py() if rows.shape == (1, 1) else _NO_ANSWER
    if answer is not None and not isinstance(answer, bool):
        raise InvalidQuery(
            f"{file} must answer whether the window is ready with one row of one column that is true or false; it "
            f"answered with {rows.num_rows} rows of {rows.num_columns} columns. Cast it to boolean."
        )
    return None if answer else f"{file} does not answer true yet"


def _absent_files(use_case: LoadedUseCase, source: FileSpec, window: Window) -> list[str]:
    if source.ready is None:
        return []
    absent = []
    for name in filled(f"{source.path}\n{source.ready.marker}", window.start, window.end):
        path, _, marker = name.partition("\n")
        folder = use_case.folder / path
        if not any(file.is_file() for file in _matching(folder, marker)):
            absent.append(str(Path(path) / marker))
    return absent


def _matching(folder: Path, marker: str) -> Iterator[Path]:
    if any(sign in marker for sign in WILDCARDS):
        yield from folder.glob(marker)
    else:
        yield folder / marker


def _absent_objects(source: S3Spec, window: Window, opened: Source) -> list[str]:
    if source.ready is None or not isinstance(opened, S3Source):
        return []
    folder = source.prefix[: source.prefix.rfind("/") + 1]
    return [
        f"s3://{source.bucket}/{key}"
        for key in filled(f"{folder}{source.ready.marker}", window.start, window.end)
        if not any(fnmatchcase(found, key) for found in opened.keys(_before_wildcards(key)))
    ]


def _before_wildcards(key: str) -> str:
    return key[: min((key.index(sign) for sign in WILDCARDS if sign in key), default=len(key))]
