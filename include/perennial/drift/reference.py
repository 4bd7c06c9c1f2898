"""What a model considers normal: the pooled columns of its training windows, and how far those lie apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from perennial.drift.leave_one_out import LeaveOneOut, centre_and_spread, leave_one_out, standardise
from perennial.drift.pools import CategoricalPool, NumericPool, Pool, areas_from_rest, shares_from_rest
from perennial.drift.values import Categories, Floats, Numbers, Values, from_array, read_column
from perennial.errors import NotEnoughData, UntrustedModel
from perennial.spec.models import Kind

MIN_WINDOWS = 20
MIN_ROWS = 50
PREDICTION = "(prediction)"  # brackets, so that no column of a use case can have the name

# Ordinary distances that vary less than this are taken to vary by this: what lies below doesn't matter in practice.
NUMERIC_FLOOR = 0.01  # reference SDs
CATEGORICAL_FLOOR = 0.005  # Jensen-Shannon distance
MISSING_FLOOR = 0.005  # share of rows


@dataclass(frozen=True)
class Ordinary:
    """Distances of the reference windows from the pool of all others, in the windows' order, their mean and SD.

    A window that could not be measured has None. `sd` is at least the measure's floor.
    """

    distances: tuple[float | None, ...]
    mean: float
    sd: float

    def score(self, distance: float) -> float:
        """By how many SDs the distance is larger than an ordinary one."""
        return standardise(distance, self.mean, self.sd)


@dataclass(frozen=True)
class ColumnReference:
    """One column of the reference.

    `missing_rate` is the share of rows without a usable value: null, NaN or infinite. `pool` is None when no window
    had `MIN_ROWS` values; `ordinary` and `ordinary_missing` are None below `MIN_WINDOWS` measured windows.
    `importance` is the column's share of all importances, 0 to 1; the predictions have 1.
    """

    name: str
    kind: Kind
    importance: float
    missing_rate: float
    pool: Pool | None
    ordinary: Ordinary | None
    ordinary_missing: Ordinary | None


@dataclass(frozen=True)
class Reference:
    """What a model version considers normal, fitted on its training windows and stored with it.

    `windows` are those of at least `MIN_ROWS` rows, `left_out` the smaller ones. `maxima` holds, for each window,
    the largest of its columns' standardised scores, measured as if the window were new: the null distribution.
    """

    windows: tuple[str, ...]
    left_out: tuple[str, ...]
    smallest_rows: int
    columns: tuple[ColumnReference, ...]
    maxima: tuple[float, ...]
    format: Literal[1] = 1

    def to_json(self) -> dict[str, Any]:
        """The reference as a JSON object."""
        value: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Reference":
        """The reference that `to_json` wrote. Errors: `UntrustedModel` when it is not one."""
        try:
            return _ADAPTER.validate_python(dict(value))
        except ValidationError as error:
            raise UntrustedModel(
                f"The model's drift reference can't be read; train and register the model again. {error}"
            ) from error


_ADAPTER: TypeAdapter[Reference] = TypeAdapter(Reference)


def fit_reference(
    windows: Sequence[tuple[str, pa.Table]],
    columns: Mapping[str, Kind],
    importances: Mapping[str, float],
    predictions: Sequence[Floats] | None = None,
) -> Reference:
    """Learn what is normal from named windows of rows, oldest first.

    `predictions` holds one array for each window, made by the model for rows it was not trained on: predictions of
    its own training rows are more certain than any later ones, and every new window would look drifted. Without
    them, drift of the predictions is not measured. The result depends on the rows' content only, not on their order.

    Errors: `SchemaMismatch` when a column is not there or holds another kind of values; `NotEnoughData` when
    predictions and rows don't match.
    """
    _check_predictions(windows, predictions)
    kept = [i for i, (_, rows) in enumerate(windows) if rows.num_rows >= MIN_ROWS]
    total = sum(max(value, 0.0) for value in importances.values())
    fitted: list[ColumnReference] = []
    scores: list[Floats] = []
    for name, kind in columns.items():
        share = max(importances.get(name, 0.0), 0.0) / total if total > 0 else 0.0
        values = [read_column(windows[i][1], name, kind) for i in kept]
        column, of_windows = _fit_column(name, kind, share, values)
        fitted.append(column)
        scores.extend(of_windows)
    if predictions is not None:
        column, of_windows = _fit_column(PREDICTION, Kind.NUMERIC, 1.0, [from_array(predictions[i]) for i in kept])
        fitted.append(column)
        scores.extend(of_windows)
    return Reference(
        windows=tuple(windows[i][0] for i in kept),
        left_out=tuple(name for name, rows in windows if rows.num_rows < MIN_ROWS),
        smallest_rows=min((windows[i][1].num_rows for i in kept), default=0),
        columns=tuple(fitted),
        maxima=tuple(np.max(scores, axis=0).tolist()) if scores else (),
    )


def usable(column: Values) -> int:
    """How many rows have a value that can be measured."""
    return len(column.values) if isinstance(column, Numbers) else column.rows - column.missing


def missing_rate(column: Values) -> float:
    """Share of rows without such a value."""
    return 1 - usable(column) / column.rows if column.rows else 0.0


def _fit_column(
    name: str, kind: Kind, importance: float, windows: Sequence[Values]
) -> tuple[ColumnReference, list[Floats]]:
    """The column's reference, and its scores: per measure one for each window, minus infinity where unmeasured."""
    rows = np.array([column.rows for column in windows], dtype=np.float64)
    rates = np.array([missing_rate(column) for column in windows])
    measured = np.array([usable(column) >= MIN_ROWS for column in windows], dtype=bool)
    pool, shapes, floor = _pool([column for column in windows if usable(column) >= MIN_ROWS])
    scores: list[Floats] = []
    ordinary = ordinary_missing = None
    if measured.sum() >= MIN_WINDOWS:
        counts = np.array([usable(column) for column in windows], dtype=np.float64)[measured]
        distance = areas_from_rest if isinstance(pool, NumericPool) else shares_from_rest
        ordinary = _collect(leave_one_out(shapes, counts, distance, floor), measured, floor, scores)
    if len(windows) >= MIN_WINDOWS:
        everywhere = np.ones(len(windows), dtype=bool)
        left_out = leave_one_out(rates[:, None], rows, areas_from_rest, MISSING_FLOOR)
        ordinary_missing = _collect(left_out, everywhere, MISSING_FLOOR, scores)
    overall = float(rates @ rows / rows.sum()) if len(windows) else 0.0
    return ColumnReference(name, kind, importance, overall, pool, ordinary, ordinary_missing), scores


def _pool(windows: Sequence[Values]) -> tuple[Pool | None, Floats, float]:
    """The pool, its windows' rows of numbers, and the measure's floor."""
    numbers = [column for column in windows if isinstance(column, Numbers)]
    categories = [column for column in windows if isinstance(column, Categories)]
    if numbers:
        numeric = NumericPool.of(numbers)
        return numeric, np.array([numeric.row(column) for column in numbers]), NUMERIC_FLOOR
    if categories:
        categorical = CategoricalPool.of(categories)
        return categorical, np.array([categorical.row(column) for column in categories]), CATEGORICAL_FLOOR
    return None, np.empty((0, 0)), 0.0


def _collect(
    result: LeaveOneOut, measured: np.ndarray[Any, np.dtype[np.bool_]], floor: float, scores: list[Floats]
) -> Ordinary:
    """Keep the scores for the maxima, and the distances in the order of all windows."""
    spread = np.full(len(measured), -np.inf)
    spread[measured] = result.scores
    scores.append(spread)
    distances = iter(result.distances.tolist())
    mean, sd = centre_and_spread(result.distances, floor)
    return Ordinary(tuple(next(distances) if seen else None for seen in measured), mean, sd)


def _check_predictions(windows: Sequence[tuple[str, pa.Table]], predictions: Sequence[Floats] | None) -> None:
    if predictions is None:
        return
    sizes = [rows.num_rows for _, rows in windows]
    found = [len(values) for values in predictions]
    if sizes != found:
        raise NotEnoughData(
            f"A reference needs one prediction for each row; the windows have {sizes} rows and {found} predictions."
        )
