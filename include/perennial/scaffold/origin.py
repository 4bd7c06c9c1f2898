"""What `--from` names: files, a table, or a query."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path, PurePath, PurePosixPath
from urllib.parse import unquote, urlsplit

from perennial.errors import InvalidSettings
from perennial.sources.bucket import Bucket, below
from perennial.sources.data_files import sorted_out
from perennial.sources.peek import Peek, peek_files, peek_objects, peek_query
from perennial.sources.port import Connections
from perennial.spec.parameters import bound_names
from perennial.wording import counted

MOST_ROWS = 20_000
MOST_KEYS = 10_000  # of a bucket, to tell from where dates stand in them
_BEGINNING, _END = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
EVER = {"start": _BEGINNING, "end": _END, "as_of": _END}
_DATES = (
    (re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)"), "%Y-%m-%d"),
    (re.compile(r"(?<!\d)\d{4}_\d{2}_\d{2}(?!\d)"), "%Y_%m_%d"),
    (re.compile(r"(?<!\d)(?:19|20)\d{6}(?!\d)"), "%Y%m%d"),
    (re.compile(r"(?<!\d)\d{4}-\d{2}(?!\d)"), "%Y-%m"),
)
_PATH_DATES = (
    (re.compile(r"/\d{4}/\d{2}/\d{2}(?=/|$)"), "/%Y/%m/%d"),
    (re.compile(r"/\d{4}/\d{2}(?=/|$)"), "/%Y/%m"),
)
_TABLE = re.compile(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)?")


@dataclass(frozen=True)
class Files:
    """Files in a folder; `path` and `pattern` as the spec has them."""

    path: str
    pattern: str
    format: str
    seen: tuple[Path, ...]

    def peek(self, _: Connections) -> Peek:
        """The first rows."""
        return peek_files(self.seen, self.format, MOST_ROWS)


@dataclass(frozen=True)
class Objects:
    """Objects in a bucket; `prefix` as the spec has it, `seen` are keys. `others` begin like them and are read, too,
    though nobody asked for them.
    """

    connection: str
    bucket: str
    prefix: str
    format: str
    seen: tuple[str, ...]
    others: tuple[str, ...] = ()

    def peek(self, connections: Connections) -> Peek:
        """The first rows."""
        bucket = Bucket(connections.url(self.connection), self.bucket, self.connection)
        found = peek_objects(bucket, self.seen, self.format, MOST_ROWS)
        if not self.others:
            return found
        odd = (
            f"{counted(len(self.others), 'object')} of another name, such as {self.others[0]}, will be read, too, "
            f"because all keys that start with {self.prefix} are read. Put them elsewhere"
        )
        return replace(found, oddities=(*found.oddities, odd))


@dataclass(frozen=True)
class Query:
    """A query of a connection; `table` is the table's name where it is simply one."""

    connection: str
    sql: str
    table: str | None = None

    def peek(self, connections: Connections) -> Peek:
        """The first rows."""
        names = bound_names(self.sql)
        values = {name: moment for name, moment in EVER.items() if name in names}
        return peek_query(connections.url(self.connection), self.sql, self.table or "the query", values, MOST_ROWS)


Origin = Files | Objects | Query


def origin(text: str, connection: str | None, connections: Connections) -> Origin:
    """What the text names. `connection` is the name of the one that a query in a file, or a bucket, is asked by.

    Errors: `InvalidSettings`; for a bucket also `InvalidQuery`, `SourceUnavailable`.
    """
    if text.startswith(("postgres://", "postgresql://")):
        return _table(text)
    if text.endswith(".sql"):
        file = Path(text)
        if connection is None:
            raise InvalidSettings(f"--from {text} is a query: say with --connection which Airflow connection it asks.")
        if not file.is_file():
            raise InvalidSettings(f"--from {text}: there is no such file.")
        return Query(connection, file.read_text("utf-8").rstrip().rstrip(";"))
    if text.startswith("s3://"):
        return _objects(text, connection, connections)
    if re.match(r"[a-z0-9]+://", text):
        raise InvalidSettings(
            f"--from {text}: give files, s3://bucket/prefix, postgres://connection/table and query.sql."
        )
    return _files(text)


def _table(text: str) -> Query:
    parts = urlsplit(text)
    table = unquote(parts.path.strip("/")).replace("/", ".")
    if "@" in parts.netloc or ":" in parts.netloc:
        raise InvalidSettings(
            "--from takes the name of an Airflow connection, not an address: a spec never holds a password. Set "
            "AIRFLOW_CONN_<NAME> to the address, and write postgres://<name>/<table>."
        )
    if not parts.netloc or not _TABLE.fullmatch(table):
        raise InvalidSettings(
            f"--from {text}: write postgres://connection/table or postgres://connection/schema.table."
        )
    return Query(parts.netloc, f"SELECT *\nFROM {table}", table)


def _files(text: str) -> Files:
    given = Path(text).absolute()
    if given.is_dir():
        given = given / "*"
    parts = given.parts
    first = next((n for n, part in enumerate(parts) if any(sign in part for sign in "*?[%")), len(parts) - 1)
    folder, rest = Path(*parts[:first]), "/".join(parts[first:])
    if not folder.is_dir():
        raise InvalidSettings(f"--from {text}: there is no folder {folder}.")
    glob = "/".join(part if part == "**" else _any_date(part) for part in rest.split("/"))
    seen = sorted(file for file in folder.glob(glob) if file.is_file() and file.name[0] not in "._")
    if not seen:
        raise InvalidSettings(f"--from {text}: no file matches {glob} in {folder}.")
    found = Files(str(folder), rest, _format(seen[0]), tuple(seen))
    return found if "%" in rest else _dated(found)


def _objects(text: str, connection: str | None, connections: Connections) -> Objects:
    name, _, pattern = text.removeprefix("s3://").partition("/")
    if not name or "@" in name or ":" in name:
        raise InvalidSettings(
            "--from s3://…: write s3://bucket/prefix. The store's address and its keys are the connection's part."
        )
    if connection is None:
        raise InvalidSettings(
            f"--from {text}: say with --connection which Airflow connection (of type aws) opens the bucket."
        )
    wild = min((pattern.index(sign) for sign in "*?[" if sign in pattern), default=len(pattern))
    prefix, rest = pattern[:wild], pattern[wild:]
    if "%" in rest:
        raise InvalidSettings(
            f"--from {text}: objects are found by what their keys start with, so there can be no * before a date. "
            "Give one such prefix, up to the date."
        )
    fixed = prefix.partition("%")[0]
    bucket = Bucket(connections.url(connection), name, connection)
    with bucket.reached(text) as reached:
        listed = [key for key, _ in islice(reached.objects(fixed), MOST_KEYS)]
    if not prefix.endswith("/") and "%" not in prefix and not rest and any(k.startswith(f"{fixed}/") for k in listed):
        prefix = f"{prefix}/"  # the folder, and not what has a longer name
    begins = [key for key in listed if fnmatchcase(key, f"{_any_date(prefix)}*")]
    data, _ = sorted_out([(key, below(key, prefix)) for key in begins], text)
    seen = tuple(key for key in data if not rest or fnmatchcase(key, f"{_any_date(prefix)}{rest}"))
    if not seen:
        raise InvalidSettings(
            f"--from {text}: no object's key matches {_any_date(prefix)}{rest or '*'} in s3://{name}."
        )
    found = prefix if "%" in prefix else _dated_prefix(seen) or prefix
    read = (key for key in data if fnmatchcase(key, f"{_any_date(found)}*"))
    others = tuple(sorted(set(read) - set(seen)))
    return Objects(connection, name, found, _format(PurePosixPath(seen[0])), seen, others)


def _dated_prefix(keys: tuple[str, ...]) -> str | None:
    """What all keys start with, up to and with directives in the place of their dates; None where there is no such."""
    for date, directives in (*_PATH_DATES, *_DATES):
        matches = [date.search(f"/{key}") for key in keys]
        starts = {match.string[: match.start()] for match in matches if match}
        if all(matches) and len(starts) == 1:
            return f"{starts.pop()}{directives}".lstrip("/")
    return None


def _any_date(part: str) -> str:
    """The part of a path with any text in the place of its directives. Two stars together would mean folders."""
    return re.sub(r"\*{2,}", "*", re.sub(r"%[A-Za-z]", "*", part))


def _format(file: PurePath) -> str:
    endings = {ending.lower() for ending in file.suffixes}
    if endings & {".parquet", ".pq"}:
        return "parquet"
    if endings & {".csv", ".tsv", ".txt"}:
        return "csv"
    raise InvalidSettings(f"{file}: only CSV and Parquet files can be read; the name should end in .csv or .parquet.")


def _dated(files: Files) -> Files:
    """The pattern with directives in the place of dates, where every file's name has one in the same place."""
    names = [f"/{file.relative_to(files.path)}" for file in files.seen]
    for date, directives in (*_PATH_DATES, *_DATES):
        if not all(date.search(name) for name in names):
            continue
        patterns = {date.sub(directives, name, count=1).lstrip("/") for name in names}
        if len(patterns) == 1:
            return replace(files, pattern=patterns.pop())
        endings = {"".join(Path(name).suffixes) for name in names}
        starts = {name[: match.start()] for name in names if (match := date.search(name))}
        if len(starts) == 1 and len(endings) == 1:
            start = starts.pop().lstrip("/")
            return replace(
                files, pattern=f"{start}{directives.lstrip('/') if not start else directives}*{endings.pop()}"
            )
    return files
