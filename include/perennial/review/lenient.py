"""A column read with good will: what it holds of the kind that the spec gives it, and everything that is odd about it.

Ingesting is strict and refuses; this is for telling a person everything at once, so it goes on after each oddity, with
what could be understood. A cell that could not is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from perennial.quality.columns import ARROW_TYPES
from perennial.spec.columns import Kind
from perennial.spec.problems import shown

NULLS = ("", "na", "n/a", "nan", "null", "none")
_DECIMAL_COMMA = r"[-+]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+"
_WHOLE = r"[-+]?\d+(?:\.0*)?"
_OFFSET = r".*(?:[Zz]|[+-]\d{2}(?::?\d{2})?)$"
_TRUE, _FALSE = ("true", "1", "1.0"), ("false", "0", "0.0")
_ALSO_TRUE, _ALSO_FALSE = ("yes", "y", "t", "on"), ("no", "n", "f", "off")
_LARGEST = 2**63


@dataclass(frozen=True)
class Understood:
    """The values in the canonical type of their kind, and in sentences that go on from "column x" what is odd."""

    values: pa.Array
    problems: tuple[str, ...] = ()


Cells = pd.Series
Reading = tuple[pd.Series, list[str]]


def understand(
    kind: Kind, values: pa.ChunkedArray, *, zone: str, naive_allowed: bool, text: bool, comma: bool = False
) -> Understood:
    """Read a column as `kind`, naive times in `zone`.

    `text` says that its source has types, and this one is text; `comma` that the spec knows of a decimal comma.
    """
    cells, problems = _cells(values)
    if text and kind is not Kind.CATEGORICAL:
        problems.append(f"is text at the source, and {kind} in the spec; cast it at the source, or declare it so")
    if kind is Kind.TIMESTAMP:
        read, more = _timestamp(cells, zone, naive_allowed)
    elif kind is Kind.NUMERIC:
        read, more = _numeric(cells, comma)
    else:
        read, more = _READINGS[kind](cells)
    return Understood(_arrow(read, ARROW_TYPES[kind]), tuple(problems + more))


def _arrow(cells: Cells, kind: pa.DataType) -> pa.Array:
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        cells = cells.dt.tz_convert(None)
        return pa.array(cells.to_numpy(), pa.timestamp("us"), from_pandas=True).cast(kind)
    return pa.array(cells, kind, from_pandas=True)


def _cells(values: pa.ChunkedArray) -> tuple[Cells, list[str]]:
    """Texts as they are (missing ones as None), typed values as pandas has them."""
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        decoded = [None if v is None else v.decode("utf-8", "replace") for v in values.to_pylist()]
        return pd.Series(decoded, dtype=object), []
    if pa.types.is_integer(values.type):
        return values.to_pandas(types_mapper=lambda _: pd.Int64Dtype()).astype("Int64"), []
    series = values.to_pandas()
    return (series.astype(object).where(series.notna(), None) if _is_text(values.type) else series), []


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def _trimmed(cells: Cells) -> Cells:
    """Texts without spaces around, and None for what means nothing."""
    text = cells.astype("string").str.strip()
    return text.mask(text.str.lower().isin(NULLS))


def _numeric(cells: Cells, comma: bool) -> Reading:
    if pd.api.types.is_bool_dtype(cells.dtype):
        return cells.astype("Float64"), ["holds booleans, and is numeric in the spec; declare it boolean"]
    if not _holds_text(cells):
        return _numbers(cells)
    text = _trimmed(cells)
    numbers = pd.to_numeric(text, errors="coerce").astype("Float64")
    commas = text.str.fullmatch(_DECIMAL_COMMA).fillna(value=False).astype(bool) & numbers.isna()
    problems = []
    if commas.any():
        if not comma:
            problems.append(
                f"holds numbers with a decimal comma, such as {_first(cells, commas)}; say so in the source with "
                'csv: {decimal: ","}'
            )
        english = text[commas].str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        numbers[commas] = pd.to_numeric(english).astype("Float64")
    return numbers, problems + _unreadable(cells, text.notna() & numbers.isna(), "not numbers")


def _numbers(cells: Cells) -> Reading:
    if not pd.api.types.is_numeric_dtype(cells.dtype):
        return _nothing(cells), [f"holds {cells.dtype} values, and is numeric in the spec"]
    return pd.to_numeric(cells).astype("Float64"), []


def _integer(cells: Cells) -> Reading:
    if pd.api.types.is_bool_dtype(cells.dtype):
        return cells.astype("Int64"), ["holds booleans, and is integer in the spec; declare it boolean"]
    if pd.api.types.is_integer_dtype(cells.dtype):
        return cells.astype("Int64"), []
    if pd.api.types.is_float_dtype(cells.dtype):
        whole = cells.notna() & (cells % 1 == 0) & (cells.abs() < _LARGEST)
        problems = _unreadable(cells, cells.notna() & ~whole, "not whole, so declare it numeric")
        return cells.where(whole).astype("Int64"), problems
    if not _holds_text(cells):
        return _nothing(cells), [f"holds {cells.dtype} values, and is integer in the spec"]
    text = _trimmed(cells)
    whole = text.str.fullmatch(_WHOLE).fillna(value=False).astype(bool)
    exact = [int(t.partition(".")[0]) if ok else None for t, ok in zip(text, whole, strict=True)]
    fits = pd.Series([n is not None and -_LARGEST <= n < _LARGEST for n in exact], index=cells.index)
    numbers = pd.Series([n if ok else None for n, ok in zip(exact, fits, strict=True)], dtype="Int64")
    broken = text.notna() & ~whole & pd.to_numeric(text, errors="coerce").notna()
    problems = _unreadable(cells, broken, "numbers that are not whole, so declare it numeric")
    problems += _unreadable(cells, text.notna() & ~whole & ~broken, "not whole numbers; is it categorical?")
    problems += _unreadable(cells, whole & ~fits, "too large for 64 bits, so declare it categorical")
    return numbers, problems


def _boolean(cells: Cells) -> Reading:
    if pd.api.types.is_bool_dtype(cells.dtype):
        return cells.astype("boolean"), []
    if not _holds_text(cells) and not pd.api.types.is_numeric_dtype(cells.dtype) and cells.dtype != object:
        return _nothing(cells), [f"holds {cells.dtype} values, and is boolean in the spec"]
    text = _trimmed(cells).str.lower()
    read = pd.Series(pd.NA, index=cells.index, dtype="boolean")
    read[text.isin((*_TRUE, *_ALSO_TRUE))] = True
    read[text.isin((*_FALSE, *_ALSO_FALSE))] = False
    words = text.isin((*_ALSO_TRUE, *_ALSO_FALSE))
    problems = []
    if words.any():
        problems.append(f"says yes and no as {_first(cells, words)}; only true, false, 1 and 0 are read as booleans")
    found = sorted(set(text[text.notna() & read.isna()].head(1_000)))
    if found:
        problems.append(
            f"holds {', '.join(map(shown, found[:5]))}{', …' if len(found) > 5 else ''}, which are neither true nor "  # noqa: PLR2004
            "false (1 or 0)"
        )
    return read, problems


def words_of_no_boolean(values: pa.ChunkedArray) -> set[str]:
    """The different texts of a column in lower case, if some of them are neither true nor false; else nothing."""
    text = _trimmed(_cells(values)[0]).str.lower().dropna()
    found = set(text.unique()[:1_000])
    return found if found - {*_TRUE, *_FALSE} else set()


def _categorical(cells: Cells) -> Reading:
    if _holds_text(cells):
        return cells.astype("string"), []
    if pd.api.types.is_integer_dtype(cells.dtype):
        return cells.astype("string"), []
    return cells.astype("string"), [f"holds {cells.dtype} values, and is categorical in the spec; cast it to text"]


def _timestamp(cells: Cells, zone: str, naive_allowed: bool) -> Reading:
    problems: list[str] = []
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        aware = cells.dt.tz is not None
        times = cells if aware else cells.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        if not aware and not naive_allowed:
            problems.append(_naive(cells.dropna().astype(str).head(1).tolist(), zone))
        return _to_utc(times), problems
    if not _holds_text(cells) and not _holds_dates(cells):
        return _nothing(cells), [f"holds {cells.dtype} values, and is a timestamp in the spec"]
    text = _trimmed(cells)
    offset = text.str.fullmatch(_OFFSET).fillna(value=False).astype(bool) & text.str.contains(":").fillna(value=False)
    naive = text.notna() & ~offset.astype(bool)
    read = pd.Series(pd.NaT, index=cells.index, dtype="datetime64[us, UTC]")
    odd = pd.Series(data=False, index=cells.index)
    for chosen, local in ((offset.astype(bool), None), (naive, zone)):
        if not chosen.any():
            continue
        iso = _parsed(text[chosen], "ISO8601", local)
        unread = iso.isna()
        if unread.any():
            guessed = _parsed(text[chosen][unread], "mixed", local)
            odd[guessed[guessed.notna()].index] = True
            iso[unread] = guessed
        read[chosen] = iso
    if naive.any() and not naive_allowed and read[naive].notna().any():
        problems.append(_naive(text[naive & read.notna()].head(1).tolist(), zone))
    if odd.any():
        problems.append(f"holds times that are not ISO 8601, such as {_first(cells, odd)}; write 2013-03-01T12:00:00Z")
    return read, problems + _unreadable(cells, text.notna() & read.isna(), "not times")


def _parsed(text: Cells, form: str, zone: str | None) -> Cells:
    """The texts as instants: with their offsets, or in the zone."""
    day_first = form == "mixed" and _day_first(text)
    if zone is None:
        return _to_utc(pd.to_datetime(text, errors="coerce", utc=True, format=form, dayfirst=day_first))
    naive = pd.to_datetime(text, errors="coerce", format=form, dayfirst=day_first)
    if not pd.api.types.is_datetime64_any_dtype(naive.dtype):
        return pd.Series(pd.NaT, index=text.index, dtype="datetime64[us, UTC]")
    return _to_utc(naive.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT"))


def _day_first(text: Cells) -> bool:
    """Whether the day stands before the month: where dots part them, or where the first number is no month."""
    parts = text.str.extract(r"^(\d{1,2})([./-])\d{1,2}\2\d{4}").dropna()
    return bool((parts[1] == ".").any() or (parts[0].astype(int) > 12).any())  # noqa: PLR2004 - months


def _to_utc(times: Cells) -> Cells:
    utc: Cells = times.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    return utc


def _naive(example: list[str], zone: str) -> str:
    shown_one = f", such as {shown(example[0], 40)!r}" if example else ""
    return (
        f"holds times without a time zone{shown_one}, which name no instant; add `timezone: {zone}` to the source if "
        "they are in that zone, or write them with an offset (AT TIME ZONE in SQL)"
    )


def _holds_text(cells: Cells) -> bool:
    return pd.api.types.is_string_dtype(cells.dtype) or (
        cells.dtype == object and all(cell is None or isinstance(cell, str) for cell in cells)
    )


def _holds_dates(cells: Cells) -> bool:
    return cells.dtype == object


def _nothing(cells: Cells) -> Cells:
    return pd.Series([None] * len(cells), index=cells.index, dtype=object)


def _unreadable(cells: Cells, bad: Cells, what: str) -> list[str]:
    count = int(bad.sum())
    if not count:
        return []
    return [f"holds {count:,} of {len(cells):,} cells that are {what}; the first is {_first(cells, bad)}"]


def _first(cells: Cells, chosen: Cells) -> str:
    """The first of the chosen cells, and its row from 1."""
    place = int(chosen.to_numpy(dtype=bool).argmax())
    return f"{shown(str(cells.iloc[place]), 40)!r} in row {place + 1:,}"


_READINGS: dict[Kind, Callable[[Cells], Reading]] = {
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: _boolean,
    Kind.CATEGORICAL: _categorical,
}
