"""Drift in words that need no statistics."""

from perennial.drift.profiles.bins import (
    NEGLIGIBLE_SPREAD,
    Bins,
    CategoricalBins,
    CategoryCounts,
    Counts,
    NumericBins,
    NumericCounts,
)

SMALLEST_SHOWN = 0.0005  # a share below it would read 0.0%


def describe(bins: Bins | None, pooled: Counts | None, window: Counts | None, distance: float | None) -> str:
    """How far the window's values lie from the reference's, and in which direction."""
    if distance is None:
        return "not enough values to compare"
    if isinstance(bins, NumericBins) and isinstance(pooled, NumericCounts) and isinstance(window, NumericCounts):
        return _numeric(bins, pooled, window, distance)
    if isinstance(bins, CategoricalBins) and isinstance(pooled, CategoryCounts) and isinstance(window, CategoryCounts):
        return _categorical(bins, pooled, window, distance)
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


def _numeric(bins: NumericBins, pooled: NumericCounts, window: NumericCounts, distance: float) -> str:
    before, now = pooled.mean or 0.0, window.mean or 0.0
    means = f"mean {_mean(bins, now)}, reference {_mean(bins, before)}"
    # The Wasserstein distance is the shift of the mean, unless values moved in both directions.
    if abs(now - before) > distance / 2:
        return f"{distance:.2f} {bins.unit} {'higher' if now > before else 'lower'} ({means})"
    return f"{distance:.2f} {bins.unit} away, in both directions ({means})"


def _categorical(bins: CategoricalBins, pooled: CategoryCounts, window: CategoryCounts, distance: float) -> str:
    shares = {
        name: (ours / pooled.usable, theirs / window.usable)
        for name, ours, theirs in zip(bins.categories, pooled.counts, window.counts, strict=True)
    }
    name = max(shares, key=lambda each: (abs(shares[each][1] - shares[each][0]), each))
    before, now = shares[name]
    text = f"{distance:.2f} away in {bins.unit}: {name!r} is {_percent(now)}, in the reference {_percent(before)}"
    unseen = bins.unseen_share(window)
    return f"{text}; {_percent(unseen)} are values that the reference never had" if unseen else text


def _mean(bins: NumericBins, standardised: float) -> str:
    """A mean in the column's own unit; one that is 0 but for rounding, beside the spread, reads 0."""
    mean = bins.centre + bins.scale * standardised
    return "0" if abs(mean) <= NEGLIGIBLE_SPREAD * bins.scale else f"{mean:.4g}"


def _percent(share: float) -> str:
    return "less than 0.1%" if 0 < share < SMALLEST_SHOWN else f"{100 * share:.1f}%"
