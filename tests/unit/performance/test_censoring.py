"""Weights by the probability of having arrived: unbiased where delays depend on the outcome, and refused otherwise."""

import numpy as np
import numpy.typing as npt
import pytest

from perennial.errors import NotEnoughData
from perennial.performance.censoring import LARGEST_WEIGHT, ArrivalWeights, Arrived, learn_weights

ROWS, P_ARRIVED = 300, (0.35, 0.9)  # of outcomes 0 and 1, by the age at which weights are asked for


def window(
    random: np.random.Generator, positive: float, arrived: tuple[float, float] = P_ARRIVED
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Outcomes, whether each is known, and a loss that depends on the outcome."""
    truth = (random.random(ROWS) < positive).astype(np.int64)
    known = random.random(ROWS) < np.array(arrived)[truth]
    return truth, known, truth + random.normal(0, 0.5, ROWS)


def counted(truth: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]) -> Arrived:
    seen = np.bincount(truth[known], minlength=2), np.bincount(truth, minlength=2)
    return Arrived(len(truth), *((int(each[0]), int(each[1])) for each in seen))


def mature(random: np.random.Generator, windows: int = 30) -> list[Arrived]:
    """Windows whose share of positives goes up and down."""
    return [counted(*window(random, random.uniform(0.15, 0.35))[:2]) for _ in range(windows)]


def test_the_weights_are_the_inverse_of_the_share_of_an_outcome_that_has_arrived() -> None:
    found = learn_weights([Arrived(100, (20, 45), (50, 50))] * 10)
    assert found.weights == (2.5, 50 / 45)
    assert (found.share, found.share_sd, found.windows) == (1.0, 0.0, 10)


def test_weighted_means_are_those_of_the_whole_truth_and_unweighted_ones_are_not() -> None:
    random = np.random.default_rng(1)
    errors: dict[str, list[float]] = {"prevalence": [], "loss": [], "raw prevalence": [], "raw loss": []}
    for _ in range(300):
        weights = np.array(learn_weights(mature(random)).weights)
        truth, known, loss = window(random, 0.6)  # a mix of outcomes that mature windows never had
        w = weights[truth[known]]
        for name, values in (("prevalence", truth), ("loss", loss)):
            errors[name].append(np.average(values[known], weights=w) - values.mean())
            errors[f"raw {name}"].append(values[known].mean() - values.mean())
    for name, found in errors.items():
        bias, error = np.mean(found), np.std(found, ddof=1) / np.sqrt(len(found))
        # The ratio of two sums is off by the order of 1 / rows, which 300 repetitions can't see.
        assert (abs(bias) < 3 * error) == (not name.startswith("raw")), (name, bias, error)
    assert np.mean(errors["raw prevalence"]) > 0.1


def test_an_ordinary_window_is_hardly_ever_refused_whatever_its_mix_of_outcomes() -> None:
    random = np.random.default_rng(2)
    refused = 0
    for _ in range(300):
        found = learn_weights(mature(random))
        refused += is_refused(found, counted(*window(random, random.uniform(0.05, 0.95))[:2]))
    assert refused <= 0.02 * 300


@pytest.mark.parametrize(
    ("arrived", "positive"), [((0.15, 0.9), 0.4), ((0.55, 0.9), 0.4), ((0.35, 0.25), 0.6), ((0.2, 0.5), 0.5)]
)
def test_a_window_whose_labels_come_otherwise_than_before_is_refused(
    arrived: tuple[float, float], positive: float
) -> None:
    random = np.random.default_rng(3)
    refused = [
        is_refused(learn_weights(mature(random)), counted(*window(random, positive, arrived)[:2])) for _ in range(100)
    ]
    assert np.mean(refused) > 0.9


def is_refused(found: ArrivalWeights, young: Arrived) -> bool:
    try:
        found.check(young.rows, young.known)
    except NotEnoughData:
        return True
    return False


@pytest.mark.parametrize(
    ("windows", "why"),
    [
        ([Arrived(100, (50, 50), (50, 50))] * 4, "4 mature windows can't tell when labels come"),
        ([Arrived(100, (9, 45), (50, 50))] * 10, "90 of 500 labels 0 have arrived"),
        ([Arrived(1000, (45, 200), (500, 500))] * 10, "450 of 5,000 labels 0 have arrived"),
        ([Arrived(100, (50, 0), (50, 50))] * 10, "0 of 500 labels 1 have arrived"),
    ],
)
def test_where_few_labels_have_arrived_there_is_no_weight(windows: list[Arrived], why: str) -> None:
    with pytest.raises(NotEnoughData, match=why):
        learn_weights(windows)


def test_the_largest_weight_is_allowed() -> None:
    found = learn_weights([Arrived(1000, (50, 500), (500, 500))] * 10)
    assert max(found.weights) == LARGEST_WEIGHT


def test_labels_that_come_otherwise_are_told() -> None:
    found = learn_weights(mature(np.random.default_rng(4)))
    with pytest.raises(
        NotEnoughData, match=r"labels arrive differently .* weighted, 20 labels stand for \d+% of 300 row"
    ):
        found.check(300, (10, 10))
