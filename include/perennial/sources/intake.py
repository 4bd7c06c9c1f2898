"""Gathering a window's rows batch by batch, and stopping where the spec's limits are passed."""

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch, TooMuchData
from perennial.spec.models import Limits


class Intake:
    """The rows so far of one fetch. `origin` names the source in messages."""

    def __init__(self, limits: Limits, origin: str) -> None:
        self._limits = limits
        self._origin = origin
        self._parts: list[pa.Table] = []
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

    def keep(self, part: pa.Table) -> None:
        """Keep a batch that was admitted."""
        self._parts.append(part)

    def table(self) -> pa.Table:
        """Everything that was kept. Errors: `SchemaMismatch` when the batches' types don't fit together."""
        if all(part.schema.equals(self._parts[0].schema) for part in self._parts):
            return pa.concat_tables(self._parts)
        try:
            return pa.concat_tables(self._parts, promote_options="permissive")
        except pa.ArrowException as error:
            raise SchemaMismatch(
                f"{self._origin}: a column is of one type in one file and of another in the next ({error}). "
                "Write all files of a window with the same types."
            ) from error

    def _check(self, key: str, found: int, allowed: int, unit: str) -> None:
        if found > allowed:
            raise TooMuchData(
                f"{self._origin}: the window has more than `limits.{key}` = {allowed:,} {unit}; reading stopped at "
                f"{found:,}, and nothing was stored. Check that the source is cut to the window, or raise limits.{key}."
            )


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
