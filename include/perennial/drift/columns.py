"""One column of a window against the reference: how far away it is, and how unusual that is."""

import math
from dataclasses import dataclass

import numpy as np

from perennial.arrays import Floats
from perennial.drift.conformal import areas_from_rest, standardised
from perennial.drift.measures import Measures, measure_categories, measure_numbers
from perennial.drift.profiles.bins import Bins, CategoricalBins, CategoryCounts, Counts, NumericBins, NumericCounts
from perennial.drift.profiles.profile import WindowProfile
from perennial.drift.reasons import describe
from perennial.drift.reference import MIN_WINDOWS, ColumnReference, distances_from_rest, shape_of
from perennial.errors import SchemaMismatch


@dataclass(frozen=True)
class Floor:
    """What is too small to matter: distances up to `negligible` count as equal, SDs below `spread` as `spread`."""

    negligible: float
    spread: float


NUMERIC_FLOOR = Floor(0.05, 0.01)  # reference SDs
CONSTANT_FLOOR = Floor(0.01, 0.01)  # times the constant
CATEGORICAL_FLOOR = Floor(0.02, 0.005)  # Jensen-Shannon distance
MISSING_FLOOR = Floor(0.01, 0.005)  # share of rows
NEGLIGIBLE_SHIFT = 1e-9


@dataclass(frozen=True)
class ColumnDrift:
    """One column of a window against the reference.

    `distance` is in `unit`; `usual` is the mean distance of a reference window from the others, and `score` by how
    many SDs of those distances this one is larger. `missing_change` is the share of rows without a usable value
    minus the reference's; `missing_score` standardises its size in the same way. `unseen_share` is the share of
    values that the reference never had (categories only). `shift` is the sign of the change of the mean (numbers
    only). What could not be measured is None.

    `p_value` is the rank of the column's larger score among the reference windows' scores in this column;
    `adjusted_p_value` its rank among their largest scores in any column: the chance that an ordinary window has any
    column like this one (Westfall and Young, 1993, Resampling-Based Multiple Testing). `q_value` is the false
    discovery rate of naming this column and those with smaller p-values (Benjamini and Yekutieli, 2001). `drifted`
    columns are those with an adjusted p-value not above the level.
    """

    name: str
    importance: float
    unit: str
    distance: float | None
    usual: float | None
    score: float | None
    missing_rate: float
    missing_change: float
    missing_score: float | None
    unseen_share: float | None
    shift: int | None
    description: str
    measures: Measures | None
    p_value: float | None = None
    adjusted_p_value: float | None = None
    q_value: float | None = None
    drifted: bool = False

    @property
    def largest_score(self) -> float | None:
        """The larger of the two scores; None when neither could be measured."""
        return max((score for score in (self.score, self.missing_score) if score is not None), default=None)


@dataclass(frozen=True)
class Compared:
    """A column's drift, and the larger of its two scores in each reference window and, last, in the new one."""

    drift: ColumnDrift
    scores: Floats


def compare(reference: ColumnReference, rows: tuple[int, ...], window: WindowProfile, min_rows: int) -> Compared:
    """Measure the new window together with the reference's, whose sizes are `rows`, each against all others; columns
    with fewer than `min_rows` values are not.

    Errors: `SchemaMismatch` when the profile lacks the column.
    """
    found = window.numeric.get(reference.name) or window.categorical.get(reference.name)
    if found is None:
        raise SchemaMismatch(
            f"The window's profile lacks the column {reference.name!r}. Make it with the reference's own `profile`."
        )
    counted = window.counted(reference.name)
    usable = counted.usable if counted else _usable(window, reference.name)
    rate = 1 - usable / found.rows if found.rows else 0.0
    distances = _distances(reference, counted, min_rows)
    scores = _scores(distances, _floor(reference.bins))
    missing = _missing_scores(reference, rows, usable, found.rows)
    distance = None if math.isnan(distances[-1]) else float(distances[-1])
    drift = ColumnDrift(
        name=reference.name,
        importance=reference.importance,
        unit=reference.bins.unit if reference.bins else "",
        distance=distance,
        usual=reference.usual,
        score=_finite(scores[-1]),
        missing_rate=rate,
        missing_change=rate - reference.missing_rate,
        missing_score=_finite(missing[-1]),
        unseen_share=_unseen(reference.bins, counted),
        shift=_shift(reference.pooled, counted),
        description=describe(reference.bins, reference.pooled, counted, distance),
        measures=measures_of(reference, counted),
    )
    return Compared(drift, np.maximum(scores, missing))


def _usable(window: WindowProfile, name: str) -> int:
    """How many values can be measured in a column without bins: the reference had none."""
    if name in window.numeric:
        return window.numeric[name].moments.count
    return window.categorical[name].rows - window.categorical[name].missing


def _distances(reference: ColumnReference, counted: Counts | None, min_rows: int) -> Floats:
    if reference.bins is None or counted is None:
        return np.full(len(reference.usable) + 1, np.nan)
    shapes = np.vstack([reference.shapes, shape_of(reference.bins, counted)])
    usable = np.array([*reference.usable, counted.usable], dtype=np.float64)
    return distances_from_rest(reference.bins, shapes, usable, min_rows)


def _scores(distances: Floats, floor: Floor) -> Floats:
    if np.count_nonzero(~np.isnan(distances)) <= MIN_WINDOWS:  # the new window is not one of the reference's
        return np.full(len(distances), -np.inf)
    return standardised(distances, floor.negligible, floor.spread)


def _missing_scores(reference: ColumnReference, rows: tuple[int, ...], usable: int, new_rows: int) -> Floats:
    sizes = np.array([*rows, new_rows], dtype=np.float64)
    if len(rows) < MIN_WINDOWS or not new_rows:
        return np.full(len(sizes), -np.inf)
    rates = 1 - np.array([*reference.usable, usable]) / sizes
    return standardised(areas_from_rest(rates[:, None], sizes), MISSING_FLOOR.negligible, MISSING_FLOOR.spread)


def _floor(bins: Bins | None) -> Floor:
    if isinstance(bins, NumericBins):
        return CONSTANT_FLOOR if bins.constant else NUMERIC_FLOOR
    return CATEGORICAL_FLOOR


def measures_of(reference: ColumnReference, counted: Counts | None) -> Measures | None:
    """How the counts lie beside the reference; None when nothing was counted, or not as the reference counts."""
    bins, pooled = reference.bins, reference.pooled
    if counted is None or not counted.rows:
        return None
    if isinstance(bins, NumericBins) and isinstance(pooled, NumericCounts) and isinstance(counted, NumericCounts):
        return measure_numbers(bins, pooled, counted)
    if isinstance(bins, CategoricalBins) and isinstance(pooled, CategoryCounts) and isinstance(counted, CategoryCounts):
        return measure_categories(bins, pooled, counted)
    return None


def _unseen(bins: Bins | None, counted: Counts | None) -> float | None:
    if isinstance(bins, CategoricalBins) and isinstance(counted, CategoryCounts):
        return bins.unseen_share(counted)
    return None


def _shift(pooled: Counts | None, counted: Counts | None) -> int | None:
    if not isinstance(pooled, NumericCounts) or not isinstance(counted, NumericCounts):
        return None
    before, now = pooled.mean, counted.mean
    if before is None or now is None:
        return None
    return 0 if abs(now - before) < NEGLIGIBLE_SHIFT else int(math.copysign(1, now - before))


def _finite(score: float) -> float | None:
    return float(score) if math.isfinite(score) else None
