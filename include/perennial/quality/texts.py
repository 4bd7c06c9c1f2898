"""Values that arrive as text: the cells of a CSV file, and numbers and times as PostgreSQL or a decimal spells them.

| kind | a text holds |
| --- | --- |
| numeric | a decimal number, or an infinity |
| integer | a whole number of 64 bits, also as 5.0 |
| boolean | true, false, 1, 0, 1.0 or 0.0, in any case |
| timestamp | ISO 8601 with an offset or Z; without one, in the source's time zone if it has one |
| categorical | anything, as it is |

A text is taken exactly or not at all. A number becomes the nearest 64-bit float, and is refused where that changes it
by whole units (an id or an amount above 2**53) or, in a column that is only carried along, by any of its digits.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC as UTC_ZONE
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from perennial.quality.unread import because, either
from perennial.spec.columns import Column, Kind, Role

NULL_WORDS = ("na", "n/a", "nan", "null", "none")
EXACT = 2**53  # whole numbers up to here are themselves as 64-bit floats
SAFE_DIGITS = 15  # so many decimal digits come back from a 64-bit float, whichever they are …
SMALLEST = sys.float_info.min  # … unless the number is smaller than this: then fewer do, and in the end none
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?$"
_THOUSANDS_AND_COMMA = r"^[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+),[0-9]+$"
_INFINITY = r"(?i)^[+-]?inf(inity)?$"
_WHOLE = r"^[+-]?[0-9]+(\.0*)?$"
_TIME = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?)?$"
)
_OFFSET = r"[T ][0-9:.]+(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"
_LONG_FRACTION = r"(\.[0-9]{6})0+"
_TOO_FINE = r"\.[0-9]{7}"
UTC = pa.timestamp("us", "UTC")
NO_TIME = "is not a time between the years 1 and 9999"
_FIRST, _LAST = datetime(1, 1, 1, tzinfo=UTC_ZONE), datetime.max.replace(tzinfo=UTC_ZONE)


@dataclass(frozen=True)
class Canonical:
    """A column in the canonical type of its kind. `unread` says of each cell why it could not be taken, null where it
    could be; it is None when all could.
    """

    values: pa.ChunkedArray
    unread: pa.Array | None = None


@dataclass(frozen=True)
class Spelling:
    """How a source spells values: its decimal sign, what means "nothing" in columns that are not text, and the time
    zone of times without an offset.
    """

    decimal: str = "."
    nulls: tuple[str, ...] = field(default=NULL_WORDS)
    timezone: str | None = None


def read_text(column: Column, text: pa.ChunkedArray, spelling: Spelling) -> Canonical:
    """The texts as values of the column. Nothing is guessed: what does not fit is unread."""
    if column.kind is Kind.CATEGORICAL:
        return Canonical(text)
    plain = spelling.decimal == "." and spelling.nulls in (NULL_WORDS, ())
    if plain and (values := _plainly(column, text)) is not None:
        return Canonical(values)
    trimmed = pc.utf8_trim_whitespace(text)
    nothing = pc.is_in(pc.utf8_lower(trimmed), pa.array(["", *spelling.nulls]))
    cells = pc.if_else(nothing, pa.scalar(None, pa.string()), trimmed)
    return _READERS[column.kind](column, cells, spelling)


def _plainly(column: Column, text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The values if none of the texts is in doubt, else None. Several times as fast as looking at each text."""
    try:
        values = text.cast(_PLAIN_TYPES[column.kind])
    except pa.ArrowInvalid:
        return None
    exact = column.role in (Role.CARRY, Role.KEY)
    if column.kind is Kind.BOOLEAN:
        return values
    if column.kind is Kind.TIMESTAMP:
        doubts = on_calendar(values)[1]
    elif column.kind is Kind.INTEGER:
        doubts = pc.match_substring(text, "x", ignore_case=True)  # Arrow reads 0x10 as 16
        doubts = pc.or_(doubts, pc.or_(pc.starts_with(text, "0"), pc.starts_with(text, "-0"))) if exact else doubts
        doubts = pc.and_(doubts, pc.not_equal(text, "0"))
    else:
        doubts = pc.invert(pc.less_equal(pc.abs(values), EXACT))  # NaN is in doubt, too
        if exact:
            tiny = pc.and_(pc.less(pc.abs(values), SMALLEST), pc.match_substring(text, "e", ignore_case=True))
            doubts = pc.or_(pc.or_(doubts, tiny), pc.greater(pc.utf8_length(text), SAFE_DIGITS))
    return None if pc.any(doubts).as_py() else values


def localised(times: pa.ChunkedArray, timezone: str) -> Canonical:
    """Naive times in microseconds as the instants that they name in the zone. A local time that clocks skip or repeat
    names none, and is unread.
    """
    early, late = (
        pc.assume_timezone(times, timezone, ambiguous=end, nonexistent=end) for end in ("earliest", "latest")
    )
    unsure = pc.not_equal(early, late)
    values = pc.if_else(unsure, pa.scalar(None, early.type), early).cast(UTC)
    why = f"is skipped or happens twice where clocks change in {timezone}"
    return Canonical(values, because(times, unsure, why))


def on_calendar(times: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """The instants between the years 1 and 9999, which all stores can hold, and which of them lie elsewhere."""
    first, last = pa.scalar(_FIRST, UTC), pa.scalar(_LAST, UTC)
    elsewhere = pc.or_(pc.less(times, first), pc.greater(times, last))
    return pc.if_else(elsewhere, pa.scalar(None, UTC), times), elsewhere


def _numeric(column: Column, cells: pa.ChunkedArray, spelling: Spelling) -> Canonical:
    plain = _with_point(cells, spelling)
    infinite = pc.match_substring_regex(plain, _INFINITY)
    fits = pc.or_(pc.match_substring_regex(plain, _NUMBER), infinite)
    numbers = _where(fits, pc.utf8_ltrim(plain, "+")).cast(pa.float64())
    beyond = pc.and_(pc.is_inf(numbers), pc.invert(infinite))
    inexact = _inexact(column, plain, numbers)
    refused = pc.or_(pc.fill_null(beyond, fill_value=False), inexact)
    values = pc.if_else(refused, pa.scalar(None, pa.float64()), numbers)
    return Canonical(
        values,
        either(
            _other_decimal(cells, fits, spelling),
            because(cells, pc.invert(fits), "is not a number"),
            because(cells, beyond, "is too large for a 64-bit float"),
            because(cells, inexact, "would lose digits as a 64-bit float; declare the column integer or categorical"),
        ),
    )


def _other_decimal(cells: pa.ChunkedArray, fits: pa.ChunkedArray, spelling: Spelling) -> pa.Array | None:
    """What is to be said of cells that would be numbers with the other decimal sign."""
    comma = spelling.decimal == ","
    other = pc.match_substring_regex(cells, _NUMBER if comma else _THOUSANDS_AND_COMMA)
    why = (
        'has a decimal point, and the source says `csv: {decimal: ","}`: take that out, or write a comma'
        if comma
        else 'has a decimal comma, it seems; say so in the source with `csv: {decimal: ","}`'
    )
    return because(cells, pc.and_(pc.invert(fits), other), why)


def _inexact(column: Column, plain: pa.ChunkedArray, numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which numbers change when they become floats, by the rule at the top."""
    doubtful = pc.and_(pc.greater(pc.abs(numbers), EXACT), pc.is_finite(numbers))
    if column.role in (Role.CARRY, Role.KEY):
        digits = pc.replace_substring_regex(pc.replace_substring_regex(plain, "[eE].*$", ""), r"^[+-]?0*\.?0*|\.", "")
        most = pc.if_else(pc.less(pc.abs(numbers), SMALLEST), 0, SAFE_DIGITS)
        doubtful = pc.or_(doubtful, pc.and_(pc.greater(pc.utf8_length(digits), most), pc.is_finite(numbers)))
    doubtful = pc.and_(pc.fill_null(doubtful, fill_value=False), pc.not_equal(plain, numbers.cast(pa.string())))
    doubtful = pc.fill_null(doubtful, fill_value=False)
    if not pc.any(doubtful).as_py():
        return doubtful
    wrong = [not _kept(text) for text in plain.filter(doubtful).to_pylist()]
    mask = doubtful.combine_chunks()
    return pa.chunked_array([pc.replace_with_mask(mask, mask, pa.array(wrong, pa.bool_()))])


def _kept(text: str) -> bool:
    """Whether the nearest float, written with as many digits as the text has, is what the text says."""
    said, number = Decimal(text), float(text)
    if Decimal(repr(number)) == said:
        return True
    exponent = said.as_tuple().exponent
    return isinstance(exponent, int) and exponent < 0 and Decimal(f"{number:.{-exponent}f}") == said


def _integer(column: Column, cells: pa.ChunkedArray, spelling: Spelling) -> Canonical:
    plain = _with_point(cells, spelling)
    whole = pc.match_substring_regex(plain, _WHOLE)
    digits = pc.replace_substring_regex(_where(whole, plain), r"^\+|\.0*$", "")
    short = pc.less_equal(pc.utf8_length(digits), 18)
    values = _where(short, digits).cast(pa.int64())
    rest = pc.and_(pc.is_valid(plain), pc.invert(pc.fill_null(short, fill_value=False)))
    too_large = outside = pc.and_(rest, pc.is_null(plain))  # none yet
    if pc.any(rest).as_py():
        mask = rest.combine_chunks()
        exponent = column.role not in (Role.CARRY, Role.KEY)
        numbers = [_whole(text, exponent=exponent) for text in plain.filter(rest).to_pylist()]
        fitting = [number if number is not None and -(2**63) <= number < 2**63 else None for number in numbers]
        values = pa.chunked_array([pc.replace_with_mask(values.combine_chunks(), mask, pa.array(fitting, pa.int64()))])
        large = [number is not None and fit is None for number, fit in zip(numbers, fitting, strict=True)]
        too_large = pa.chunked_array([pc.replace_with_mask(mask, mask, pa.array(large, pa.bool_()))])
        outside = pa.chunked_array([pc.replace_with_mask(mask, mask, pa.array([n is None for n in numbers]))])
    zeros = pc.match_substring_regex(plain, r"^[+-]?0[0-9]")
    if column.role not in (Role.CARRY, Role.KEY):
        zeros = pc.and_(zeros, pc.is_null(zeros))  # none is bad: in a feature, 08 is the hour 8
    values = pc.if_else(pc.fill_null(zeros, fill_value=False), pa.scalar(None, pa.int64()), values)
    return Canonical(
        values,
        either(
            _other_decimal(cells, pc.invert(outside), spelling),
            because(cells, outside, "is not a whole number"),
            because(cells, too_large, "needs more than 64 bits; declare the column categorical to keep it"),
            because(cells, zeros, "starts with a zero, which a number loses; declare the column categorical"),
        ),
    )


def _whole(text: str, *, exponent: bool) -> int | None:
    """The whole number that the text spells; None when it is none, or one whose last digits may be rounded away.

    With `exponent`, 1e3 is 1000. But 3.05e17 is what spreadsheets make of an id of 18 digits.
    """
    if re.match(_WHOLE, text):
        return int(text.partition(".")[0])
    if not exponent or not re.match(_NUMBER, text):
        return None
    number = Decimal(text)
    return int(number) if abs(number) <= EXACT and number == int(number) else None


def _boolean(_: Column, cells: pa.ChunkedArray, spelling: Spelling) -> Canonical:
    lower = pc.replace_substring_regex(pc.utf8_lower(_with_point(cells, spelling)), r"\.0+$", "")
    true, false = (pc.is_in(lower, pa.array(words)) for words in (["true", "1"], ["false", "0"]))
    known = pc.or_(true, false)
    values = pc.if_else(known, true, pa.scalar(None, pa.bool_()))
    return Canonical(values, because(cells, pc.and_(pc.is_valid(cells), pc.invert(known)), "is neither true nor false"))


def _timestamp(_: Column, cells: pa.ChunkedArray, spelling: Spelling) -> Canonical:
    short = pc.replace_substring_regex(cells, _LONG_FRACTION, r"\1")
    fits = pc.match_substring_regex(short, _TIME)
    fits = pc.and_(fits, pc.invert(pc.match_substring_regex(short, "^0000|^[0-9]{4}-02-3|-(02|04|06|09|11)-31")))
    leap = pc.and_(fits, pc.match_substring_regex(short, "^[0-9]{4}-02-29"))
    if pc.any(leap).as_py():
        year = pc.if_else(leap, pc.utf8_slice_codeunits(short, 0, 4), "2000").cast(pa.int64())
        fits = pc.and_(fits, pc.or_(pc.invert(leap), pc.is_leap_year(_first_of(year))))
    fine = pc.and_(fits, pc.match_substring_regex(short, _TOO_FINE))
    fits = pc.and_(fits, pc.invert(fine))
    given = pc.match_substring_regex(short, _OFFSET)
    naive = pc.and_(fits, pc.invert(given))
    values, away = on_calendar(_where(pc.and_(fits, given), short).cast(UTC))
    unsure = None
    if spelling.timezone and pc.any(naive).as_py():
        local = localised(_where(naive, short).cast(pa.timestamp("us")), spelling.timezone)
        values, unsure = pc.coalesce(values, local.values), local.unread
    fits = pc.and_(fits, pc.invert(pc.fill_null(away, fill_value=False)))
    floating = None if spelling.timezone else because(
        cells, naive, "is a time without an offset; write one, or say the source's `timezone`"
    )  # fmt: skip
    return Canonical(
        values,
        either(
            because(cells, fine, "is finer than a microsecond; round it at the source"),
            because(cells, pc.invert(fits), f"{NO_TIME}, such as 2013-03-01T12:00:00Z"),
            floating,
            unsure,
        ),
    )


def _first_of(years: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(pc.utf8_lpad(years.cast(pa.string()), 4, "0"), "01-01", "-").cast(pa.date32())


def _with_point(cells: pa.ChunkedArray, spelling: Spelling) -> pa.ChunkedArray:
    """The cells with a point as their decimal sign. Where that was a comma, a point may separate thousands: it is
    doubled, so that the cell is not read as a number.
    """
    if spelling.decimal == ".":
        return cells
    return pc.replace_substring(pc.replace_substring(cells, ".", ".."), spelling.decimal, ".")


def _where(mask: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.fill_null(mask, fill_value=False), values, pa.scalar(None, values.type))


_PLAIN_TYPES = {Kind.NUMERIC: pa.float64(), Kind.INTEGER: pa.int64(), Kind.TIMESTAMP: UTC, Kind.BOOLEAN: pa.bool_()}
_READERS: dict[Kind, Callable[[Column, pa.ChunkedArray, Spelling], Canonical]] = {
    Kind.NUMERIC: _numeric,
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: _boolean,
    Kind.TIMESTAMP: _timestamp,
}
