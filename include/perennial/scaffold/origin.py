"""What `--from` names: files, a table, or a query."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from perennial.errors import InvalidSettings
from perennial.sources.peek import Peek, peek_files, peek_query
from perennial.sources.port import Connections
from perennial.spec.folder import bound_names

MOST_ROWS = 20_000
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


Origin = Files | Query


def origin(text: str, connection: str | None) -> Origin:
    """What the text names. `connection` is for a query in a file. Errors: `InvalidSettings`."""
    if text.startswith(("postgres://", "postgresql://")):
        return _table(text)
    if text.endswith(".sql"):
        file = Path(text)
        if connection is None:
            raise InvalidSettings(f"--from {text} is a query: say with --connection which Airflow connection it asks.")
        if not file.is_file():
            raise InvalidSettings(f"--from {text}: there is no such file.")
        return Query(connection, file.read_text("utf-8").rstrip().rstrip(";"))
    if re.match(r"[a-z0-9]+://", text):
        raise InvalidSettings(
            f"--from {text}: only files, postgres://connection/table and query.sql can be looked at. For S3 copy a "
            "file here, then change `source` to type: s3."
        )
    return _files(text)


def _table(text: str) -> Query:
    parts = urlsplit(text)
    table = unquote(parts.path.strip("/")).replace("/", ".")
    if "@" in parts.netloc or parts.port is not None:
        raise InvalidSettings(
            "--from takes the name of an Airflow connection, not an address: no password ever stands in a spec. Set "
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


def _any_date(part: str) -> str:
    """The part of a path with any text in the place of its directives. Two stars together would mean folders."""
    return re.sub(r"\*{2,}", "*", re.sub(r"%[A-Za-z]", "*", part))


def _format(file: Path) -> str:
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
