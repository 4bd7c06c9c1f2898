"""Summaries of bounded size for what can't be counted exactly: quantiles, frequent values, distinct values.

Sketches hold bytes of Apache DataSketches, as base64 text, so that they can be kept as JSON. Merging two of them gives
a sketch of all values together, within the error that each class states.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from datasketches import (
    cpc_sketch,
    cpc_union,
    frequent_items_error_type,
    frequent_strings_sketch,
    kll_doubles_sketch,
)

from perennial.arrays import Floats

QUANTILE_SIZE = 128
LARGE = 65_536
DOUBLINGS = 3
NEIGHBOURS = 2**DOUBLINGS
# Up to three quarters of 2^10 different values are counted exactly.
LOG_FREQUENT_SIZE = 10
EXACT_CATEGORIES = 768
LOG_DISTINCT_SIZE = 11


@dataclass(frozen=True)
class QuantileSketch:
    """Quantiles of any number of values: KLL (Karnin, Lang and Liberty, 2016, FOCS), `QUANTILE_SIZE` wide.

    The rank of a quantile is off by less than `rank_error`, with 99% confidence; up to `QUANTILE_SIZE` values it is
    exact. The sketch draws random numbers: two sketches of the same values may differ in their bytes, within the error.
    """

    data: str

    @classmethod
    def of(cls, ordered: Floats) -> "QuantileSketch":
        """The sketch of finite values in ascending order.

        Of a large set, one in eight neighbours stands for all of them, which moves ranks by 4 at most and takes a
        fraction of the time: its sketch, merged three times with itself, has seen each of its values eight times.
        """
        sketch = kll_doubles_sketch(QUANTILE_SIZE)
        inner = (len(ordered) - 2) // NEIGHBOURS * NEIGHBOURS if len(ordered) >= LARGE else 0
        if inner:
            sketch.update(np.ascontiguousarray(ordered[1 : 1 + inner].reshape(-1, NEIGHBOURS)[:, NEIGHBOURS // 2]))
            for _ in range(DOUBLINGS):
                sketch.merge(kll_doubles_sketch.deserialize(sketch.serialize()))
            sketch.update(ordered[:1])  # the extremes themselves are always seen
            sketch.update(ordered[1 + inner :])
        else:
            sketch.update(ordered)
        return cls(_text(sketch.serialize()))

    def merge(self, other: "QuantileSketch") -> "QuantileSketch":
        """The sketch of both sets of values together."""
        sketch = _quantiles(self.data)
        sketch.merge(_quantiles(other.data))
        return QuantileSketch(_text(sketch.serialize()))

    @property
    def count(self) -> int:
        """How many values were seen."""
        return int(_quantiles(self.data).n)

    @property
    def rank_error(self) -> float:
        """By how much the rank (0 to 1) of a quantile may be off."""
        return float(_quantiles(self.data).normalized_rank_error(False))

    def quantiles(self, probabilities: Sequence[float]) -> tuple[float, ...]:
        """The smallest values that at least these shares of all values don't exceed; empty when nothing was seen."""
        sketch = _quantiles(self.data)
        if sketch.is_empty():
            return ()
        return tuple(float(q) for q in sketch.get_quantiles(list(probabilities), inclusive=True))


@dataclass(frozen=True)
class FrequencySketch:
    """How often the frequent ones among any number of categories occur.

    The weighted form of the algorithm by Misra and Gries (1982, Science of Computer Programming 2(2)) of Anderson et
    al. (2017, IMC): exact up to `EXACT_CATEGORIES` different values, else too high by at most 3.5 / 1024 of all rows.
    """

    data: str

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "FrequencySketch":
        """The sketch of counted categories."""
        sketch = frequent_strings_sketch(LOG_FREQUENT_SIZE)
        for category, count in counts.items():
            sketch.update(category, count)
        return cls(_text(sketch.serialize()))

    def merge(self, other: "FrequencySketch") -> "FrequencySketch":
        """The sketch of both together."""
        first, second = sorted((self.data, other.data))  # one result, whichever of the two is merged into the other
        sketch = _frequencies(first)
        sketch.merge(_frequencies(second))
        return FrequencySketch(_text(sketch.serialize()))

    @property
    def largest_error(self) -> int:
        """By how many rows a count may be too high."""
        sketch = _frequencies(self.data)
        found = sketch.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
        return max((int(high - low) for _, _, low, high in found), default=0)

    @property
    def exact(self) -> dict[str, int] | None:
        """Every category and how often it occurs; None when there were too many to keep."""
        sketch = _frequencies(self.data)
        found = sketch.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
        if (
            any(low != high for _, _, low, high in found)
            or sum(count for _, count, _, _ in found) != sketch.total_weight
        ):
            return None
        return {str(name): int(count) for name, count, _, _ in found}

    def top(self, most: int) -> dict[str, int]:
        """The most frequent categories and how often they occur, ties by name."""
        found = _frequencies(self.data).get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
        ordered = sorted(((str(name), int(count)) for name, count, _, _ in found), key=lambda item: (-item[1], item[0]))
        return dict(ordered[:most])


@dataclass(frozen=True)
class DistinctSketch:
    """How many different categories there are: CPC (Lang, 2017, arXiv 1708.06839), to about 2% (one standard error)."""

    data: str

    @classmethod
    def of(cls, categories: Mapping[str, int]) -> "DistinctSketch":
        """The sketch of these categories."""
        sketch = cpc_sketch(LOG_DISTINCT_SIZE)
        for category in categories:
            sketch.update(category)
        return cls(_text(sketch.serialize()))

    def merge(self, other: "DistinctSketch") -> "DistinctSketch":
        """The sketch of both sets of categories together."""
        union = reduce(_united, sorted((self.data, other.data)), cpc_union(LOG_DISTINCT_SIZE))
        return DistinctSketch(_text(union.get_result().serialize()))

    @property
    def estimate(self) -> int:
        """How many different categories were seen, about."""
        return round(float(_distinct(self.data).get_estimate()))


def _united(union: cpc_union, data: str) -> cpc_union:
    union.update(_distinct(data))
    return union


def _quantiles(data: str) -> kll_doubles_sketch:
    return kll_doubles_sketch.deserialize(base64.b64decode(data))


def _frequencies(data: str) -> frequent_strings_sketch:
    return frequent_strings_sketch.deserialize(base64.b64decode(data))


def _distinct(data: str) -> cpc_sketch:
    return cpc_sketch.deserialize(base64.b64decode(data))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
