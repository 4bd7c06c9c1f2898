"""Rows between Arrow and PostgreSQL's COPY, as CSV, with every value coming back as it went in."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

import pyarrow as pa
from psycopg2 import extensions
from psycopg2.sql import SQL, Composable, Composed, Identifier
from pyarrow import csv

from perennial.published.layout import ARROW_TYPES


@contextmanager
def as_csv(rows: pa.Table) -> Iterator[IO[bytes]]:
    """The rows as a file to copy in: it is written before the transaction begins, so that the transaction is short."""
    with TemporaryFile() as file:
        csv.write_csv(rows, file, csv.WriteOptions(include_header=False))
        yield file


def copy_in(cursor: extensions.cursor, target: Identifier, names: Sequence[str], file: IO[bytes]) -> None:
    """Append the file's rows to the table `target`, whose columns have these names in this order."""
    file.seek(0)
    columns = SQL(", ").join(map(Identifier, names))
    cursor.copy_expert(SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(target, columns), file)


def copy_out(cursor: extensions.cursor, columns: Mapping[str, str], source: Composable) -> pa.Table:
    """The columns (name to database type) of what `source` selects from: a table, and a condition if need be."""
    cursor.execute("SET LOCAL extra_float_digits = 1")  # as many digits as a float needs to come back exactly
    selected = SQL(", ").join(_readable(name, kind) for name, kind in columns.items())
    types = {name: ARROW_TYPES[kind] for name, kind in columns.items()}
    plain = {name: pa.int64() if pa.types.is_timestamp(kind) else kind for name, kind in types.items()}
    with TemporaryFile() as file:
        cursor.copy_expert(SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv)").format(selected, source), file)
        if file.tell() == 0:
            return pa.schema(list(types.items())).empty_table()
        file.seek(0)
        rows = csv.read_csv(
            file,
            read_options=csv.ReadOptions(column_names=list(columns)),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=plain,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )
    return rows.cast(pa.schema(list(types.items())))


def _readable(name: str, kind: str) -> Composed:
    """Instants are written as microseconds, so that their form depends on no setting of the session."""
    instant = ARROW_TYPES[kind] == pa.timestamp("us", tz="UTC")
    form = "(extract(epoch FROM {}) * 1000000)::bigint" if instant else "{}"
    return SQL(form).format(Identifier(name))
