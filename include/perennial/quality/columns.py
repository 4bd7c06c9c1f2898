"""One column as a source delivered it, turned into the canonical Arrow type of its kind.

| kind | canonical type | what is taken |
| --- | --- | --- |
| numeric | float64 | integers that a double holds exactly, floats, decimals; NaN means missing |
| integer | int64 | integers; floats and decimals that are whole; NaN means missing |
| categorical | string | text, also as bytes in UTF-8 or dictionary-encoded; integers, written in digits |
| boolean | boolean | booleans; integers that are 0 or 1 |
| timestamp | timestamp[us, UTC] | timestamps with a time zone; what is finer than a microsecond is cut off |

A column without any value may have any type. Nothing else is guessed: text is never read as a number or a time, and
a timestamp without a zone is refused, because it names a different instant in every place.
"""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from perennial.spec.models import Kind

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


def canonical_column(kind: Kind, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values in the canonical type of `kind`. Errors: `Unfit`, `Undecodable`."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if values.null_count == len(values):
        return pa.chunked_array([pa.nulls(len(values), ARROW_TYPES[kind])])
    return _CONVERSIONS[kind](values)


def _numeric(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if not _is_number(values.type):
        raise _wrong_type(Kind.NUMERIC, values.type, "cast it to a number at the source, or declare another kind")
    try:
        return values.cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise Unfit(
            "is declared numeric and holds integers that a 64-bit float can't hold exactly; declare it integer"
        ) from error


def _integer(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if not _is_number(values.type):
        raise _wrong_type(Kind.INTEGER, values.type, "cast it to an integer at the source, or declare another kind")
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise Unfit(
            f"is declared integer and holds {values.type} values that are not whole or need more than 64 bits; "
            "round them at the source, or declare it numeric"
        ) from error


def _categorical(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_integer(values.type):
        return values.cast(pa.string())
    if not _is_text(values.type):
        raise _wrong_type(Kind.CATEGORICAL, values.type, "cast it to text at the source, or declare another kind")
    try:
        text = values.cast(pa.string())
        text.validate(full=True)
    except pa.ArrowInvalid as error:
        raise Undecodable("holds text that is not UTF-8; convert it at the source") from error
    unstorable = pc.sum(pc.match_substring(text, "\x00")).as_py()
    if unstorable:
        raise Undecodable(
            f"holds the character NUL in {unstorable} of {len(text)} values, which PostgreSQL can't store; "
            "remove it at the source"
        )
    return text


def _boolean(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_boolean(values.type):
        return values
    if pa.types.is_integer(values.type):
        low, high = pc.min_max(values).values()
        if low.as_py() >= 0 and high.as_py() <= 1:
            return values.cast(pa.bool_())
        raise Unfit(
            f"is declared boolean and holds integers from {low} to {high}; only 0 and 1 can be read as no and yes"
        )
    raise _wrong_type(Kind.BOOLEAN, values.type, "cast it to a boolean at the source, or declare another kind")


def _timestamp(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_date(values.type) or (pa.types.is_timestamp(values.type) and values.type.tz is None):
        raise Unfit(
            f"is declared timestamp and holds {values.type}, which has no time zone, so it names no instant; "
            "give it one at the source, such as AT TIME ZONE 'Europe/Berlin' in SQL or a Z at the end in CSV"
        )
    if not pa.types.is_timestamp(values.type):
        raise _wrong_type(Kind.TIMESTAMP, values.type, "cast it to a timestamp with time zone at the source")
    if values.type.unit == "ns":
        values = pc.floor_temporal(values.cast(pa.timestamp("ns", "UTC")), unit="microsecond")
    try:
        return values.cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid as error:
        raise Unfit("is declared timestamp and holds times too far away for microseconds in 64 bits") from error


_CONVERSIONS: dict[Kind, Callable[[pa.ChunkedArray], pa.ChunkedArray]] = {
    Kind.NUMERIC: _numeric,
    Kind.INTEGER: _integer,
    Kind.CATEGORICAL: _categorical,
    Kind.BOOLEAN: _boolean,
    Kind.TIMESTAMP: _timestamp,
}


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_text(kind: pa.DataType) -> bool:
    checks = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
    )
    return any(check(kind) for check in checks)


def _wrong_type(kind: Kind, found: pa.DataType, advice: str) -> Unfit:
    return Unfit(f"is declared {kind} and holds {found}; {advice}")
