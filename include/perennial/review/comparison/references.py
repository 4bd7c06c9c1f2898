"""What two models consider normal, column by column: importance, missing values, and where the values lie."""

from dataclasses import dataclass

from perennial.drift.profiles.bins import CategoricalBins, CategoryCounts, NumericBins
from perennial.drift.reference import ColumnReference, Reference

NO_REGISTRY = "The reference of version {} can't be read right now: the model registry does not answer."


@dataclass(frozen=True)
class ReferenceCompared:
    """A column of both models' references.

    `importance` is the column's share of the model's importances, `missing` the share of missing values. `moved` is
    how far the mean went, in SDs of the earlier reference (numbers), or the share of rows that have other categories.
    """

    name: str
    importance_before: float | None
    importance_after: float | None
    missing_before: float | None
    missing_after: float | None
    mean_before: float | None
    mean_after: float | None
    moved: float | None


def references(before: Reference | None, after: Reference | None) -> tuple[ReferenceCompared, ...]:
    """Every column of either reference, the most important to a model first."""
    was, now = ({each.name: each for each in side.columns} if side else {} for side in (before, after))
    found = [_column(name, was.get(name), now.get(name)) for name in dict.fromkeys([*was, *now])]
    return tuple(sorted(found, key=lambda each: -max(each.importance_before or 0.0, each.importance_after or 0.0)))


def _column(name: str, before: ColumnReference | None, after: ColumnReference | None) -> ReferenceCompared:
    return ReferenceCompared(
        name=name,
        importance_before=before.importance if before else None,
        importance_after=after.importance if after else None,
        missing_before=before.missing_rate if before else None,
        missing_after=after.missing_rate if after else None,
        mean_before=before.bins.centre if before and isinstance(before.bins, NumericBins) else None,
        mean_after=after.bins.centre if after and isinstance(after.bins, NumericBins) else None,
        moved=_moved(before, after),
    )


def _moved(before: ColumnReference | None, after: ColumnReference | None) -> float | None:
    if before is None or after is None:
        return None
    if isinstance(before.bins, NumericBins) and isinstance(after.bins, NumericBins):
        return abs(after.bins.centre - before.bins.centre) / before.bins.scale
    was, now = _shares(before), _shares(after)
    if not was or not now:
        return None
    return sum(abs(now.get(name, 0.0) - was.get(name, 0.0)) for name in was.keys() | now.keys()) / 2


def _shares(column: ColumnReference) -> dict[str, float]:
    bins, pooled = column.bins, column.pooled
    if not isinstance(bins, CategoricalBins) or not isinstance(pooled, CategoryCounts) or not pooled.usable:
        return {}
    return {name: count / pooled.usable for name, count in zip(bins.categories, pooled.counts, strict=True)}
