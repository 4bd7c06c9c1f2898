"""One column as a source delivered it, turned into the canonical Arrow type of its kind: exactly, or not at all.

| kind | canonical type | what is taken |
| --- | --- | --- |
| numeric | float64 | integers that a double holds exactly, floats, decimals; NaN means missing |
| integer | int64 | integers; decimals, and floats below 2**53, that are whole; NaN means missing |
| categorical | string | text, also as bytes in UTF-8; integers and decimals, written in digits; UUIDs |
| boolean | boolean | booleans; integers and floats that are 0 or 1 |
| timestamp | timestamp[us, UTC] | timestamps with a time zone; dates and naive ones where the source has a `timezone` |

A column without any value may have any type. Nothing else is guessed: text is never read as a number or a time, and
a timestamp without a zone is refused, because it names a different instant in every place. What is wrong with the
whole column raises `Unfit`. A single value that can't be taken as it is, such as 1.5 for an integer or a time finer
than a microsecond, is unread (see `perennial.quality.unread`).
"""

from collections.abc import Callable
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from perennial.quality.texts import EXACT, NO_TIME, Canonical, Spelling, localised, on_calendar, read_text
from perennial.quality.unread import because, either
from perennial.spec.columns import Column, Kind

ARROW_TYPES: dict[Kind, pa.DataType] = {
    Kind.NUMERIC: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.CATEGORICAL: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIMESTAMP: pa.timestamp("us", "UTC"),
}


class Unfit(Exception):  # noqa: N818 - never leaves this package: `conform` gathers the texts into one SchemaMismatch
    """The values are not of the kind; the message completes the sentence "column x ..."."""


class Undecodable(Unfit):
    """The values are text that can't be stored."""


class Nul(Undecodable):
    """`count` of so many values hold the character NUL."""

    def __init__(self, count: int, values: int) -> None:
        super().__init__(count, values)
        self.count, self.values = count, values

    def __str__(self) -> str:
        """See `Unfit`."""
        return (
            f"holds the character NUL in {self.count} of {self.values} values, which PostgreSQL can't store; "
            "remove it at the source"
        )


def canonical_column(column: Column, values: pa.ChunkedArray, timezone: str | None = None) -> Canonical:
    """The same values in the canonical type of the column's kind; naive times are read in `timezone`.

    Errors: `Unfit`, `Undecodable`.
    """
    values = _plain(values)
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if values.null_count == len(values):
        return Canonical(pa.chunked_array([pa.nulls(len(values), ARROW_TYPES[column.kind])]))
    if pa.types.is_decimal(values.type) and column.kind is not Kind.TIMESTAMP:
        return read_text(column, _digits(values), Spelling())
    return _CONVERSIONS[column.kind](values, timezone)


def plain_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Views, which most of Arrow can't compute with yet, as ordinary text or bytes; anything else as it is."""
    if pa.types.is_string_view(values.type):
        return values.cast(pa.string())
    return values.cast(pa.binary()) if pa.types.is_binary_view(values.type) else values


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values in Arrow's basic types: no dictionaries, run-end encodings, views, extension types or half floats."""
    if isinstance(values.type, pa.UuidType):
        texts = [None if value is None else str(UUID(bytes=value)) for value in _storage(values).to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if isinstance(values.type, pa.BaseExtensionType):
        values = values.cast(pa.bool_()) if isinstance(values.type, pa.Bool8Type) else _storage(values)
    if pa.types.is_run_end_encoded(values.type):
        values = pa.chunked_array([pc.run_end_decode(chunk) for chunk in values.chunks], values.type.value_type)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return values.cast(pa.float32()) if pa.types.is_float16(values.type) else plain_text(values)


def _storage(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk.storage for chunk in values.chunks], values.type.storage_type)


def _digits(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decimals as people write them, with all digits of their scale and without an exponent."""
    text = values.cast(pa.string())
    if not pc.any(pc.match_substring(text, "E")).as_py():
        return text
    texts = [None if value is None else f"{value:f}" for value in values.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _numeric(values: pa.ChunkedArray, _: str | None) -> Canonical:
    if not _is_number(values.type):
        raise _wrong_type(Kind.NUMERIC, values.type, "cast it to a number at the source, or declare another kind")
    try:
        return Canonical(values.cast(pa.float64()))
    except pa.ArrowInvalid as error:
        raise Unfit(
            "is declared numeric and holds integers that a 64-bit float can't hold exactly; declare it integer"
        ) from error


def _integer(values: pa.ChunkedArray, _: str | None) -> Canonical:
    if not _is_number(values.type):
        raise _wrong_type(Kind.INTEGER, values.type, "cast it to an integer at the source, or declare another kind")
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float64())
        broken = pc.not_equal(values, pc.trunc(values))
        broken = pc.or_(broken, pc.is_inf(values))
        vague = pc.and_(pc.greater_equal(pc.abs(values), EXACT), pc.is_finite(values))
        unread = either(
            because(values, broken, "is not a whole number"),
            because(values, vague, "is a float of 2**53 or more, which may have lost its last digits"),
        )
        wrong = pc.or_(broken, vague)
        return Canonical(pc.if_else(wrong, pa.scalar(None, values.type), values).cast(pa.int64()), unread)
    if pa.types.is_uint64(values.type):
        large = pc.greater(values, pa.scalar(2**63 - 1, pa.uint64()))
        unread = because(values, large, "needs more than 64 bits; declare the column categorical to keep it")
        return Canonical(pc.if_else(large, pa.scalar(None, values.type), values).cast(pa.int64()), unread)
    return Canonical(values.cast(pa.int64()))


def _categorical(values: pa.ChunkedArray, _: str | None) -> Canonical:
    if pa.types.is_integer(values.type):
        return Canonical(values.cast(pa.string()))
    if not _is_text(values.type):
        raise _wrong_type(Kind.CATEGORICAL, values.type, "cast it to text at the source, or declare another kind")
    try:
        text = values.cast(pa.string())
        text.validate(full=True)
    except pa.ArrowInvalid as error:
        raise Undecodable("holds text that is not UTF-8; convert it at the source") from error
    unstorable = pc.sum(pc.match_substring(text, "\x00")).as_py()
    if unstorable:
        raise Nul(unstorable, len(text))
    return Canonical(text)


def _boolean(values: pa.ChunkedArray, _: str | None) -> Canonical:
    if pa.types.is_boolean(values.type):
        return Canonical(values)
    if not _is_number(values.type):
        raise _wrong_type(Kind.BOOLEAN, values.type, "cast it to a boolean at the source, or declare another kind")
    one, zero = (pc.equal(values, pa.scalar(number, values.type)) for number in (1, 0))
    neither = pc.invert(pc.or_(one, zero))
    unread = because(values, neither, "is neither true nor false; only 0 and 1 can be read as such")
    return Canonical(pc.if_else(neither, pa.scalar(None, pa.bool_()), one), unread)


def _timestamp(values: pa.ChunkedArray, timezone: str | None) -> Canonical:
    kind = values.type
    naive = pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None)
    if naive and timezone is None:
        raise Unfit(
            f"is declared timestamp and holds {kind}, which has no time zone, so it names no instant; say in the spec "
            "which one the source means, such as `timezone: Europe/Berlin`, or give the times one at the source"
        )
    if not naive and not pa.types.is_timestamp(kind):
        raise _wrong_type(Kind.TIMESTAMP, kind, "cast it to a timestamp with time zone at the source")
    unread = None
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        fine = pc.not_equal(
            pc.subtract(values, pc.floor_temporal(values, unit="microsecond")), pa.scalar(0, pa.duration("ns"))
        )
        unread = because(values, fine, "is finer than a microsecond; round it at the source")
        values = pc.if_else(fine, pa.scalar(None, kind), values)
    try:
        values = values.cast(pa.timestamp("us", None if naive else "UTC"))
    except pa.ArrowInvalid as error:
        raise Unfit("is declared timestamp and holds times too far away for microseconds in 64 bits") from error
    if naive and timezone is not None:
        local = localised(values, timezone)
        values, unread = local.values, either(unread, local.unread)
    kept, elsewhere = on_calendar(values)
    far = because(values.cast(pa.int64()), elsewhere, f"microseconds since 1970: {NO_TIME}")
    return Canonical(kept, either(unread, far))


_CONVERSIONS: dict[Kind, Callable[[pa.ChunkedArray, str | None], Canonical]] = {
    Kind.NUMERIC: _numeric,
    Kind.INTEGER: _integer,
    Kind.CATEGORICAL: _categorical,
    Kind.BOOLEAN: _boolean,
    Kind.TIMESTAMP: _timestamp,
}


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_text(kind: pa.DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(check(kind) for check in checks)


def _wrong_type(kind: Kind, found: pa.DataType, advice: str) -> Unfit:
    return Unfit(f"is declared {kind} and holds {found}; {advice}")
