"""Has the world moved? One window against what its model considers normal."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import AliasChoices, Field
from scipy import stats

from perennial.arrays import Floats
from perennial.drift.columns import ColumnDrift, Compared, compare
from perennial.drift.conformal import TIED, p_value
from perennial.drift.joint_comparison import UNITS, compare_joint
from perennial.drift.profiles.profile import WindowProfile
from perennial.drift.reasons import missing_reason, shift_reason
from perennial.drift.reference import MIN_WINDOWS, PREDICTION, Reference
from perennial.errors import SchemaMismatch
from perennial.spec.problems import listed
from perennial.verdict import Verdict

# A window with less than this share of the smallest reference window's rows scatters more than any of them did.
MIN_SHARE_OF_SMALLEST = 0.5
MOST_REASONS = 3
NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class Assessment:
    """Whether a window is drifted: `fail` is an alarm.

    `p_value` is None when the verdict is `insufficient`. `score` is the window's largest score over all `columns` and
    over the `joint` measures of all numeric columns; an alarm needs one above `critical_score`. `impact` is the share
    of the model's importance that lies in drifted columns, 0 to 1. `left_out` are columns of the reference that the use
    case no longer has, and `not_watched` those that came after the model was trained.
    """

    verdict: Verdict
    p_value: float | None
    level: float
    rows: int
    reference_windows: int
    score: float | None
    critical_score: float | None
    impact: float
    columns: tuple[ColumnDrift, ...]
    joint: Annotated[tuple[ColumnDrift, ...], Field(validation_alias=AliasChoices("joint", "together"))]  # 0.1.0's name
    reasons: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    not_watched: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The drifted columns, if in all of them it is missing values that are unusual; else none."""
        drifted = [column for column in self.columns if column.drifted]
        return tuple(column.name for column in drifted) if all(map(_by_missing, drifted)) else ()

    @property
    def own_evidence(self) -> dict[str, dict[str, Any]]:
        """What each column and each joint measure says by itself, as JSON: enough to accumulate.

        `p_value`, whether values are `missing` more unusually than they are far away, and the column's `importance`;
        null where it has none: what all columns are together, and the predictions.
        """
        return {
            each.name: {
                "p_value": each.p_value,
                "missing": _by_missing(each),
                "importance": None if each.name in UNITS or each.name == PREDICTION else each.importance,
            }
            for each in (*self.columns, *self.joint)
            if each.p_value is not None
        }

    def to_json(self) -> dict[str, Any]:
        """The assessment as a JSON object."""
        value = asdict(self)
        value["verdict"] = str(self.verdict)
        value["columns"] = [asdict(column) for column in self.columns]
        value["joint"] = [asdict(measure) for measure in self.joint]
        value |= {name: list(value[name]) for name in ("reasons", "left_out", "not_watched")}
        return value


def assess(reference: Reference, rows: pa.Table, level: float, predictions: Floats | None = None) -> Assessment:
    """`assess_profile` of a window's rows. Errors: those of `Reference.profile`."""
    return assess_profile(reference, reference.profile(rows, predictions), level)


def assess_profile(
    reference: Reference,
    window: WindowProfile,
    level: float,
    left_out: Collection[str] = (),
    not_watched: Collection[str] = (),
) -> Assessment:
    """Compare a window, or several merged, with the reference, in all columns but those `left_out`.

    The p-value is the rank of the window's largest standardised score among those of the reference's own windows,
    all of them treated alike (see `perennial.drift.conformal`): when windows are exchangeable, at most a share of
    `level` of ordinary windows raise an alarm, however many columns there are. The maximum over columns stands in for
    a correction for their number (Westfall and Young, 1993, Resampling-Based Multiple Testing). Several windows merged
    scatter less than the reference's single ones, which keeps their p-values on the safe side.

    Errors: `SchemaMismatch` when the profile was not made by `reference.profile`.
    """
    if window.bins != reference.bins_digest:
        raise SchemaMismatch(
            "The window's profile was counted in the bins of another reference. Make it with `profile` of the "
            "reference it is compared with."
        )
    measured = [column for column in reference.columns if column.name not in left_out]
    compared = [compare(column, reference.rows, window, reference.min_rows) for column in measured]
    n, single = len(reference.windows), len(compared)
    compared += compare_joint(reference, window, left_out)
    changed = _changed(left_out, not_watched)
    obstacle = _obstacle(reference, window.rows, level)
    maxima = np.max([each.scores for each in compared], axis=0) if compared else np.full(n + 1, -np.inf)
    if obstacle is None and not math.isfinite(maxima[-1]):
        obstacle = "No monitored column could be measured."
    if obstacle is not None:
        found = tuple(each.drift for each in compared)
        return Assessment(
            verdict=Verdict.INSUFFICIENT,
            p_value=None,
            level=level,
            rows=window.rows,
            reference_windows=n,
            score=None,
            critical_score=None,
            impact=0.0,
            columns=found[:single],
            joint=found[single:],
            reasons=(obstacle, *changed),
            left_out=tuple(left_out),
            not_watched=tuple(not_watched),
        )
    score, others = float(maxima[-1]), maxima[:-1]
    allowed = math.floor(level * (n + 1) + NEGLIGIBLE)  # the ranks at which p <= level, safe from rounding
    critical = float(np.sort(others)[-allowed])
    p = p_value(others, score)
    verdict = Verdict.FAIL if score > critical + TIED else Verdict.PASS
    found = _with_p_values(compared, others, critical)
    columns, joint = found[:single], found[single:]
    return Assessment(
        verdict=verdict,
        p_value=p,
        level=level,
        rows=window.rows,
        reference_windows=n,
        score=score,
        critical_score=critical,
        impact=min(1.0, sum(each.importance for each in columns if each.drifted and each.name != PREDICTION)),
        columns=columns,
        joint=joint,
        reasons=(*_reasons(verdict, p, level, columns, joint), *changed),
        left_out=tuple(left_out),
        not_watched=tuple(not_watched),
    )


def _changed(left_out: Collection[str], not_watched: Collection[str]) -> Iterator[str]:
    """What is said about columns that came or went after the model was trained."""
    if left_out:
        yield f"Not measured, because use_case.yaml no longer monitors them: {listed(left_out)}."
    if not_watched:
        yield f"Not watched until the next model, whose reference will have them: {listed(not_watched)}."


def _obstacle(reference: Reference, rows: int, level: float) -> str | None:
    """Why nothing can be said, if so."""
    n = len(reference.windows)
    if n < MIN_WINDOWS:
        return (
            f"The model's reference has {n} windows of at least {reference.min_rows} rows; "
            f"{MIN_WINDOWS} are needed to know what is ordinary."
        )
    if level * (n + 1) < 1 - NEGLIGIBLE:
        return (
            f"With {n} reference windows no p-value lies below {1 / (n + 1):.3g}, so an alarm at level {level:.3g} "
            f"can't happen; {math.ceil(1 / level) - 1} windows are needed."
        )
    if rows < reference.min_rows:
        return f"The window has {rows} rows; {reference.min_rows} are needed."
    smallest = min(reference.rows)
    if rows < MIN_SHARE_OF_SMALLEST * smallest:
        return (
            f"The window has {rows} rows, less than half of the smallest reference window ({smallest} "
            "rows): it would look unusual for its size alone."
        )
    return None


def _with_p_values(compared: Sequence[Compared], maxima: Floats, critical: float) -> tuple[ColumnDrift, ...]:
    """The columns, with p-values where they could be measured."""
    measured = [column for column in compared if column.drift.largest_score is not None]
    own = [_own_p_value(column.scores) for column in measured]
    # Benjamini and Yekutieli (2001, Annals of Statistics 29(4)): columns depend on each other in any way.
    discoveries = stats.false_discovery_control(own, method="by").tolist()
    found = {
        column.drift.name: replace(
            column.drift,
            p_value=p,
            adjusted_p_value=p_value(maxima, float(column.scores[-1])),
            q_value=q,
            drifted=bool(column.scores[-1] > critical + TIED),
        )
        for column, p, q in zip(measured, own, discoveries, strict=True)
    }
    return tuple(found.get(column.drift.name, column.drift) for column in compared)


def _own_p_value(scores: Floats) -> float:
    others = scores[:-1]
    return p_value(others[np.isfinite(others)], float(scores[-1]))


def _reasons(
    verdict: Verdict, p: float, level: float, columns: tuple[ColumnDrift, ...], joint: tuple[ColumnDrift, ...]
) -> tuple[str, ...]:
    """The verdict in words, then what led to it: on an alarm every column beyond what is ordinary, by importance.

    A joint measure is named only where no single column explains the verdict.
    """
    if verdict is Verdict.PASS:
        farthest = max((*columns, *joint), key=_size)
        return (f"The window looks like the reference's own (p = {p:.3f}, level {level:.3g}).", _reason(farthest))
    beyond = sorted(
        (column for column in columns if column.drifted),
        key=lambda column: (-column.importance * _size(column), -_size(column), column.name),
    )
    beyond = beyond or [measure for measure in joint if measure.drifted]
    named = [_reason(column) for column in beyond[:MOST_REASONS]]
    rest = len(beyond) - MOST_REASONS
    more = [f"{rest} more {'column is' if rest == 1 else 'columns are'} too far away."] if rest > 0 else []
    return (f"The window is unlike the reference's own (p = {p:.3f}, level {level:.3g}).", *named, *more)


def _size(column: ColumnDrift) -> float:
    return -math.inf if column.largest_score is None else column.largest_score


def _by_missing(column: ColumnDrift) -> bool:
    return column.score is None or (column.missing_score is not None and column.missing_score > column.score)


def _reason(column: ColumnDrift) -> str:
    if column.name in UNITS:
        return f"{column.description[0].upper()}{column.description[1:]}."
    name = "The model's prediction" if column.name == PREDICTION else column.name
    if column.distance is None and not column.missing_rate:
        return f"{name}: {column.description}."
    # Where nothing is missing, now or before, even the larger of the two scores says nothing of it.
    if _by_missing(column) and (column.missing_rate or column.missing_change):
        return missing_reason(name, column.missing_rate, column.missing_rate - column.missing_change)
    return shift_reason(name, column.description, column.usual)
