"""What decisions cost, by the outcomes that came: the metric `cost`, the mean of rows."""

import numpy as np

from perennial.arrays import Floats
from perennial.spec.decision import Costs


def row_costs(costs: Costs, truth: Floats, decided: Floats) -> Floats:
    """What each row costs, in the unit of `costs`. `truth` and `decided` are 0 or 1; all have the shape (rows,).

    A share between 0 and 1 as `decided` gives the expected cost of a row that is decided for with that probability.

    >>> row_costs(Costs(false_positive=1, false_negative=9), np.array([0.0, 1.0, 1.0]), np.array([1.0, 0.0, 1.0]))
    array([1., 9., 0.])
    """
    decided_for = np.where(truth == 1, costs.true_positive, costs.false_positive)
    left_alone = np.where(truth == 1, costs.false_negative, costs.true_negative)
    return np.asarray(decided * decided_for + (1 - decided) * left_alone, dtype=np.float64)
