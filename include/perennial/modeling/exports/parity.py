"""The certificate of an export: how far its predictions are those of the model, on rows that were judged."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

from perennial.arrays import Floats

# A hundred times the distance of numbers in single precision near 1, in which most systems hold predictions: closer
# is no promise that anybody could keep, and nothing that is read with four digits is touched by it.
LARGEST_DIFFERENCE = 1e-5
# Of two rows whose predictions differ by less than rounding, either may come first: one pair in ten thousand.
MOST_RANK_FLIPS = 1e-4
# The export must decide as the model does, on every row.
MOST_DECISION_FLIPS = 0
THRESHOLD = 0.5  # where the version was deployed without one


@dataclass(frozen=True)
class Certificate:
    """What was compared on `rows`, by which scorer, and what came out.

    `largest_difference` is in the unit of `scale`: 1 for probabilities, the standard deviation of the model's own
    predictions otherwise; None where the export predicts infinity or NaN. `rank_flips` is the share of pairs of rows
    whose order is the reverse. `decision_flips` counts rows on the other side of `threshold`; both
    are None for predictions of a number.
    `problems` say which limit was passed, in sentences; empty where the export is as good as the model.
    """

    scorer: str
    rows: int
    largest_difference: float | None
    scale: float
    rank_flips: float
    decision_flips: int | None
    threshold: float | None
    problems: tuple[str, ...]


def certify(model: Floats, export: Floats, scorer: str, threshold: float | None) -> Certificate:
    """Compare the predictions of the two, each of shape (rows,); `threshold` is None for predictions of a number."""
    scale = 1.0 if threshold is not None else float(model.std()) or 1.0
    decisions = None if threshold is None else int(((model >= threshold) != (export >= threshold)).sum())
    broken = int((~np.isfinite(export)).sum())
    difference = None if broken else float(np.abs(model - export).max() / scale)
    flips = 1.0 if broken else _reversed_pairs(model, export)
    problems = []
    if broken:
        problems.append(f"{broken:,} of {len(export):,} predictions of the export are infinite or NaN.")
    elif difference is not None and difference > LARGEST_DIFFERENCE:
        problems.append(f"Predictions differ by up to {difference:.3g}; at most {LARGEST_DIFFERENCE:.0e} is accepted.")
    if flips > MOST_RANK_FLIPS and not broken:
        problems.append(
            f"{flips:.3%} of the pairs of rows are ranked the other way round; at most {MOST_RANK_FLIPS:.2%} may be."
        )
    if decisions is not None and decisions > MOST_DECISION_FLIPS:
        problems.append(
            f"{decisions:,} of {len(model):,} rows are on the other side of the threshold {threshold:g}; none may be."
        )
    return Certificate(scorer, len(model), difference, scale, flips, decisions, threshold, tuple(problems))


def _reversed_pairs(one: Floats, other: Floats) -> float:
    """The share of all pairs whose order is reversed; pairs that either holds to be equal are not.

    From Kendall's tau-b, `(c - d) / sqrt((n - t1) (n - t2))`, and `c + d = n - t1 - t2 + t12` by counts of ties.

    >>> _reversed_pairs(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 4, 3])) * 6
    1.0
    """
    pairs = len(one) * (len(one) - 1) / 2
    ties = [_tied(one[:, None]), _tied(other[:, None]), _tied(np.stack([one, other], axis=1))]
    if pairs in (0, ties[0], ties[1]):
        return 0.0
    tau = float(kendalltau(one, other, method="asymptotic").statistic)
    apart = tau * np.sqrt(pairs - ties[0]) * np.sqrt(pairs - ties[1])
    return float(max(0, round((pairs - ties[0] - ties[1] + ties[2] - apart) / 2)) / pairs)


def _tied(rows: Floats) -> float:
    _, counts = np.unique(rows, axis=0, return_counts=True)
    return float((counts * (counts - 1) / 2).sum())
