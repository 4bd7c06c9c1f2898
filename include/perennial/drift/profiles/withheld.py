"""What profiles and references keep of personal columns: enough to measure drift, and no value of a row as it was.

Of a text a pseudonym is counted, `withheld` and the start of a digest, the same for the same text of a column. Who has
a list of texts can find out which of them a pseudonym stands for: it hides values from readers, and is no anonymity.
Numbers are rounded to three digits before they are counted, and a profile keeps neither their extremes nor the sketch
of their quantiles. Truth values are counted as they are.
"""

import hashlib
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.arrays import Floats
from perennial.drift.profiles.bins import Bins, CategoricalBins
from perennial.drift.profiles.profile import WindowProfile
from perennial.drift.profiles.sketches import QuantileSketch
from perennial.wording import WITHHELD

DIGITS = 3
_HEX = 12


def disguised(rows: pa.Table, personal: Collection[str]) -> pa.Table:
    """The rows with pseudonyms and rounded numbers in the personal columns, those of them that the rows have."""
    for name in personal:
        if name in rows.column_names:
            index = rows.column_names.index(name)
            rows = rows.set_column(index, name, _disguised(name, rows.column(name)))
    return rows


def pseudonym(column: str, text: str) -> str:
    """What stands for a text of the column; a pseudonym stands for itself.

    >>> pseudonym("town", "Lyon"), pseudonym("town", pseudonym("town", "Lyon"))
    ('withheld d212e6b39733', 'withheld d212e6b39733')
    """
    if text.startswith(f"{WITHHELD} ") and len(text) == len(WITHHELD) + 1 + _HEX:
        return text
    digest = hashlib.sha256(f"{column}\0{text}".encode()).hexdigest()
    return f"{WITHHELD} {digest[:_HEX]}"


def without_categories(bins: Bins, column: str) -> Bins:
    """The bins of a personal column, with pseudonyms for categories of before the spec called it personal."""
    if isinstance(bins, CategoricalBins):
        return replace(bins, categories=tuple(pseudonym(column, each) for each in bins.categories))
    return bins


def without_values(profile: WindowProfile, personal: Collection[str]) -> WindowProfile:
    """The profile without the extremes and the quantiles of personal columns, which drift does not need."""
    nothing = QuantileSketch.of(np.empty(0))
    return replace(
        profile,
        numeric={
            name: replace(each, moments=replace(each.moments, minimum=None, maximum=None), sketch=nothing)
            if name in personal
            else each
            for name, each in profile.numeric.items()
        },
    )


def _disguised(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        encoded = values.combine_chunks().dictionary_encode()
        texts = pa.array([pseudonym(name, each) for each in encoded.dictionary.to_pylist()], pa.string())
        return pa.chunked_array([texts.take(encoded.indices)])
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = values.cast(pa.float64(), safe=False).combine_chunks()
        rounded = pa.array(_rounded(numbers.fill_null(0.0).to_numpy()))
        return pa.chunked_array([pc.if_else(numbers.is_valid(), rounded, pa.scalar(None, pa.float64()))])
    return values


def _rounded(numbers: Floats) -> Floats:
    """To `DIGITS` significant digits; zero, NaN and infinities as they are."""
    sizes = np.abs(numbers)
    usual = np.isfinite(sizes) & (sizes > 0)
    exponents = np.floor(np.log10(np.where(usual, sizes, 1.0))) - (DIGITS - 1)
    unit = 10.0 ** np.clip(exponents, -300, 300)
    return np.asarray(np.where(usual, np.round(numbers / unit) * unit, numbers), dtype=np.float64)
