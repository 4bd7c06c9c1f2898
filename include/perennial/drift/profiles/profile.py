"""What the columns of a window look like: small enough to keep for every window, and mergeable.

The profile of a week is the merge of its days' profiles; the rows are not read again. Everything is exact but the
quantiles, the counts of rare categories and the number of different ones, beyond what their sketches keep.
"""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from perennial.drift.profiles.bins import Bins, CategoricalBins, CategoryCounts, Counts, NumericBins, NumericCounts
from perennial.drift.profiles.joint import MOST_COLUMNS, JointMoments
from perennial.drift.profiles.moments import Moments
from perennial.drift.profiles.sketches import DistinctSketch, FrequencySketch, QuantileSketch
from perennial.drift.profiles.values import Categories, Numbers, read_column
from perennial.encoding import json_digest
from perennial.errors import SchemaMismatch
from perennial.spec.columns import Kind

PROBABILITIES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
TOP_CATEGORIES = 20
ROWS_WORTH_THREADS = 50_000


@dataclass(frozen=True)
class NumericProfile:
    """A numeric column: nulls (`missing`), NaN and infinities (`non_finite`), and the other values.

    `binned` are the counts in a reference's bins, None without one.
    """

    rows: int
    missing: int
    non_finite: int
    moments: Moments
    sketch: QuantileSketch
    binned: NumericCounts | None

    @classmethod
    def of(cls, column: Numbers, bins: NumericBins | None) -> "NumericProfile":
        """The profile of one chunk of the column."""
        ordered = np.sort(column.values)
        binned = bins.count(ordered, column) if bins else None
        sketch = QuantileSketch.of(ordered)
        return cls(column.rows, column.missing, column.non_finite, Moments.of(ordered), sketch, binned)

    def merge(self, other: "NumericProfile") -> "NumericProfile":
        """The profile of both together."""
        return NumericProfile(
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            non_finite=self.non_finite + other.non_finite,
            moments=self.moments.merge(other.moments),
            sketch=self.sketch.merge(other.sketch),
            binned=self.binned.merge(other.binned) if self.binned and other.binned else None,
        )

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The values at `PROBABILITIES`; empty without a value."""
        return self.sketch.quantiles(PROBABILITIES)


@dataclass(frozen=True)
class CategoricalProfile:
    """A categorical or boolean column: nulls (`missing`) and how often its values occur.

    `binned` are the counts in a reference's bins, None without one.
    """

    rows: int
    missing: int
    frequencies: FrequencySketch
    distinct_values: DistinctSketch
    binned: CategoryCounts | None

    @classmethod
    def of(cls, column: Categories, bins: CategoricalBins | None) -> "CategoricalProfile":
        """The profile of one chunk of the column."""
        binned = bins.count(column) if bins else None
        frequencies, distinct = FrequencySketch.of(column.counts), DistinctSketch.of(column.counts)
        return cls(column.rows, column.missing, frequencies, distinct, binned)

    def merge(self, other: "CategoricalProfile") -> "CategoricalProfile":
        """The profile of both together."""
        return CategoricalProfile(
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            frequencies=self.frequencies.merge(other.frequencies),
            distinct_values=self.distinct_values.merge(other.distinct_values),
            binned=self.binned.merge(other.binned) if self.binned and other.binned else None,
        )

    @property
    def distinct(self) -> int:
        """How many different values there are; about, when they are too many to keep."""
        exact = self.frequencies.exact
        return self.distinct_values.estimate if exact is None else len(exact)

    @property
    def top(self) -> dict[str, int]:
        """The `TOP_CATEGORIES` most frequent values and how often they occur."""
        return self.frequencies.top(TOP_CATEGORIES)


@dataclass(frozen=True)
class WindowProfile:
    """All profiled columns of a window, or of several merged ones.

    `bins` names the reference's bins that were counted in; it is empty without a reference. `joint` are the sums that
    tell how numeric columns go together, None without a reference.
    """

    rows: int
    numeric: dict[str, NumericProfile]
    categorical: dict[str, CategoricalProfile]
    bins: str = ""
    joint: JointMoments | None = None

    def merge(self, other: "WindowProfile") -> "WindowProfile":
        """The profile of all rows of both.

        Errors: `SchemaMismatch` when the columns or the bins are not the same.
        """
        mine, its = ((*each.numeric, *each.categorical) for each in (self, other))
        if set(self.numeric) != set(other.numeric) or set(self.categorical) != set(other.categorical):
            raise SchemaMismatch(
                f"Profiles of different columns can't be merged: {', '.join(mine)} and {', '.join(its)}. "
                "Profile the windows again with the same columns."
            )
        if self.bins != other.bins:
            raise SchemaMismatch(
                f"Profiles in the bins of different references can't be merged ({self.bins[:12] or 'none'} and "
                f"{other.bins[:12] or 'none'}). Profile the windows again in the bins of one reference."
            )
        return WindowProfile(
            rows=self.rows + other.rows,
            numeric={name: column.merge(other.numeric[name]) for name, column in self.numeric.items()},
            categorical={name: column.merge(other.categorical[name]) for name, column in self.categorical.items()},
            bins=self.bins,
            joint=self.joint.merge(other.joint) if self.joint and other.joint else None,
        )

    def counted(self, name: str) -> Counts | None:
        """The column's counts in the reference's bins; None when it has none."""
        if name in self.numeric:
            return self.numeric[name].binned
        return self.categorical[name].binned if name in self.categorical else None

    def to_json(self) -> dict[str, Any]:
        """The profile as a JSON object."""
        value: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "WindowProfile":
        """The profile that `to_json` wrote. Errors: `SchemaMismatch` when it is not one."""
        try:
            return _ADAPTER.validate_python(dict(value))
        except ValidationError as error:
            raise SchemaMismatch(f"This is not a window's profile; monitor the window again: {error}") from error


_ADAPTER: TypeAdapter[WindowProfile] = TypeAdapter(WindowProfile)


def profile(
    rows: pa.Table | Iterable[pa.Table], columns: Mapping[str, Kind], bins: Mapping[str, Bins] | None = None
) -> WindowProfile:
    """Summarise the named columns of a window, given as one table or chunk by chunk, in one pass.

    Memory is bounded by the largest chunk. Columns with `bins` of a reference are counted in these too.
    Errors: `SchemaMismatch` when a column is not there or holds another kind of values, or when there is no chunk.
    """
    chunks = iter((rows,) if isinstance(rows, pa.Table) else rows)
    first = next(chunks, None)
    if first is None:
        raise SchemaMismatch("A profile needs at least one chunk of rows, if only an empty one, to know the columns.")
    known = bins or {}
    name = digest_of_bins(known)
    profiles = (_profile_chunk(chunk, columns, known, name) for chunk in chain((first,), chunks))
    return reduce(WindowProfile.merge, profiles)


def digest_of_bins(bins: Mapping[str, Bins]) -> str:
    """What names these bins; empty when there are none."""
    return json_digest(_BINS.dump_python(dict(bins), mode="json")) if bins else ""


def joint_bins(bins: Mapping[str, Bins]) -> dict[str, NumericBins]:
    """The bins of the columns that are measured together: the first `MOST_COLUMNS` numeric ones that vary."""
    varying = [(name, each) for name, each in bins.items() if isinstance(each, NumericBins) and not each.constant]
    return dict(varying[:MOST_COLUMNS]) if len(varying) > 1 else {}


_BINS: TypeAdapter[dict[str, Bins]] = TypeAdapter(dict[str, Bins])


ColumnProfile = NumericProfile | CategoricalProfile


def _profile_chunk(rows: pa.Table, columns: Mapping[str, Kind], bins: Mapping[str, Bins], name: str) -> WindowProfile:
    varying = joint_bins(bins)

    def of(column: str) -> ColumnProfile:
        return _profile_column(rows, column, columns[column], bins.get(column))

    if rows.num_rows < ROWS_WORTH_THREADS:
        profiles = {column: of(column) for column in columns}
        joint = JointMoments.of(rows, varying) if varying else None
    else:
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # sorting and summing, most of the work, let others run
            summed = threads.submit(JointMoments.of, rows, varying) if varying else None
            profiles = dict(zip(columns, threads.map(of, columns), strict=True))
            joint = summed.result() if summed else None
    numeric = {column: each for column, each in profiles.items() if isinstance(each, NumericProfile)}
    categorical = {column: each for column, each in profiles.items() if isinstance(each, CategoricalProfile)}
    return WindowProfile(rows.num_rows, numeric, categorical, name, joint)


def _profile_column(rows: pa.Table, name: str, kind: Kind, bins: Bins | None) -> ColumnProfile:
    values = read_column(rows, name, kind)
    if isinstance(values, Numbers):
        return NumericProfile.of(values, bins if isinstance(bins, NumericBins) else None)
    return CategoricalProfile.of(values, bins if isinstance(bins, CategoricalBins) else None)
