"""Who is asked about which rows: the probabilities that are stated are those with which rows are chosen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.policy.sampling import chosen, numbers, plan

PREDICTIONS = np.concatenate([np.linspace(0.41, 0.59, 300), np.linspace(0, 0.3, 500), np.linspace(0.7, 1, 200)])


def test_frequencies_are_the_stated_probabilities() -> None:
    """1,500 windows of the same 1,000 rows: each row's frequency, and each pair's, against what was stated."""
    found = plan(PREDICTIONS, (0.4, 0.6), 0.02, 50)
    assert 0.02 < found.probability[0] < 1
    windows = 1_500
    keys = [str(key) for key in range(len(PREDICTIONS))]
    times = np.zeros((windows, len(PREDICTIONS)), dtype=bool)
    for window in range(windows):
        times[window, chosen(numbers(keys, "salt", str(window)), found.probability)] = True
    error = np.sqrt(found.probability * (1 - found.probability) / windows)
    z = (times.mean(axis=0) - found.probability) / error
    assert np.abs(z).max() < 4.5  # of 1,000 standard normal ones the greatest is below this in 99.3% of cases
    assert 0.9 < z.std() < 1.1
    together = (times[:, :100] & times[:, 100:200]).mean(axis=0)  # pairs: the product of the two
    product = found.probability[:100] * found.probability[100:200]
    pairs = (together - product) / np.sqrt(product / windows)
    assert np.abs(pairs.mean()) * 10 < 4
    assert abs(times.sum(axis=1).mean() - 50) < 4 * np.sqrt(50 / windows)


@given(
    predictions=st.lists(st.floats(0, 1), max_size=200),
    share=st.floats(0.001, 1),
    limit=st.integers(1, 100),
    band=st.none() | st.just((0.4, 0.6)),
)
def test_no_row_is_out_of_reach_and_the_limit_holds_on_average(
    predictions: list[float], share: float, limit: int, band: tuple[float, float] | None
) -> None:
    found = plan(np.array(predictions), band, share, limit)
    assert np.all(found.probability > 0)
    assert np.all(found.probability <= 1)
    assert found.probability.sum() <= limit * (1 + 1e-9)
    if predictions:
        assert found.probability.min() >= found.uniform
        assert found.uniform == pytest.approx(min(share, limit / len(predictions)))


def test_doubtful_rows_come_before_others_only_by_their_probability() -> None:
    few = plan(np.array([0.5, 0.45, 0.1]), (0.4, 0.6), 0.02, 50)
    assert few.probability.tolist() == [1, 1, 0.02]
    assert few.doubtful.tolist() == [True, True, False]
    assert plan(np.array([0.4, 0.6]), (0.4, 0.6), 0.02, 50).doubtful.all()  # both ends are in
    assert plan(np.array([5.0, -3.0]), None, 0.1, 50).probability.tolist() == [0.1, 0.1]


def test_a_repeated_run_chooses_the_same_rows_and_another_window_others() -> None:
    keys = [str(key) for key in range(200)]
    share = np.full(200, 0.2)
    first = chosen(numbers(keys, "parcels", "monday"), share)
    assert chosen(numbers(keys, "parcels", "monday"), share).tolist() == first.tolist()
    assert chosen(numbers(keys, "parcels", "tuesday"), share).tolist() != first.tolist()
    # whether a row is chosen depends on that row alone, not on which others there are
    fewer = chosen(numbers(keys[:100], "parcels", "monday"), share[:100])
    assert sorted(fewer) == sorted(each for each in first if each < 100)


def test_salts_that_run_together_are_told_apart() -> None:
    assert numbers(["c"], "a", "b").tolist() != numbers(["c"], "ab").tolist() != numbers(["bc"], "a").tolist()


def test_the_first_answers_are_a_random_part_of_all() -> None:
    """Rows that are surely chosen come no earlier in the queue than those that rarely are."""
    probability = np.where(np.arange(400) < 20, 1.0, 0.05)
    places = []
    for window in range(600):
        order = chosen(numbers(map(str, range(400)), str(window)), probability)
        sure = np.flatnonzero(order < 20)
        places.append((sure.mean() + 0.5) / len(order))
    assert abs(np.mean(places) - 0.5) < 4 * np.std(places) / np.sqrt(600)


def test_nothing_is_chosen_of_no_rows() -> None:
    found = plan(np.array([]), (0.4, 0.6), 0.02, 50)
    assert chosen(numbers([], "x"), found.probability).tolist() == []
