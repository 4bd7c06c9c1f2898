"""A certificate counts what differs, and its limits are limits."""

import itertools

import numpy as np
import pytest

from perennial.modeling.exports.parity import LARGEST_DIFFERENCE, certify


def test_the_same_predictions_have_no_problems() -> None:
    values = np.random.default_rng(1).random(500)
    found = certify(values, values.copy(), "scorer", 0.5)
    assert (found.rows, found.largest_difference, found.rank_flips, found.decision_flips) == (500, 0.0, 0.0, 0)
    assert found.problems == ()


@pytest.mark.parametrize("digits", [1, 2, 8])
def test_rank_flips_are_those_of_all_pairs_counted_one_by_one(digits: int) -> None:
    random = np.random.default_rng(digits)
    one = random.random(60).round(digits)
    other = (one + random.normal(scale=0.2, size=60)).round(digits)
    pairs = list(itertools.combinations(range(60), 2))
    reversed_ = sum((one[i] - one[j]) * (other[i] - other[j]) < 0 for i, j in pairs)
    assert reversed_ > 0
    assert certify(one, other, "scorer", None).rank_flips == pytest.approx(reversed_ / len(pairs), abs=1e-12)


def test_one_decision_that_flips_is_refused_however_small_the_difference() -> None:
    own = np.array([0.2, 0.5, 0.9])
    found = certify(own, own - 1e-9, "scorer", 0.5)
    assert found.decision_flips == 1
    assert found.problems == ("1 of 3 rows are on the other side of the threshold 0.5; none may be.",)


def test_differences_of_numbers_are_in_their_standard_deviation() -> None:
    own = np.array([1000.0, 3000.0, 5000.0])
    within, beyond = (certify(own, own + own.std() * LARGEST_DIFFERENCE * factor, "s", None) for factor in (0.9, 1.1))
    assert within.problems == ()
    assert "Predictions differ by up to 1.1e-05" in beyond.problems[0]
    assert (beyond.decision_flips, beyond.threshold) == (None, None)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_predictions_that_are_not_finite_are_refused(broken: float) -> None:
    found = certify(np.array([0.1, 0.2]), np.array([0.1, broken]), "scorer", None)
    assert found.problems == ("1 of 2 predictions of the export are infinite or NaN.",)
    assert found.largest_difference is None  # so that the ledger can keep it


def test_constant_predictions_have_no_order() -> None:
    assert certify(np.full(4, 0.3), np.arange(4.0), "scorer", None).rank_flips == 0.0
