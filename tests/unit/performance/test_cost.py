"""What decisions cost, row by row."""

import numpy as np
import pytest

from perennial.performance.cost import row_costs
from perennial.performance.interval import mean_interval
from perennial.performance.running import RunningMean
from perennial.spec.decision import Costs

COSTS = Costs(false_positive=2, false_negative=10, true_positive=-3, true_negative=0.5)
TRUTH = np.array([0.0, 0.0, 1.0, 1.0])
DECIDED = np.array([0.0, 1.0, 0.0, 1.0])


def test_each_of_the_four_outcomes_has_its_cost() -> None:
    assert row_costs(COSTS, TRUTH, DECIDED).tolist() == [0.5, 2, 10, -3]


def test_a_row_that_is_decided_for_with_a_probability_has_its_expected_cost() -> None:
    assert row_costs(COSTS, TRUTH, np.full(4, 0.5)).tolist() == [1.25, 1.25, 3.5, 3.5]


def test_from_the_break_even_on_deciding_for_a_row_is_cheaper() -> None:
    p = COSTS.break_even
    decided, left = (p * yes + (1 - p) * no for yes, no in ((-3, 2), (10, 0.5)))
    assert decided == pytest.approx(left)
    assert (p + 0.01) * -3 + (0.99 - p) * 2 < (p + 0.01) * 10 + (0.99 - p) * 0.5


def test_the_mean_has_the_interval_of_a_mean_and_may_be_a_gain() -> None:
    values = np.array([-3.0, -1.0, 2.0, -4.0])
    mean = RunningMean()
    mean.add(values)
    found = mean_interval(mean)
    error = values.std(ddof=1) / 2
    assert (found.value, found.standard_error) == pytest.approx((-1.5, error))
    assert (found.low, found.high) == pytest.approx((-1.5 - 1.96 * error, -1.5 + 1.96 * error), abs=1e-3)
