"""Has the world moved? One window against what its model considers normal."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from perennial.drift.pools import CategoricalPool, NumericPool, Pool
from perennial.drift.reasons import describe, missing_reason, shift_reason
from perennial.drift.reference import (
    MIN_ROWS,
    MIN_WINDOWS,
    PREDICTION,
    ColumnReference,
    Reference,
    missing_rate,
    usable,
)
from perennial.drift.values import Categories, Floats, Numbers, Values, from_array, read_column
from perennial.errors import NotEnoughData
from perennial.verdict import Verdict

# A window with less than this share of the smallest reference window's rows scatters more than any of them did.
MIN_SHARE_OF_SMALLEST = 0.5
MOST_REASONS = 3
NEGLIGIBLE = 1e-9
# Scores closer than this are tied: rounding must not decide whether equal windows are equal.
TIED = 1e-5


@dataclass(frozen=True)
class ColumnDrift:
    """One column of a window against the reference.

    `distance` is in `unit`; `usual` is the mean distance of a reference window from the others, and `score` by how
    many SDs of those distances this one is larger. `missing_change` is the share of rows without a usable value
    minus the reference's; `missing_score` standardises its size in the same way. `unseen_share` is the share of
    values that the reference never had (categories only). `shift` is the sign of the change of the mean (numbers
    only). What could not be measured is None.
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

    @property
    def largest_score(self) -> float | None:
        """The larger of the two scores; None when neither could be measured."""
        return max((score for score in (self.score, self.missing_score) if score is not None), default=None)


@dataclass(frozen=True)
class Assessment:
    """Whether a window is drifted: `fail` is an alarm.

    `p_value` is None when the verdict is `insufficient`. `score` is the window's largest score over all columns;
    an alarm needs one above `critical_score`.
    """

    verdict: Verdict
    p_value: float | None
    level: float
    rows: int
    reference_windows: int
    score: float | None
    critical_score: float | None
    columns: tuple[ColumnDrift, ...]
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The assessment as a JSON object."""
        value = asdict(self)
        value["verdict"] = str(self.verdict)
        value["columns"] = [asdict(column) for column in self.columns]
        value["reasons"] = list(self.reasons)
        return value


def assess(reference: Reference, rows: pa.Table, level: float, predictions: Floats | None = None) -> Assessment:
    """Compare a window's rows with the reference.

    The p-value is the rank of the window's largest standardised score among those of the reference's own windows,
    each measured as if it were new: (1 + number at least as large) / (1 + windows), the conformal p-value of Vovk,
    Gammerman and Shafer (2005, Algorithmic Learning in a Random World, ch. 2). If windows were exchangeable, a share
    of about `level` of ordinary windows would raise an alarm.

    `predictions` are the model's for these rows; a reference fitted without predictions does not look at them.
    Errors: `SchemaMismatch` when a column is not there or holds another kind of values; `NotEnoughData` when the
    reference measures predictions and there is not one for each row.
    """
    columns = tuple(_measure(column, _values(column, rows, predictions)) for column in reference.columns)
    scores = [column.largest_score for column in columns if column.largest_score is not None]
    score = max(scores, default=None)
    n = len(reference.maxima)
    allowed = math.floor(level * (n + 1) + NEGLIGIBLE)  # the ranks at which p <= level, safe from rounding
    obstacle = _obstacle(reference, rows.num_rows, level)
    if obstacle is not None or score is None:
        reason = obstacle or "No monitored column could be measured."
        return Assessment(
            Verdict.INSUFFICIENT, None, level, rows.num_rows, len(reference.windows), score, None, columns, (reason,)
        )
    critical = sorted(reference.maxima, reverse=True)[allowed - 1]
    p_value = (1 + sum(other >= score - TIED for other in reference.maxima)) / (1 + n)
    verdict = Verdict.FAIL if score > critical + TIED else Verdict.PASS
    reasons = _reasons(verdict, p_value, level, critical, columns)
    return Assessment(verdict, p_value, level, rows.num_rows, len(reference.windows), score, critical, columns, reasons)


def _obstacle(reference: Reference, rows: int, level: float) -> str | None:
    """Why nothing can be said, if so."""
    n = len(reference.maxima)
    if n < MIN_WINDOWS:
        return (
            f"The model's reference has {n} windows of at least {MIN_ROWS} rows; "
            f"{MIN_WINDOWS} are needed to know what is ordinary."
        )
    if level * (n + 1) < 1 - NEGLIGIBLE:
        return (
            f"With {n} reference windows no p-value lies below {1 / (n + 1):.3g}, so an alarm at level {level:g} can't "
            f"happen; {math.ceil(1 / level) - 1} windows are needed."
        )
    if rows < MIN_ROWS:
        return f"The window has {rows} rows; {MIN_ROWS} are needed."
    if rows < MIN_SHARE_OF_SMALLEST * reference.smallest_rows:
        return (
            f"The window has {rows} rows, less than half of the smallest reference window ({reference.smallest_rows} "
            "rows): it would look unusual for its size alone."
        )
    return None


def _values(column: ColumnReference, rows: pa.Table, predictions: Floats | None) -> Values:
    if column.name != PREDICTION:
        return read_column(rows, column.name, column.kind)
    if predictions is None or len(predictions) != rows.num_rows:
        found = "none" if predictions is None else len(predictions)
        raise NotEnoughData(
            f"The reference measures the model's predictions: {rows.num_rows} rows need as many; got {found}."
        )
    return from_array(predictions)


def _measure(reference: ColumnReference, column: Values) -> ColumnDrift:
    pool, rate = reference.pool, missing_rate(column)
    distance = None
    if usable(column) >= MIN_ROWS and pool is not None:
        distance = _distance(pool, column)
    score = reference.ordinary.score(distance) if reference.ordinary and distance is not None else None
    change = rate - reference.missing_rate
    missing = reference.ordinary_missing.score(abs(change)) if reference.ordinary_missing and column.rows else None
    return ColumnDrift(
        name=reference.name,
        importance=reference.importance,
        unit=pool.unit if pool else "",
        distance=distance,
        usual=reference.ordinary.mean if reference.ordinary else None,
        score=score,
        missing_rate=rate,
        missing_change=change,
        missing_score=missing,
        unseen_share=_unseen(pool, column),
        shift=_shift(pool, column),
        description=describe(pool, column, distance),
    )


def _distance(pool: Pool, column: Values) -> float | None:
    if isinstance(pool, NumericPool) and isinstance(column, Numbers):
        return pool.distance(column)
    if isinstance(pool, CategoricalPool) and isinstance(column, Categories):
        return pool.distance(column)
    return None


def _unseen(pool: Pool | None, column: Values) -> float | None:
    if isinstance(pool, CategoricalPool) and isinstance(column, Categories) and column.counts:
        return pool.unseen_share(column)
    return None


def _shift(pool: Pool | None, column: Values) -> int | None:
    if not isinstance(pool, NumericPool) or not isinstance(column, Numbers) or not column.values.size:
        return None
    change = (float(column.values.mean()) - pool.mean) / pool.scale
    return 0 if abs(change) < NEGLIGIBLE else int(math.copysign(1, change))


def _reasons(
    verdict: Verdict, p_value: float, level: float, critical: float, columns: tuple[ColumnDrift, ...]
) -> tuple[str, ...]:
    """The verdict in words, then what led to it: on an alarm every column beyond what is ordinary, by importance."""
    ranked = sorted(
        columns, key=lambda c: (-c.importance * (c.largest_score or 0.0), -(c.largest_score or 0.0), c.name)
    )
    ranked = [column for column in ranked if column.largest_score is not None]
    if verdict is Verdict.PASS:
        farthest = max(ranked, key=lambda column: column.largest_score or 0.0)
        return (f"The window looks like the reference's own (p = {p_value:.3f}, level {level:g}).", _reason(farthest))
    beyond = [column for column in ranked if (column.largest_score or 0.0) > critical + TIED]
    named = [_reason(column) for column in beyond[:MOST_REASONS]]
    rest = len(beyond) - MOST_REASONS
    more = [f"{rest} more {'column is' if rest == 1 else 'columns are'} too far away."] if rest > 0 else []
    return (f"The window is unlike the reference's own (p = {p_value:.3f}, level {level:g}).", *named, *more)


def _reason(column: ColumnDrift) -> str:
    by_missing = column.score is None or (column.missing_score is not None and column.missing_score > column.score)
    name = "The model's prediction" if column.name == PREDICTION else column.name
    if by_missing:
        return missing_reason(name, column.missing_rate, column.missing_rate - column.missing_change)
    return shift_reason(name, column.description, column.usual)
