"""The corpus: hostile and broken inputs, each with the one outcome that it must have.

An input is refused with a typed error whose text names what is wrong, or its bad rows are set aside by the rule named,
or it is scored as the harmless text or number it is. What is stored afterwards is checked in `test_hostile_inputs`.
"""

import gzip
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
from tests.contract.hostile_rows import (
    HEADER,
    ROWS,
    Deliver,
    cell,
    column,
    content,
    flipped,
    good_csv,
    good_lines,
    good_table,
    header,
    only,
    packed,
    parquet,
    parquet_bytes,
    parquet_content,
    renamed,
    text,
    value,
    zipped,
)

from perennial.errors import (
    EmptyWindow,
    InvalidQuery,
    PerennialError,
    SchemaMismatch,
    TooMuchData,
    UndecodableText,
)

MAX_ROWS = 1_000
MAX_BYTES = 30_000_000
MEGABYTE = 1_000_000
NANOSECONDS = pa.timestamp("ns", "UTC")
INCOMPRESSIBLE = "".join(chr(0x4E00 + i * 7919 % 20_000) for i in range(5_000))


@dataclass(frozen=True)
class Refused:
    """Ingest raises exactly this class, and the message holds every text in `says`."""

    error: type[PerennialError]
    says: tuple[str, ...]


@dataclass(frozen=True)
class SetAside:
    """So many rows go to quarantine under the rule; the others are scored."""

    rule: str
    rows: int


@dataclass(frozen=True)
class Failed:
    """Validation fails with a reason that holds the text; nothing is scored."""

    reason: str
    rows_quarantined: int


@dataclass(frozen=True)
class Unharmed:
    """All rows are scored, and the column holds these values exactly as they were delivered."""

    column: str
    values: tuple[object, ...]


Outcome = Refused | SetAside | Failed | Unharmed


@dataclass(frozen=True)
class FileInput:
    """What is delivered as the files of a day."""

    name: str
    deliver: Deliver
    outcome: Outcome


@dataclass(frozen=True)
class QueryInput:
    """What the query answers in which the expression of one column is replaced; or, without a column, the query."""

    name: str
    column: str | None
    sql: str
    outcome: Outcome


def _refused(name: str, deliver: Deliver, error: type[PerennialError], *says: str) -> FileInput:
    return FileInput(name, deliver, Refused(error, says))


def _unharmed(name: str, of: str, *texts: str) -> FileInput:
    return FileInput(name, text(of, *texts), Unharmed(of, texts))


def _bad(name: str, deliver: Deliver, column: str) -> FileInput:
    rules = f"readable({column}); required({column})" if column == "sent_at" else f"readable({column})"
    return FileInput(name, deliver, SetAside(rules, 1))


def _bomb(table: pa.Table) -> pa.Table:
    long = pa.DictionaryArray.from_arrays(pa.array([0] * table.num_rows, pa.int32()), pa.array(["x" * MEGABYTE]))
    return table.set_column(table.column_names.index("note"), "note", long)


ENCODINGS = [
    _refused("Latin-1", cell("note", b"\xfcber"), UndecodableText, ".csv", "line 5"),
    _refused("UTF-16", content(lambda c: c.decode().encode("utf-16")), UndecodableText, ".csv", "byte 1"),
    _refused("UTF-16 without a mark", content(lambda c: c.decode().encode("utf-16-le")), SchemaMismatch, ".csv"),
    _refused("a lone surrogate", cell("parcel", b"\xed\xa0\x80"), UndecodableText, ".csv", "line 5"),
    _refused("an overlong slash", cell("parcel", b"..\xc0\xaf"), UndecodableText, ".csv", "line 5"),
    _refused("half a letter at the end", content(lambda c: c + b"x\xc3"), UndecodableText, ".csv", "line 42"),
    _refused("NUL in a note", text("note", "a\0b"), UndecodableText, "column note", "NUL in 1 of 40"),
    _refused("NUL in a key", text("parcel", "a\0b"), UndecodableText, "column parcel", "NUL"),
    _refused("NUL in a column's name", renamed("note", "no\0te"), SchemaMismatch, r"no\x00te"),
    _refused("only NULs", only(b"\0" * 4096), SchemaMismatch, ".csv"),
    _refused("two byte order marks", content(lambda c: b"\xef\xbb\xbf" * 2 + c), SchemaMismatch, r"\ufeffparcel"),
    _refused("a file's name that is no UTF-8", only(b"x", suffix=b"\xff.csv"), UndecodableText, r"\udcff"),
    _refused("surrogates in Parquet", column("note", pa.array([b"\xed\xa0\x80"] * ROWS)), UndecodableText, "note"),
    _refused("NUL in Parquet", value("service", "a\0b"), UndecodableText, "column service", "NUL"),
]

SHAPES = [
    _refused("an empty file", only(b""), EmptyWindow, ".csv", "is empty"),
    _refused("a header alone", only(HEADER + b"\n"), EmptyWindow, "no rows"),
    _refused("a page of HTML", only(b"<!doctype html>\n<html><b>502 Bad Gateway</b>\n"), SchemaMismatch, ".csv"),
    _refused("JSON lines", only(b'{"parcel": "a", "weight": 1}\n' * 2), SchemaMismatch, ".csv"),
    _refused("a zip archive", only(zipped("data.csv")), SchemaMismatch, ".csv", "is a zip archive", "Unpack it"),
    _refused("a workbook", only(zipped("docProps/app.xml")), SchemaMismatch, ".csv", "is an Excel workbook"),
    _refused("Parquet called CSV", lambda day: {".csv": parquet_bytes(good_table(day))}, SchemaMismatch, ".csv",
             "is a Parquet file", "format: parquet"),
    _refused("gzip called CSV", content(gzip.compress), SchemaMismatch, ".csv", "packed with gzip", "end in .gz"),
    _refused("semicolons", content(lambda c: c.replace(b",", b";")), SchemaMismatch, ".csv", "delimiter: ';'"),
    _refused("a cell too many", cell("note", b"a,b"), SchemaMismatch, ".csv", "Expected 7 columns, got 8"),
    _refused("a cell too few", content(lambda c: c + b"a,b\n"), SchemaMismatch, ".csv", "Expected 7 columns, got 2"),
    _refused("a quote never closed", cell("note", b'"a'), SchemaMismatch, ".csv"),
    _refused("a header of 2 MB", only(b"a" * 2 * MEGABYTE, b"\n1\n"), SchemaMismatch, ".csv", "column names"),
    FileInput("5,000 columns", header(b",".join([HEADER, *(b"c%d" % i for i in range(4993))]), cells=b",1" * 4993),
              Unharmed("weight", (8.375,))),
    FileInput("5,000 columns in Parquet",
              parquet(lambda t: pa.table({**dict(zip(t.column_names, t.columns, strict=True)),
                                          **{f"c{i}": t["note"] for i in range(4993)}})),
              Unharmed("weight", (8.375,))),
    _refused("a column twice", header(HEADER.replace(b"note", b"weight")), SchemaMismatch, ".csv", "column weight"),
    _refused("a column twice in Parquet", parquet(lambda t: t.rename_columns([*t.column_names[:-1], "weight"])),
             SchemaMismatch, ".parquet", "column weight"),
    FileInput("a column twice but for case", parquet(lambda t: t.append_column("Weight", t["pieces"])),
              Unharmed("weight", (8.375,))),
    _refused("a column in another case", renamed("weight", "Weight"), SchemaMismatch, "undeclared Weight"),
    _refused("a column missing", parquet(lambda t: t.drop_columns(["weight"])), SchemaMismatch, "weight is missing"),
    _refused("no columns", parquet(lambda t: t.select([])), SchemaMismatch, "sent_at", "no columns"),
    FileInput("the index that pandas writes", parquet(lambda t: t.append_column("__index_level_0__", t["pieces"])),
              Unharmed("weight", (8.375,))),
    _refused("a name that looks the same", renamed("weight", "w\u0435ight"), SchemaMismatch, r"w\u0435ight"),
    _refused("a name with a zero-width space", renamed("weight", "wei\u200bght"), SchemaMismatch, r"wei\u200bght"),
    _refused("a name written backwards", renamed("weight", "\u202ethgiew"), SchemaMismatch, r"\u202ethgiew"),
    _refused("a name that is SQL", renamed("note", "note'); DROP TABLE ledger.batches; --"), SchemaMismatch, "DROP"),
    _refused("a name that is a path", renamed("note", "../../etc/passwd"), SchemaMismatch, "../../etc/passwd"),
    _refused("a name that is a terminal's command", renamed("note", "\x1b[2J"), SchemaMismatch, r"\x1b[2J"),
    _refused("a name that is empty", renamed("note", ""), SchemaMismatch, "missing: ''"),
    _refused("a name of 100,000 letters", renamed("note", "n" * 100_000), SchemaMismatch, "nnn…"),
    _refused("two files that differ", lambda day: {**good_csv(day), "-b.csv": b"a,b\n1,2\n"}, SchemaMismatch, "-b.csv"),
]  # fmt: skip

KINDS = [
    _bad("a word for a number", cell("weight", b"heavy"), "weight"),
    _bad("a hexadecimal number", cell("weight", b"0x10"), "weight"),
    _bad("a comma in a number", cell("weight", b'"1,5"'), "weight"),
    _bad("Arabic digits", text("weight", "\u0661\u0662"), "weight"),
    _bad("SQL for a number", cell("weight", b"1; DROP TABLE x"), "weight"),
    _bad("an integer of 65 bits", cell("pieces", b"9223372036854775808"), "pieces"),
    _bad("an integer beyond doubles", cell("pieces", b"1e16"), "pieces"),
    _bad("a fraction for an integer", cell("pieces", b"1.5"), "pieces"),
    _bad("infinity for an integer", cell("pieces", b"inf"), "pieces"),
    _bad("a full-width true", text("fragile", "\uff54\uff52\uff55\uff45"), "fragile"),
    _bad("a time without a zone", cell("sent_at", b"2024-01-01T00:00:00"), "sent_at"),
    _bad("30 February", cell("sent_at", b"2024-02-30T00:00:00Z"), "sent_at"),
    _bad("the year 10000", cell("sent_at", b"10000-01-01T00:00:00Z"), "sent_at"),
    _bad("seconds since 1970", cell("sent_at", b"1704067200"), "sent_at"),
    _refused("structs", column("note", pa.array([{"a": 1}] * ROWS)), SchemaMismatch, "note", "struct"),
    _refused("lists of lists", column("note", pa.array([[["a"]]] * ROWS)), SchemaMismatch, "note", "list"),
    _refused("durations", column("weight", pa.array([1] * ROWS, pa.duration("s"))), SchemaMismatch, "weight"),
    _refused("text for numbers", column("weight", pa.array(["1"] * ROWS)), SchemaMismatch, "weight", "string"),
    _refused("naive times", parquet(lambda t: t.set_column(1, "sent_at", t["sent_at"].cast(pa.timestamp("us")))),
             SchemaMismatch, "sent_at", "time zone"),
    _refused("unsigned 64 bits", column("pieces", pa.array([2**64 - 1] * ROWS, pa.uint64())), SchemaMismatch, "pieces"),
    _refused("decimals of 60 digits", column("pieces", pa.array([Decimal(10**60)] * ROWS)), SchemaMismatch, "pieces"),
]  # fmt: skip

SIZES = [
    _refused("a cell of 10 MB", text("note", "x" * 10 * MEGABYTE), SchemaMismatch, ".csv", "1,048,576 bytes"),
    _refused("too many rows", lambda day: {".csv": good_csv(day)[".csv"] + b"\n".join(
             b",".join([b"x%d" % i, *good_lines(day)[0][1:]]) for i in range(MAX_ROWS))},
             TooMuchData, "limits.max_rows"),
    _refused("a bomb of rows", lambda day: {".csv.gz": gzip.compress(HEADER + b"\n" + (
             b",".join([*good_lines(day)[0][:-1], b"x" * 900_000]) + b"\n") * 100, 6)},
             TooMuchData, "limits.max_bytes"),
    _refused("a bomb of one row", lambda day: {".csv.gz": gzip.compress(HEADER + b"\n" + b"x" * 50 * MEGABYTE, 6)},
             SchemaMismatch, ".csv.gz", "1,048,576 bytes"),
    _refused("a bomb for a header", lambda day: {".csv.gz": gzip.compress(b"x" * 50 * MEGABYTE, 6)},
             SchemaMismatch, ".csv.gz", "column names"),
    _refused("a bomb of one text in all rows", parquet(_bomb), TooMuchData, "limits.max_bytes"),
    _refused("the same, hidden", parquet(_bomb, store_schema=False), TooMuchData, "limits.max_bytes"),
    FileInput("a note of 10 MB", value("note", "x" * 10 * MEGABYTE), Unharmed("note", ("x" * 10 * MEGABYTE,))),
    FileInput("a category of 10 MB", value("service", "y" * 10 * MEGABYTE),
              Unharmed("service", ("y" * 10 * MEGABYTE,))),
    FileInput("a key of 10 MB", value("parcel", "k" * 10 * MEGABYTE), SetAside("short_key(parcel)", 1)),
    FileInput("a key that does not compress", text("parcel", INCOMPRESSIBLE),
              SetAside("short_key(parcel)", 1)),
    FileInput("the longest key", text("parcel", "\U0001f4e6" * 250), Unharmed("parcel", ("\U0001f4e6" * 250,))),
]  # fmt: skip

DAMAGE = [
    _refused("a packed file cut off", packed(lambda c: c[:-20]), SchemaMismatch, ".csv.gz", "damaged"),
    _refused("a packed file with a flipped byte", packed(lambda c: flipped(c, -6)), SchemaMismatch, ".csv.gz",
             "damaged"),
    _refused("not packed at all", content(lambda c: c, ".csv.gz"), SchemaMismatch, ".csv.gz", "damaged"),
    _refused("broken rows, then cut off", content(lambda c: gzip.compress(c + b"a\n" + bytes(range(128)) * 9_000)[:-30],
             ".csv.gz"), SchemaMismatch, ".csv.gz"),
    _refused("Parquet cut off", parquet_content(lambda c: c[:-10]), SchemaMismatch, ".parquet"),
    _refused("Parquet's footer flipped", parquet_content(lambda c: flipped(c, -8)), SchemaMismatch, ".parquet"),
    _refused("a page header flipped", parquet_content(lambda c: flipped(c, 4)), SchemaMismatch, ".parquet", "damaged"),
    _refused("a value flipped", parquet_content(lambda c: flipped(c, 60), compression="none", write_page_checksum=True),
             SchemaMismatch, ".parquet", "CRC"),
    _refused("magic without a file", only(b"PAR1\xff\xff\xff\x7fPAR1", suffix=".parquet"), SchemaMismatch, ".parquet"),
    _refused("CSV called Parquet", content(lambda c: c, ".parquet"), SchemaMismatch, ".parquet"),
]  # fmt: skip

NUMBERS = [
    FileInput("infinity", cell("weight", b"inf", b"Infinity"), SetAside("finite(weight)", 2)),
    FileInput("1e999", cell("weight", b"1e999"), SetAside("readable(weight)", 1)),
    FileInput("below every bound", cell("weight", b"-1e300"),
              SetAside("expect_column_values_to_be_between(weight)", 1)),
    FileInput("no event time", cell("sent_at", b"", b"null"), SetAside("required(sent_at)", 2)),
    FileInput("rows of another year", cell("sent_at", b"2030-01-01T00:00:00Z"), SetAside("in_window(sent_at)", 1)),
    FileInput("a word among numbers", cell("pieces", b"many", b"few"), SetAside("readable(pieces)", 2)),
    FileInput("NaN", cell("weight", b"NaN", b"nan"), Unharmed("weight", (None, None))),
    FileInput("the smallest double", cell("weight", b"5e-324"), Unharmed("weight", (5e-324,))),
    FileInput("the largest double", cell("weight", b"1.7976931348623157e308"),
              Unharmed("weight", (1.7976931348623157e308,))),
    FileInput("an integer that no double holds", cell("pieces", b"9007199254740993", b"5.0"),
              Unharmed("pieces", (9007199254740993, 5))),
    FileInput("the lowest integer", cell("pieces", b"-9223372036854775808"), Unharmed("pieces", (-(2**63),))),
    FileInput("no key", cell("parcel", b""), SetAside("required(parcel)", 1)),
    FileInput("a key three times", cell("parcel", b"a", b"a", b"a"), SetAside("unique_key(parcel)", 3)),
    FileInput("too much infinity", cell("weight", *[b"inf"] * 5), Failed("finite(weight) caught 5", 5)),
    FileInput("nanoseconds", parquet(lambda t: t.set_column(1, "sent_at", t["sent_at"].cast(NANOSECONDS))),
              Unharmed("weight", (8.375,))),
    FileInput("a column without a type", column("service", pa.nulls(ROWS)), Unharmed("service", (None,) * ROWS)),
]  # fmt: skip

TEXTS = [
    _unharmed("SQL in a key", "parcel", "'; DROP TABLE perennial.predictions_csv_parcels; --", "1' OR '1'='1"),
    _unharmed("SQL in a category", "service", "road'); DELETE FROM ledger.batches; --"),
    _unharmed("paths in keys", "parcel", "../../etc/passwd", "..\\..\\boot.ini", "/dev/null", "C:\\", "file:///etc"),
    _unharmed("HTML in a key", "parcel", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'),
    _unharmed("HTML in values", "note", "<script>alert(2)</script>", "<!--", "&lt;b&gt;", "javascript:alert(3)"),
    _unharmed("keys that run backwards", "parcel", "\u202egnp.exe", "a\u2066b"),
    _unharmed("keys that look empty", "parcel", "", " ", "\u00a0", "\u200b", "\ufeff", "\u3164"),
    _unharmed("keys that look the same", "parcel", "parcel", "p\u0430rcel", "par\u200bcel", "parcel ", "Parcel"),
    _unharmed("one letter in two forms", "parcel", "caf\u00e9", "cafe\u0301", "\u212b", "\u00c5"),
    _unharmed("emoji in keys", "parcel", "\U0001f4e6\ufe0f", "\U0001f468\u200d\U0001f469", "\U0001f1e9\U0001f1ea"),
    _unharmed("characters that are none", "parcel", "\ufffe", "\uffff", "\U0010ffff", "\ufffd", "\ue000"),
    _unharmed("line ends in keys", "parcel", "a\nb", "a\r\nb", "a\rb", "a\u2028b", "a\x85b", "\n"),
    _unharmed("what COPY obeys", "parcel", "\\.", "\\N", "\\", '"', '""', "'", ",", "\t"),
    _unharmed("words for nothing", "parcel", "NULL", "null", "NaN", "None", "N/A", "nan", "undefined", "true", "0"),
    _unharmed("templates", "parcel", "{{ 7 * 7 }}", "{% raw %}", "${jndi:ldap://x/a}", "%s %(a)s", "{0}", "$(id)"),
    _unharmed("formulas", "note", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)"),
    _unharmed("what terminals obey", "parcel", "\x1b[2J\x1b[31m", "a\bb", "\x07", "\x7f", "[/red]", "[bold]"),
    _unharmed("a category never seen", "service", "\U0001f680", "(other)", "(missing)", "(prediction)"),
    _unharmed("900 kB of text", "note", "\u00e9" * 450_000),
    _unharmed("many combining marks", "parcel", "Z" + "\u0351" * 400),
]  # fmt: skip

FILES = [*ENCODINGS, *SHAPES, *KINDS, *SIZES, *DAMAGE, *NUMBERS, *TEXTS]

QUERIES = [
    QueryInput("NaN of both kinds", "weight",
               "CASE i WHEN 1 THEN 'NaN'::numeric WHEN 2 THEN 'NaN'::float8 ELSE i END",
               Unharmed("weight", (None, None))),
    QueryInput("infinity", "weight", "CASE WHEN i < 3 THEN 'Infinity'::float8 ELSE i END",
               SetAside("finite(weight)", 2)),
    QueryInput("a number of 400 digits", "weight", "CASE WHEN i = 1 THEN 1e400::numeric ELSE i END",
               SetAside("readable(weight)", 1)),
    QueryInput("a note of 10 MB", "note", "CASE WHEN i = 1 THEN repeat('x', 10000000) END",
               Unharmed("note", ("x" * 10 * MEGABYTE,))),
    QueryInput("notes beyond the limit", "note", "repeat('x', 1000000)", Refused(TooMuchData, ("limits.max_bytes",))),
    QueryInput("SQL in values", "parcel", "i || '''; DROP TABLE keepsake; --'",
               Unharmed("parcel", tuple(f"{i}'; DROP TABLE keepsake; --" for i in range(1, 41)))),
    QueryInput("an event before Christ", "sent_at", "CASE WHEN i = 1 THEN '0044-03-15 BC' ELSE :start END",
               SetAside("readable(sent_at); required(sent_at)", 1)),
    QueryInput("an event in the year 12345", "sent_at", "CASE WHEN i = 1 THEN '12345-01-01' ELSE :start END",
               SetAside("readable(sent_at); required(sent_at)", 1)),
    QueryInput("an event that never ends", "sent_at", "CASE WHEN i = 1 THEN 'infinity' ELSE :start END",
               SetAside("readable(sent_at); required(sent_at)", 1)),
    QueryInput("events of another day", "sent_at", ":end + i * interval '1 minute'",
               Refused(SchemaMismatch, ("40 of 40 rows", "outside the window"))),
    QueryInput("a name that is SQL", "note", "'x' AS \"x'); DROP TABLE keepsake; --\", NULL::text",
               Unharmed("weight", (8.125,))),
    QueryInput("a column twice", "note", "1.0 AS weight, NULL::text",
               Refused(SchemaMismatch, ("weight is delivered 2",))),
    QueryInput("arrays", "note", "ARRAY['a']", Refused(InvalidQuery, ("source.sql", "column note"))),
    QueryInput("bytes", "note", "'\\x00ff'::bytea", Refused(InvalidQuery, ("column note", "Cast it"))),
    QueryInput("a division by zero", "weight", "1 / (i - i)",
               Refused(InvalidQuery, ("source.sql", "division by zero"))),
    QueryInput("no columns", None, "SELECT FROM generate_series(1, 9)", Refused(EmptyWindow, ("no rows",))),
    QueryInput("no query", None, "-- nothing", Refused(InvalidQuery, ("source.sql",))),
    QueryInput("NUL in the query", None, "SELECT 1 AS a\n, '\0'", Refused(InvalidQuery, ("source.sql, line 2", "NUL"))),
    QueryInput("a second statement", None, "SELECT 1; DROP TABLE keepsake", Refused(InvalidQuery, ("read-only",))),
    QueryInput("the end of the transaction", None, "SELECT 1; COMMIT; DROP TABLE keepsake",
               Refused(InvalidQuery, ("read-only",))),
    QueryInput("a deletion that returns", None, "WITH x AS (DELETE FROM keepsake RETURNING *) SELECT * FROM x",
               Refused(InvalidQuery, ("source.sql",))),
    QueryInput("a program", None, "COPY keepsake TO PROGRAM 'id'", Refused(InvalidQuery, ("syntax error",))),
]  # fmt: skip
