"""Which columns may call for retraining by their own evidence: those that the model owes something to."""

from collections.abc import Iterable, Mapping


def that_matter(importances: Mapping[str, float | None], floor: float) -> tuple[str, ...]:
    """The names whose share of the model's importance, 0 to 1, is `floor` or more, or is not known.

    A column that the model hardly uses can move as far as it likes: predictions stay as they are, and a new model
    would be no better. Without it fewer columns share the accepted false alarms, so that each of the others is heard
    sooner. Where no known share reaches the floor, importances tell nothing, and all names matter.
    """
    known = [share for share in importances.values() if share is not None]
    if known and max(known) < floor:
        return tuple(importances)
    return tuple(name for name, share in importances.items() if share is None or share >= floor)


def latest_shares(points: Iterable[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Each column's share in the last of these windows that has the column; the oldest window first."""
    found: dict[str, float | None] = {}
    for point in points:
        found.update(point)
    return found
