"""CSV files, read strictly: one header line, and every line with as many cells. Each cell is a text, or null where it
is empty. `""` is empty text. What the texts mean is `perennial.quality.texts`' part.
"""

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from perennial.errors import SchemaMismatch, UndecodableText
from perennial.sources.damage import unreadable
from perennial.sources.foreign import RECOGNISED_BY, foreign
from perennial.sources.names import refuse_doubled
from perennial.spec.problems import shown
from perennial.spec.sources import Csv

SCAN_BYTES = 1 << 20
LONGEST_ROW = 1 << 20  # bytes; also of the header, whose end must be found before anything else can be
DELIMITERS = (",", ";", "\t", "|")
PACKINGS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}


class EmptyFile(Exception):  # noqa: N818 - never leaves this package
    """The file has not even a line of column names."""


def header_of(path: Path, origin: str, dialect: Csv, sought: Collection[str]) -> list[str]:
    """The names in the file's first line. `sought` are those that the spec knows.

    Errors: `EmptyFile`; `SchemaMismatch`, also for what is no CSV file (see `foreign`), and when another delimiter
    would give more of the names that are sought; `UndecodableText`, `SourceUnavailable`.
    """
    with _explained(path, origin, dialect):
        with opened(path, origin) as stream:
            if said := foreign(stream.read(RECOGNISED_BY)):
                raise SchemaMismatch(f"{origin}: {said}")
        with io.TextIOWrapper(opened(path, origin), encoding=_python_encoding(dialect), newline="") as text:
            start = text.read(LONGEST_ROW)
        try:
            names = _first_line(start, dialect, dialect.delimiter)
        except csv.Error as error:
            raise SchemaMismatch(
                f"{origin}: the line of column names can't be read: {error}. Is it a CSV file, with one header line?"
            ) from error
        if not names:
            raise EmptyFile(f"{origin}: is empty; a CSV file starts with a line of column names.")
        _check_delimiter(start, names, origin, dialect, sought)
        refuse_doubled(names, origin)
        return names


def read_csv(path: Path, origin: str, dialect: Csv, names: list[str]) -> Iterator[pa.Table]:
    """The file's rows as texts, in batches of about a megabyte; `names` is its header.

    Files that end in .gz, .bz2, .zst or .lz4, in any case, are unpacked. Errors: `UndecodableText` with the place,
    `SchemaMismatch` for lines that don't fit the header or a damaged file, `SourceUnavailable` when it can't be read.
    """
    with _explained(path, origin, dialect):
        convert = arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=["", *(dialect.null_values or ())],
        )
        parse = arrow_csv.ParseOptions(
            newlines_in_values=True,
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            escape_char=dialect.escape or False,
        )
        read = arrow_csv.ReadOptions(block_size=LONGEST_ROW, encoding=dialect.encoding)
        last, checked = None, False
        with opened(path, origin) as stream, _batches(stream, names, read, parse, convert) as batches:
            yield batches.schema.empty_table()  # a file without rows has columns, too
            for batch in batches:
                rows = pa.Table.from_batches([batch])
                if not checked and _holds_backslash(rows):
                    _check_backslashes(path, origin, dialect)
                    checked = True
                yield rows
                last = batch.columns[-1][-1].as_py() if batch.num_rows else last
        if last is not None and "\n" in last and dialect.escape is None and _quotes(path, origin, dialect) % 2:
            raise SchemaMismatch(
                f"{origin}: a quote in the last column is never closed; the rows after it, from "
                f"{shown(last, 100)} on, would be taken for text. Close the quote, or send the whole file again."
            )


@contextmanager
def _batches(
    stream: pa.NativeFile,
    names: list[str],
    read: arrow_csv.ReadOptions,
    parse: arrow_csv.ParseOptions,
    convert: arrow_csv.ConvertOptions,
) -> Iterator[pa.RecordBatchReader]:
    """What Arrow reads, or no rows where the file ends with its header: Arrow wants the end of that line."""
    try:
        reader = arrow_csv.open_csv(stream, read, parse, convert)
    except pa.ArrowInvalid as error:
        if "cannot infer number of columns" not in str(error):
            raise
        reader = pa.RecordBatchReader.from_batches(pa.schema([(name, pa.string()) for name in names]), [])
    with reader:
        yield reader


@contextmanager
def _explained(path: Path, origin: str, dialect: Csv) -> Iterator[None]:
    """What Python and Arrow say of a file that they can't read, as our errors."""
    try:
        yield
    except OSError as error:
        raise unreadable(origin, error) from error
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeError) as error:
        place = _undecodable(path, origin, dialect)
        if place is not None:
            raise UndecodableText(
                f"{origin}: not {dialect.encoding.upper()} at {place}. Write the file as UTF-8, or say in the source's "
                "`csv: {encoding: …}` how it is written."
            ) from error
        if "straddling object" in str(error):
            raise SchemaMismatch(
                f"{origin}: holds a row of more than {LONGEST_ROW:,} bytes, or a quote that is never closed. "
                "Shorten the text, or close the quote."
            ) from error
        _check_backslashes(path, origin, dialect)
        cells = " A cell with the delimiter in it must be quoted; the source's `csv` says which delimiter, quote and "
        hint = f"{cells}escape the file has." if "columns, got" in str(error) else ""
        raise SchemaMismatch(f"{origin}: not a CSV file that can be read: {shown(str(error), 300)}.{hint}") from error


def opened(path: Path, origin: str) -> pa.NativeFile:
    """The file's bytes, unpacked as its user's name for it says."""
    name = origin.lower()
    packing = next((packing for suffix, packing in PACKINGS.items() if name.endswith(suffix)), None)
    return pa.input_stream(str(path), compression=packing)


def _python_encoding(dialect: Csv) -> str:
    return "utf-8-sig" if codecs.lookup(dialect.encoding).name == "utf-8" else dialect.encoding


def _first_line(start: str, dialect: Csv, delimiter: str) -> list[str]:
    text = io.StringIO(start, newline="")
    if dialect.quote is None:
        lines = csv.reader(text, delimiter=delimiter, escapechar=dialect.escape, quoting=csv.QUOTE_NONE)
    else:
        lines = csv.reader(text, delimiter=delimiter, escapechar=dialect.escape, quotechar=dialect.quote)
    return next(lines, [])


def _check_delimiter(start: str, names: list[str], origin: str, dialect: Csv, sought: Collection[str]) -> None:
    """Refuse a file whose header another delimiter fits better. Errors: `SchemaMismatch`."""
    found = len(set(sought) & set(names))
    for other in DELIMITERS:
        if other in (dialect.delimiter, dialect.quote, dialect.escape):
            continue
        try:
            fitting = len(set(sought) & set(_first_line(start, dialect, other)))
        except csv.Error:
            continue
        if fitting > found:
            raise SchemaMismatch(
                f"{origin}: the cells are not separated by {dialect.delimiter!r} but by {other!r}, it seems: read so, "
                f"{fitting} of {len(sought)} columns have their names in the first line, else {found}. "
                f"Set `csv: {{delimiter: {other!r}}}` in the source."
            )


def _holds_backslash(rows: pa.Table) -> bool:
    bytes_of_texts = (chunk.buffers()[2] for column in rows.columns for chunk in column.chunks)
    return any(buffer is not None and b"\\" in buffer.to_pybytes() for buffer in bytes_of_texts)


def _check_backslashes(path: Path, origin: str, dialect: Csv) -> None:
    """Refuse a file that writes quotes in cells as backslash and quote, unless its spec says so.

    In CSV as most write it, such a quote ends its cell. Errors: `SchemaMismatch`.
    """
    if dialect.quote is None or dialect.escape is not None:
        return
    quote, delimiter = re.escape(dialect.quote.encode()), re.escape(dialect.delimiter.encode())
    escaped = re.compile(rb"\\" + quote + rb"[^" + quote + delimiter + rb"\r\n]")
    with opened(path, origin) as stream:
        before, line = b"", 1
        while block := stream.read(SCAN_BYTES):
            if found := escaped.search(before + block):
                line += (before + block).count(b"\n", 0, found.start())
                raise SchemaMismatch(
                    f"{origin}: line {line:,} holds a quote behind a backslash, with text after it. If the backslash "
                    "escapes the quote, set `csv: {escape: '\\'}` in the source; if not, double the quote."
                )
            line += (before + block).count(b"\n", 0, len(before + block) - 2)
            before = (before + block)[-2:]


def _quotes(path: Path, origin: str, dialect: Csv) -> int:
    """How many quotes the file has: an even number, unless one is never closed."""
    quote = (dialect.quote or '"').encode()
    with opened(path, origin) as stream:
        count = 0
        while block := stream.read(SCAN_BYTES):
            count += block.count(quote)
        return count


def _undecodable(path: Path, origin: str, dialect: Csv) -> str | None:
    """Where the file stops being in its encoding; None when all of it is."""
    decoder = codecs.getincrementaldecoder(dialect.encoding)()
    before, line = 0, 1
    with opened(path, origin) as stream:
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
