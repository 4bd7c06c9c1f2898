"""CSV files, read strictly: UTF-8, one header line, and every cell of the kind that the spec gives its column.

| kind | a cell holds |
| --- | --- |
| numeric | a decimal number |
| integer | a whole number, also as 5.0 |
| boolean | true, false, 1 or 0, in any case |
| timestamp | ISO 8601 with an offset or Z |
| categorical, or not in the spec | text as it is |

An empty cell is null; `""` is empty text. In columns that are not text, NA, N/A, NaN, null and None are null, too.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from perennial.errors import SchemaMismatch, UndecodableText
from perennial.sources.damage import unreadable
from perennial.sources.names import refuse_doubled
from perennial.spec.models import Kind
from perennial.spec.problems import shown

NULLS = pa.array(["", "na", "n/a", "nan", "null", "none"])
SCAN_BYTES = 1 << 20
LONGEST_ROW = 1 << 20  # bytes; also of the header, whose end must be found before anything else can be
EXACT = 2**53  # whole numbers up to here are themselves as 64-bit floats


def read_csv(path: Path, origin: str, kinds: Mapping[str, Kind]) -> Iterator[pa.Table]:
    """The file's rows in batches of about a megabyte; `kinds` are those of the columns that the spec knows.

    Files that end in .gz, .bz2, .zst or .lz4 are unpacked. Errors: `UndecodableText` with the place,
    `SchemaMismatch` with column, row and value or for a damaged file, `SourceUnavailable` when it can't be read.
    """
    try:
        yield from _read(path, origin, kinds)
    except OSError as error:
        raise unreadable(origin, error) from error


def _read(path: Path, origin: str, kinds: Mapping[str, Kind]) -> Iterator[pa.Table]:
    try:
        names = _header(path, origin)
        convert = arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        )
        parse = arrow_csv.ParseOptions(newlines_in_values=True)
        first_row = 1
        read = arrow_csv.ReadOptions(block_size=LONGEST_ROW)
        with arrow_csv.open_csv(str(path), read, parse, convert) as batches:
            yield _typed(batches.schema.empty_table(), origin, kinds, first_row)  # a file without rows has columns, too
            last = None
            for batch in batches:
                yield _typed(pa.Table.from_batches([batch]), origin, kinds, first_row)
                first_row += batch.num_rows
                last = batch.columns[-1][-1].as_py() if batch.num_rows else last
        if last is not None and "\n" in last and _quotes(path) % 2:
            raise SchemaMismatch(
                f"{origin}: a quote in the last column is never closed; the rows after it, from "
                f"{shown(last, 100)} on, would be taken for text. Close the quote, or send the whole file again."
            )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        place = _undecodable(path)
        if place is not None:
            raise UndecodableText(f"{origin}: not UTF-8 at {place}. Write the file as UTF-8.") from error
        if "straddling object" in str(error):
            raise SchemaMismatch(
                f"{origin}: holds a row of more than {LONGEST_ROW:,} bytes, or a quote that is never closed. "
                "Shorten the text, or close the quote."
            ) from error
        raise SchemaMismatch(f"{origin}: not a CSV file that can be read: {shown(str(error), 300)}") from error


def _quotes(path: Path) -> int:
    """How many quotes the file has: an even number, unless one is never closed."""
    with pa.input_stream(str(path), compression="detect") as stream:
        count = 0
        while block := stream.read(SCAN_BYTES):
            count += block.count(b'"')
        return count


def _header(path: Path, origin: str) -> list[str]:
    with io.TextIOWrapper(pa.input_stream(str(path)), encoding="utf-8-sig", newline="") as text:
        start = text.read(LONGEST_ROW)
    try:
        names = next(csv.reader(io.StringIO(start, newline="")), [])
    except csv.Error as error:
        raise SchemaMismatch(
            f"{origin}: the line of column names can't be read: {error}. Is it a CSV file, with one header line?"
        ) from error
    if not names:
        raise SchemaMismatch(f"{origin}: is empty; a CSV file starts with a line of column names.")
    refuse_doubled(names, origin)
    return names


def _typed(rows: pa.Table, origin: str, kinds: Mapping[str, Kind], first_row: int) -> pa.Table:
    columns = {}
    for name in rows.column_names:
        text = rows.column(name)
        convert = _CONVERSIONS[kinds.get(name, Kind.CATEGORICAL)]
        try:
            columns[name] = convert(text)
        except pa.ArrowInvalid as error:
            at = _first_unfit(text, convert)
            raise SchemaMismatch(
                f"{origin}: column {shown(name)}, row {first_row + at} after the header: {text[at].as_py()[:100]!r} "
                f"{_EXPECTED[kinds[name]]}. Correct the file, or the column's kind in the spec."
            ) from error
    return pa.table(columns)


def _first_unfit(text: pa.ChunkedArray, convert: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> int:
    """The index of the first cell that does not convert, by halving."""
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(text.slice(low, middle - low))
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


def _cells(text: pa.ChunkedArray) -> pa.ChunkedArray:
    trimmed = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.is_in(pc.utf8_lower(trimmed), NULLS), pa.scalar(None, pa.string()), trimmed)


def _numeric(text: pa.ChunkedArray) -> pa.ChunkedArray:
    return _cells(text).cast(pa.float64())


def _integer(text: pa.ChunkedArray) -> pa.ChunkedArray:
    cells = pc.replace_substring_regex(_cells(text), r"\.0*$", "")
    try:
        return cells.cast(pa.int64())
    except pa.ArrowInvalid:
        numbers = cells.cast(pa.float64())  # such as 1e3
        if pc.any(pc.greater(pc.abs(numbers), EXACT)).as_py():
            raise
        return numbers.cast(pa.int64())


def _boolean(text: pa.ChunkedArray) -> pa.ChunkedArray:
    return _cells(text).cast(pa.bool_())


def _timestamp(text: pa.ChunkedArray) -> pa.ChunkedArray:
    return _cells(text).cast(pa.timestamp("us", tz="UTC"))


def _categorical(text: pa.ChunkedArray) -> pa.ChunkedArray:
    return text


_CONVERSIONS: dict[Kind, Callable[[pa.ChunkedArray], pa.ChunkedArray]] = {
    Kind.NUMERIC: _numeric,
    Kind.INTEGER: _integer,
    Kind.CATEGORICAL: _categorical,
    Kind.BOOLEAN: _boolean,
    Kind.TIMESTAMP: _timestamp,
}
_EXPECTED = {
    Kind.NUMERIC: "is not a number",
    Kind.INTEGER: "is not a whole number",
    Kind.BOOLEAN: "is neither true nor false",
    Kind.TIMESTAMP: "is not a time with an offset, such as 2013-03-01T12:00:00Z",
}


def _undecodable(path: Path) -> str | None:
    """Where the file stops being UTF-8; None when all of it is."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    before, line = 0, 1
    with pa.input_stream(str(path)) as stream:
        while True:
            block = stream.read(SCAN_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line += error.object.count(b"\n", 0, error.start)
                return f"byte {before - pending + error.start + 1:,} (line {line:,})"
            if not block:
                return None
            before += len(block)
            line += block.count(b"\n")
