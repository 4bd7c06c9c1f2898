"""Gathering a window's rows batch by batch, and stopping where the spec's limits are passed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch, TooMuchData
from perennial.sources.port import Extract
from perennial.spec.models import Limits

PART_ROWS = 100_000
PART_BYTES = 1 << 25


class Intake:
    """What one fetch has counted so far. `origin` names the source in messages."""

    def __init__(self, limits: Limits, origin: str) -> None:
        self._limits = limits
        self._origin = origin
        self._rows = 0
        self._bytes = 0

    def admit(self, part: pa.Table) -> pa.Table:
        """The batch, counted, and then its dictionaries decoded.

        Errors: `TooMuchData` as soon as the batches so far pass a limit.
        """
        self._rows += part.num_rows
        self._bytes += sum(map(_decoded_bytes, part.columns))
        self._check("max_rows", self._rows, self._limits.max_rows, "rows")
        self._check("max_bytes", self._bytes, self._limits.max_bytes, "bytes")
        return pa.Table.from_arrays([_decoded(column) for column in part.columns], part.column_names)

    def parts(self, batches: Iterable[pa.Table], told: Callable[[], Extract]) -> Iterator[Extract]:
        """The batches in parts, as `Source.parts`. `told` is asked when there are no more, and what it gives, without
        rows, is said with the last part.

        Errors: those of the batches; `SchemaMismatch` when the types of any two of them don't fit together.
        """
        held: list[pa.Table] = []
        schemas: list[pa.Table] = []  # without rows, each once
        rows = size = 0
        for batch in batches:
            if rows >= PART_ROWS or size >= PART_BYTES:
                yield Extract(together(held, self._origin), "")
                held, rows, size = [], 0, 0
            held.append(batch)
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if not any(batch.schema.equals(each.schema) for each in schemas):
                schemas.append(batch.schema.empty_table())
        together(schemas, self._origin)
        yield replace(told(), rows=together(held, self._origin))

    def _check(self, key: str, found: int, allowed: int, unit: str) -> None:
        if found > allowed:
            raise TooMuchData(
                f"{self._origin}: the window has more than `limits.{key}` = {allowed:,} {unit}; reading stopped at "
                f"{found:,}, and nothing was stored. Check that the source is cut to the window, or raise limits.{key}."
            )


def together(tables: Sequence[pa.Table], origin: str) -> pa.Table:
    """The rows of all tables. Errors: `SchemaMismatch` when their types don't fit together."""
    if all(table.schema.equals(tables[0].schema) for table in tables):
        return pa.concat_tables(tables)
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise SchemaMismatch(
            f"{origin}: a column is of one type in one file and of another in the next ({error}). "
            "Write all files of a window with the same types."
        ) from error


def whole(parts: Iterable[Extract], origin: str) -> Extract:
    """The answer that was given in parts, as one."""
    every = list(parts)
    return replace(every[-1], rows=together([part.rows for part in every], origin))


def _decoded(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _decoded_bytes(values: pa.ChunkedArray) -> int:
    """How large the column is without dictionaries: a small file can name one long text in every row."""
    if not pa.types.is_dictionary(values.type):
        return int(values.nbytes)
    if not _is_text(values.type.value_type):
        return len(values) * 8
    lengths = (pc.sum(pc.binary_length(chunk.dictionary).take(chunk.indices)).as_py() for chunk in values.chunks)
    return len(values) * 4 + sum(length or 0 for length in lengths)


def _is_text(kind: pa.DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(check(kind) for check in checks)
