"""Drift in words that need no statistics."""

from perennial.drift.pools import CategoricalPool, NumericPool, Pool
from perennial.drift.values import Categories, Numbers, Values


def describe(pool: Pool | None, column: Values, distance: float | None) -> str:
    """How far the window's values lie from the reference's, and in which direction."""
    if distance is None:
        return "not enough values to compare"
    if isinstance(pool, NumericPool) and isinstance(column, Numbers):
        return _numeric(pool, column, distance)
    if isinstance(pool, CategoricalPool) and isinstance(column, Categories):
        return _categorical(pool, column, distance)
    return "not comparable with the reference"


def shift_reason(name: str, description: str, usual: float | None) -> str:
    """One sentence about a column's values."""
    ordinary = f"; an ordinary window is {usual:.2f} away" if usual is not None else ""
    return f"{name} is {description}{ordinary}."


def missing_reason(name: str, rate: float, reference_rate: float) -> str:
    """One sentence about a column's missing values."""
    return (
        f"{name} is missing or not finite in {_percent(rate)} of the rows; in the reference {_percent(reference_rate)}."
    )


def _numeric(pool: NumericPool, column: Numbers, distance: float) -> str:
    mean = float(column.values.mean())
    shift = (mean - pool.mean) / pool.scale
    means = f"mean {mean:.4g}, reference {pool.mean:.4g}"
    # The Wasserstein distance is the shift of the mean, unless values moved in both directions.
    if abs(shift) > distance / 2:
        return f"{distance:.2f} {pool.unit} {'higher' if shift > 0 else 'lower'} ({means})"
    return f"{distance:.2f} {pool.unit} away, in both directions ({means})"


def _categorical(pool: CategoricalPool, column: Categories, distance: float) -> str:
    row = pool.row(column)
    unseen = pool.unseen_share(column)
    changes = {name: float(now) - before for (name, before), now in zip(pool.shares.items(), row, strict=False)}
    name = max(changes, key=lambda each: (abs(changes[each]), each))
    before = pool.shares[name]
    shares = f"{name!r} is {_percent(before + changes[name])}, in the reference {_percent(before)}"
    text = f"{distance:.2f} away in {pool.unit}: {shares}"
    return f"{text}; {_percent(unseen)} are values it never had" if unseen else text


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
