"""What a model considers normal: its training windows, counted in their own bins, and how far they lie apart."""

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Literal

import numpy as np
import pyarrow as pa

from perennial.arrays import Floats
from perennial.drift.conformal import areas_from_rest, shares_from_rest
from perennial.drift.profiles.bins import Bins, CategoricalBins, CategoryCounts, Counts, NumericBins, NumericCounts
from perennial.drift.profiles.joint import JointMoments
from perennial.drift.profiles.profile import WindowProfile, digest_of_bins, joint_bins, profile
from perennial.drift.profiles.values import Categories, Numbers, Values, from_array, read_column
from perennial.drift.profiles.withheld import without_categories
from perennial.errors import NotEnoughData, UntrustedModel
from perennial.spec.columns import Kind

MIN_WINDOWS = 20
MIN_ROWS = 50  # where windows are large enough
FEWEST_ROWS = 5  # fewer say next to nothing about a window
PREDICTION = "(prediction)"  # brackets, so that no column of a use case can have the name
# Shapes are kept in single precision; a new window's are rounded in the same way.
LARGEST_AREA = 1e30


@dataclass(frozen=True)
class ColumnReference:
    """One column of the reference.

    `pooled` are all windows' values together. Of each window there are its number of `usable` values (not null, NaN
    or infinite), and its shape (see `perennial.drift.profiles.bins`), in `packed`. `bins` and `pooled` are None when
    the column had no value at all.
    `usual` is the mean distance of a window from all others, `usual_missing` that of their shares of missing values;
    None below `MIN_WINDOWS` windows that could be measured.
    `importance` is the column's share of all importances, 0 to 1; the predictions have 1.
    """

    name: str
    kind: Kind
    importance: float
    bins: Bins | None
    pooled: Counts | None
    usable: tuple[int, ...]
    packed: str
    missing_rate: float
    usual: float | None
    usual_missing: float | None

    def __post_init__(self) -> None:
        values = len(_unpack(self.packed))
        if values != len(self.usable) * self.width:
            raise ValueError(
                f"{self.name} has {values} numbers for {len(self.usable)} windows of {self.width} areas or shares"
            )

    @property
    def width(self) -> int:
        """How many numbers a window's shape has."""
        if self.bins is None:
            return 0
        return len(self.bins.edges) + 1 if isinstance(self.bins, NumericBins) else len(self.bins.categories) + 1

    @property
    def shapes(self) -> Floats:
        """The windows' shapes (windows x width); zeros for one without a usable value."""
        return _unpack(self.packed).reshape(len(self.usable), self.width)


@dataclass(frozen=True)
class Reference:
    """What a model version considers normal, fitted on its training windows and stored with it.

    `windows` are those of at least `min_rows` rows and `rows` their sizes, `left_out` the smaller ones. `packed` are
    their joint means (see `perennial.drift.profiles.joint`). A window or a column with fewer than `min_rows` values is
    not measured.
    """

    windows: tuple[str, ...]
    rows: tuple[int, ...]
    left_out: tuple[str, ...]
    columns: tuple[ColumnReference, ...]
    packed: str
    format: Literal[2] = 2
    min_rows: int = MIN_ROWS

    def __post_init__(self) -> None:
        width = len(self.joint_columns) * (len(self.joint_columns) + 1)
        if len(_unpack(self.packed)) != len(self.windows) * width:
            raise ValueError(f"the joint means are not {len(self.windows)} times {width} numbers")

    @cached_property
    def bins(self) -> dict[str, Bins]:
        """The bins of the columns that have any."""
        return {column.name: column.bins for column in self.columns if column.bins is not None}

    @cached_property
    def joint_columns(self) -> tuple[str, ...]:
        """The columns that are measured together."""
        return tuple(joint_bins(self.bins))

    @property
    def joint_means(self) -> Floats:
        """Each window's joint means (windows x numbers)."""
        width = len(self.joint_columns) * (len(self.joint_columns) + 1)
        return _unpack(self.packed).reshape(len(self.windows), width)

    @cached_property
    def bins_digest(self) -> str:
        """What names these bins in profiles."""
        return digest_of_bins(self.bins)

    def profile(self, rows: pa.Table, predictions: Floats | None = None) -> WindowProfile:
        """The profile of a window's rows, counted in this reference's bins.

        `predictions` are the model's for these rows; a reference fitted without predictions does not look at them.
        Errors: `SchemaMismatch` when a column is not there or holds another kind of values; `NotEnoughData` when the
        reference measures predictions and there is not one for each row.
        """
        kinds = {column.name: column.kind for column in self.columns}
        return profile(_with_predictions(rows, predictions) if PREDICTION in kinds else rows, kinds, self.bins)

    def withholding(self, personal: Collection[str]) -> "Reference":
        """The same, with pseudonyms for the categories of personal columns: see `perennial.drift.profiles.withheld`."""
        columns = tuple(
            replace(column, bins=without_categories(column.bins, column.name))
            if column.bins is not None and column.name in personal
            else column
            for column in self.columns
        )
        return replace(self, columns=columns)


def fit_reference(
    windows: Sequence[tuple[str, pa.Table]],
    columns: Mapping[str, Kind],
    importances: Mapping[str, float],
    predictions: Sequence[Floats] | None = None,
    min_rows: int | None = None,
) -> Reference:
    """Learn what is normal from named windows of rows, oldest first.

    `predictions` holds one array for each window, made by the model for rows it was not trained on: predictions of
    its own training rows are more certain than any later ones, and every new window would look drifted. Without
    them, drift of the predictions is not measured. `min_rows` is how many rows a window needs; without it,
    `enough_rows` of these windows. The result depends on the rows' content only, not on their order.

    Errors: `SchemaMismatch` when a column is not there or holds another kind of values; `NotEnoughData` when
    predictions and rows don't match.
    """
    _check_predictions(windows, predictions)
    least = enough_rows([rows.num_rows for _, rows in windows]) if min_rows is None else min_rows
    kept = [i for i, (_, rows) in enumerate(windows) if rows.num_rows >= least]
    total = sum(max(value, 0.0) for value in importances.values())
    fitted: list[ColumnReference] = []
    for name, kind in columns.items():
        share = max(importances.get(name, 0.0), 0.0) / total if total > 0 else 0.0
        fitted.append(_fit_column(name, kind, share, [read_column(windows[i][1], name, kind) for i in kept], least))
    if predictions is not None:
        fitted.append(_fit_column(PREDICTION, Kind.NUMERIC, 1.0, [from_array(predictions[i]) for i in kept], least))
    together = joint_bins({column.name: column.bins for column in fitted if column.bins is not None})
    means = [
        JointMoments.of(
            windows[i][1] if predictions is None else _with_predictions(windows[i][1], predictions[i]), together
        ).means
        for i in kept
        if together
    ]
    return Reference(
        windows=tuple(windows[i][0] for i in kept),
        rows=tuple(windows[i][1].num_rows for i in kept),
        left_out=tuple(name for name, rows in windows if rows.num_rows < least),
        columns=tuple(fitted),
        packed=pack(np.array(means)),
        min_rows=least,
    )


def enough_rows(sizes: Sequence[int]) -> int:
    """How many rows a window needs to be measured, where ordinary windows have these sizes.

    Half of the median size, from 5 to 50: a use case of 24 rows a window is measured too, and one of thousands doesn't
    take a remainder of six rows for a window.

    >>> enough_rows([24, 24, 23]), enough_rows([900, 1000]), enough_rows([])
    (12, 50, 50)
    """
    return int(min(MIN_ROWS, max(FEWEST_ROWS, np.median(sizes) / 2))) if len(sizes) else MIN_ROWS


def stored(values: Floats) -> Floats:
    """The values in the precision that references keep."""
    return np.asarray(np.minimum(values, LARGEST_AREA).astype("<f4"), dtype=np.float64)


def shape_of(bins: Bins, counted: Counts) -> Floats:
    """A window's areas or shares, in the precision that references keep; zeros without a usable value."""
    if isinstance(bins, NumericBins) and isinstance(counted, NumericCounts):
        found = bins.shape(counted) if counted.usable else np.zeros(len(bins.edges) + 1)
    elif isinstance(bins, CategoricalBins) and isinstance(counted, CategoryCounts):
        found = bins.shape(counted) if counted.usable else np.zeros(len(bins.categories) + 1)
    else:
        raise UntrustedModel(
            "The model's drift reference has bins of one kind and counts of another; register it anew."
        )
    return stored(found)


def distances_from_rest(bins: Bins, shapes: Floats, usable: Floats, min_rows: int) -> Floats:
    """Each window's distance from the pool of all others; NaN for those with fewer than `min_rows` usable values."""
    measured = usable >= min_rows
    found = np.full(len(usable), np.nan)
    if measured.sum() > 1:
        from_rest = areas_from_rest if isinstance(bins, NumericBins) else shares_from_rest
        found[measured] = from_rest(shapes[measured], usable[measured])
    return found


def usual_distances(
    bins: Bins | None, shapes: Floats, usable: Floats, rows: Floats, min_rows: int
) -> tuple[float | None, float | None]:
    """The mean distance of a window from all others, and that of their shares of missing values.

    None below `MIN_WINDOWS` windows that could be measured.
    """
    apart = distances_from_rest(bins, shapes, usable, min_rows) if bins else np.full(len(usable), np.nan)
    measured = np.count_nonzero(~np.isnan(apart)) >= MIN_WINDOWS
    rates = 1 - usable / rows
    missing = float(areas_from_rest(rates[:, None], rows).mean()) if len(rows) >= MIN_WINDOWS else None
    return float(np.nanmean(apart)) if measured else None, missing


def _fit_column(name: str, kind: Kind, importance: float, windows: Sequence[Values], min_rows: int) -> ColumnReference:
    bins = _bins(windows)
    counted = [_count(bins, column) for column in windows]
    usable = np.array([_usable(column) for column in windows], dtype=np.float64)
    rows = np.array([column.rows for column in windows], dtype=np.float64)
    shapes = np.array([shape_of(bins, each) for each in counted if each]) if bins else np.empty((len(windows), 0))
    usual, usual_missing = usual_distances(bins, shapes, usable, rows, min_rows)
    return ColumnReference(
        name=name,
        kind=kind,
        importance=importance,
        bins=bins,
        pooled=_together([each for each in counted if each]),
        usable=tuple(int(count) for count in usable),
        packed=pack(shapes),
        missing_rate=float(1 - usable.sum() / rows.sum()) if len(windows) else 0.0,
        usual=usual,
        usual_missing=usual_missing,
    )


def _bins(windows: Sequence[Values]) -> Bins | None:
    numbers = [column for column in windows if isinstance(column, Numbers)]
    return NumericBins.of(numbers) or CategoricalBins.of([each for each in windows if isinstance(each, Categories)])


def _count(bins: Bins | None, column: Values) -> Counts | None:
    if isinstance(bins, NumericBins) and isinstance(column, Numbers):
        return bins.count(np.sort(column.values), column)
    if isinstance(bins, CategoricalBins) and isinstance(column, Categories):
        return bins.count(column)
    return None


def _together(counted: Sequence[Counts]) -> Counts | None:
    numbers = [each for each in counted if isinstance(each, NumericCounts)]
    categories = [each for each in counted if isinstance(each, CategoryCounts)]
    if numbers:
        return reduce(NumericCounts.merge, numbers)
    return reduce(CategoryCounts.merge, categories) if categories else None


def pack(values: Floats) -> str:
    """Numbers in single precision, as text."""
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _unpack(packed: str) -> Floats:
    try:
        return np.frombuffer(base64.b64decode(packed, validate=True), dtype="<f4").astype(np.float64)
    except ValueError as error:  # not base64, or not whole numbers of four bytes
        raise ValueError("its numbers are damaged") from error


def _usable(column: Values) -> int:
    return len(column.values) if isinstance(column, Numbers) else column.rows - column.missing


def _with_predictions(rows: pa.Table, predictions: Floats | None) -> pa.Table:
    if predictions is None or len(predictions) != rows.num_rows:
        found = "none" if predictions is None else len(predictions)
        raise NotEnoughData(
            f"The reference measures the model's predictions: {rows.num_rows} rows need as many; got {found}."
        )
    return rows.append_column(PREDICTION, pa.array(predictions))


def _check_predictions(windows: Sequence[tuple[str, pa.Table]], predictions: Sequence[Floats] | None) -> None:
    if predictions is None:
        return
    sizes = [rows.num_rows for _, rows in windows]
    found = [len(values) for values in predictions]
    if sizes != found:
        raise NotEnoughData(
            f"A reference needs one prediction for each row; the windows have {sizes} rows and {found} predictions."
        )
