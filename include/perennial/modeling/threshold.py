"""The threshold that costs least, chosen on predictions of rows that their model had not seen."""

import math

import numpy as np

from perennial.arrays import Floats
from perennial.modeling.decision import Chosen
from perennial.performance.cost import row_costs
from perennial.spec.decision import Costs


def cheapest_threshold(
    costs: Costs, truth: Floats, prediction: Floats, windows: int = 1, time_ordered: bool = True
) -> tuple[float, Chosen]:
    """The threshold with the smallest mean cost, and what it was chosen by. There is at least one row.

    `truth` is 0 or 1, `prediction` the probability of 1; both have the shape (rows,). All thresholds that tell rows
    apart are tried, with none and with all of the rows decided for (empirical risk minimisation: Elkan, 2001, The
    Foundations of Cost-Sensitive Learning, IJCAI; Sheng and Ling, 2006, Thresholding for Making Classifiers
    Cost-sensitive, AAAI). It lies midway between the two predictions that it tells apart; of equally cheap ones it is
    the one that decides for the fewest rows.
    """
    order = np.argsort(-prediction, kind="stable")
    ordered, outcomes = prediction[order], truth[order]
    left_alone = row_costs(costs, outcomes, np.zeros(len(outcomes)))
    changes = row_costs(costs, outcomes, np.ones(len(outcomes))) - left_alone
    # How many rows are decided for, where that can be told by a threshold: equal predictions stay together.
    sizes = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1, [len(ordered)]])
    totals = left_alone.sum() + np.concatenate([[0.0], np.cumsum(changes)])[sizes]
    best = int(np.argmin(totals))
    taken, rows = int(sizes[best]), len(ordered)
    chosen = Chosen(
        cost=float(totals[best] / rows),
        never=float(totals[0] / rows),
        always=float(totals[-1] / rows),
        share=taken / rows,
        rows=rows,
        windows=windows,
        time_ordered=time_ordered,
    )
    if taken == 0:
        return math.nextafter(float(ordered[0]), math.inf), chosen
    if taken == rows:
        return 0.0, chosen
    middle = float((ordered[taken - 1] + ordered[taken]) / 2)
    # Between two neighbouring numbers there is no other one, and half of their sum may be the lower.
    return middle if middle > ordered[taken] else float(ordered[taken - 1]), chosen
