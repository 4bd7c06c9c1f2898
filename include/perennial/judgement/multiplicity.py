"""Many questions asked of the same rows, with one bound on the chance of any wrong answer."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values adjusted for being several, in their order: those at most alpha err, together, in at most alpha.

    Holm (1979, Scandinavian Journal of Statistics 6): whatever the p-values have to do with each other.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    largest = 0.0
    for rank, position in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = largest
    return tuple(adjusted.tolist())
