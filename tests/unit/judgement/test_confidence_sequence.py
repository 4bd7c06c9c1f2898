"""Intervals that all hold at once: exact for normal windows, cautious for skewed and autocorrelated ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from perennial.judgement.confidence_sequence import (
    CAUTION,
    PATIENT,
    PROMPT,
    Tuning,
    confidence_sequence,
    critical_values,
    windows_needed,
)

ROWS = 300
# Gains that are 0 or of a size that arithmetic near 1e-300 does not disturb.
gain = st.floats(-1e3, 1e3).filter(lambda value: value == 0 or abs(value) > 1e-6)
evidence = st.lists(st.tuples(gain, st.integers(1, 10_000)), min_size=2, max_size=60)


def split(found: list[tuple[float, int]]) -> tuple[list[float], list[int]]:
    return [each for each, _ in found], [rows for _, rows in found]


def e_value(t: float, n: int, mixture: float) -> float:
    """The likelihood of a t-statistic under effects of N(0, 1/mixture), by that under none: integrated numerically."""

    def at(effect: float) -> float:
        return float(
            stats.nct.pdf(t, n - 1, effect * math.sqrt(n)) * stats.norm.pdf(effect, scale=1 / math.sqrt(mixture))
        )

    mixed, _ = integrate.quad(at, -10, 10, points=[0.0, t / math.sqrt(n)], limit=200)
    return float(mixed / stats.t.pdf(t, n - 1))


@pytest.mark.parametrize(("n", "mixture", "alpha"), [(10, 2.0, 0.05), (12, 8.0, 0.1), (30, 8.0, 0.05)])
def test_the_critical_value_is_where_the_mixture_of_t_tests_reaches_one_by_alpha(
    n: int, mixture: float, alpha: float
) -> None:
    at = np.arange(1.0, n + 1)
    critical = critical_values(at, alpha, np.ones(n), Tuning(mixture, 2))[-1]
    assert e_value(critical, n, mixture) == pytest.approx(1 / alpha, rel=1e-4)


def test_there_is_no_interval_before_so_many_windows_as_it_takes() -> None:
    found = confidence_sequence([0.1, 0.2] * 10, [ROWS] * 20, 0.05)
    assert np.isinf(found.low[: PATIENT.fewest - 1]).all()
    assert np.isinf(found.high[: PATIENT.fewest - 1]).all()
    assert np.isfinite(found.low[12:]).all()


def test_equal_windows_give_the_t_interval_with_the_larger_critical_value() -> None:
    gains = [0.1, -0.1] * 20  # symmetric, and nothing like the window before
    found = confidence_sequence(gains, [ROWS] * 40, 0.05)
    n = np.arange(1.0, 41)
    inflation = np.full(40, (1 + CAUTION / math.sqrt(40)) / (1 - CAUTION / math.sqrt(40)))
    critical = critical_values(n, 0.05, inflation, PATIENT)[-1]
    error = np.std(gains, ddof=1) / math.sqrt(40)
    assert found.mean[-1] == pytest.approx(0)
    assert found.high[-1] == pytest.approx(critical * error)
    assert found.low[-1] == pytest.approx(-critical * error)


def test_the_mean_is_that_of_all_rows() -> None:
    found = confidence_sequence([1.0, 4.0, -1.0], [10, 20, 70], 0.05)
    assert found.mean == pytest.approx([1.0, 3.0, 0.2])


def test_one_window_that_outweighs_all_others_makes_the_interval_wide() -> None:
    random = np.random.default_rng(2)
    gains = random.normal(1.0, 0.1, 40).tolist()
    even = confidence_sequence(gains, [ROWS] * 40, 0.05)
    giant = confidence_sequence(gains, [ROWS] * 39 + [1_000_000], 0.05)
    assert even.low[-1] > 0
    assert giant.low[-1] == -math.inf
    assert giant.lower[-1] == even.lower[-2]  # what was known before stays known


def test_skewed_windows_have_a_wider_side_where_rare_large_values_may_be_missing() -> None:
    gains = [-0.1, -0.12, -0.08, -0.11, -0.09] * 4 + [1.0]  # the rare large ones are gains, so the upper end moves
    found = confidence_sequence(gains, [ROWS] * 21, 0.05)
    above, below = found.high[-1] - found.mean[-1], found.mean[-1] - found.low[-1]
    assert above > 1.2 * below


@pytest.mark.parametrize("skewed", [1e-15, 1e-9, 1e-5])
def test_next_to_no_skewness_moves_next_to_nothing(skewed: float) -> None:
    gains = [0.1 + skewed, -0.1] * 20
    found = confidence_sequence(gains, [ROWS] * 40, 0.05)
    assert found.high[-1] == pytest.approx(-found.low[-1], rel=1e-3)


def test_windows_that_resemble_the_one_before_count_for_less() -> None:
    random = np.random.default_rng(4)
    gains = np.sort(random.normal(size=60)).tolist()  # as alike as can be
    shuffled = random.permutation(gains).tolist()
    alike, unlike = (confidence_sequence(each, [ROWS] * 60, 0.05) for each in (gains, shuffled))
    assert alike.autocorrelation[-1] > 0.9
    assert unlike.autocorrelation[-1] < 0.3
    assert alike.high[-1] - alike.low[-1] > 2 * (unlike.high[-1] - unlike.low[-1])


def test_the_autocorrelation_is_that_of_a_first_order_autoregression() -> None:
    random = np.random.default_rng(5)
    gains = [0.0]
    for noise in random.normal(size=3_000):
        gains.append(0.5 * gains[-1] + float(noise))
    found = confidence_sequence(gains, [ROWS] * len(gains), 0.05)
    assert found.autocorrelation[-1] == pytest.approx(0.5, abs=0.04)


def test_the_autocorrelation_of_few_windows_is_taken_for_hardly_smaller_than_it_is() -> None:
    random = np.random.default_rng(10)
    found = []
    for noise in random.normal(size=(400, 120)):
        gains = [0.0]
        for each in noise:
            gains.append(0.6 * gains[-1] + float(each))
        found.append(confidence_sequence(gains[-20:], [ROWS] * 20, 0.05).autocorrelation[-1])
    assert 0.48 < np.mean(found) < 0.65  # without the correction it is 0.41


def test_windows_without_any_difference_are_known_to_have_none() -> None:
    found = confidence_sequence([0.0] * 15, [ROWS] * 15, 0.05)
    assert (found.lower[-1], found.upper[-1]) == (0.0, 0.0)


def test_no_window_gives_an_empty_sequence() -> None:
    assert confidence_sequence([], [], 0.05).upper.shape == (0,)


def test_a_million_times_smaller_alpha_is_wider() -> None:
    gains = np.random.default_rng(6).normal(size=50).tolist()
    usual, strict = (confidence_sequence(gains, [ROWS] * 50, alpha) for alpha in (0.05, 5e-8))
    assert strict.low[-1] < usual.low[-1] < usual.high[-1] < strict.high[-1]


@given(evidence)
def test_another_window_never_widens_what_is_known(found: list[tuple[float, int]]) -> None:
    gains, rows = split(found)
    shorter, longer = (confidence_sequence(gains[:n], rows[:n], 0.05) for n in (len(gains) - 1, len(gains)))
    size = max(abs(each) for each in gains) or 1.0
    assert longer.lower[-1] >= shorter.lower[-1] - 1e-6 * size
    assert longer.upper[-1] <= shorter.upper[-1] + 1e-6 * size


@given(evidence, st.sampled_from([1e-6, 0.001, 7.0, 1e5]))
def test_another_unit_gives_the_same_interval_in_that_unit(found: list[tuple[float, int]], unit: float) -> None:
    gains, rows = split(found)
    one = confidence_sequence(gains, rows, 0.05)
    other = confidence_sequence([each * unit for each in gains], rows, 0.05)
    size = max(abs(each) for each in gains) * unit
    assert other.mean == pytest.approx(one.mean * unit, rel=1e-6, abs=1e-9 * size)
    finite = np.isfinite(one.low) & (one.low > -1e3 * size / unit)  # where the equation is near to having no root
    assert other.low[finite] == pytest.approx(one.low[finite] * unit, rel=1e-4, abs=1e-6 * size)


@given(evidence)
def test_swapping_the_two_models_mirrors_the_interval(found: list[tuple[float, int]]) -> None:
    gains, rows = split(found)
    one = confidence_sequence(gains, rows, 0.05)
    other = confidence_sequence([-each for each in gains], rows, 0.05)
    assert other.mean == pytest.approx(-one.mean, abs=1e-9)
    assert other.high == pytest.approx(-one.low, rel=1e-9)


@pytest.mark.parametrize("kind", ["normal", "skewed", "autocorrelated"])
def test_equal_models_are_told_apart_in_few_shadows(kind: str) -> None:
    """The bench does this at full size, and with more kinds of windows."""
    random = np.random.default_rng(7)
    shadows = random.standard_normal((300, 100)) if kind != "skewed" else random.exponential(size=(300, 100)) - 1
    if kind == "autocorrelated":
        for i in range(1, 100):
            shadows[:, i] = 0.4 * shadows[:, i - 1] + math.sqrt(1 - 0.4**2) * shadows[:, i]
    false = 0
    for gains in shadows:
        found = confidence_sequence(gains.tolist(), [ROWS] * 100, 0.05)
        false += bool(found.lower[-1] > 0 or found.upper[-1] < 0)
    assert false <= 23  # 15 are promised on average; 23 or fewer in 98% of such simulations


def test_an_effect_is_seen_after_about_so_many_windows_as_are_said_to_be_needed() -> None:
    random = np.random.default_rng(8)
    first = []
    for gains in random.normal(0.5, 1.0, (200, 200)):
        seen = confidence_sequence(gains.tolist(), [ROWS] * 200, 0.05).lower > 0
        first.append(seen.argmax() + 1 if seen.any() else 200)
    needed = windows_needed(0.5, 0.05, 0.0, 1_000)
    assert needed is not None
    assert 0.7 * needed < np.median(first) < 1.3 * needed


def test_smaller_effects_and_autocorrelation_take_more_windows() -> None:
    def needed(effect: float, alike: float = 0.0, most: int = 1_000) -> int | None:
        return windows_needed(effect, 0.05, alike, most)

    assert needed(math.inf) == PATIENT.fewest
    assert needed(0.5) == 56
    assert needed(0.25) == 189
    assert needed(0.5, alike=0.4) == 121
    assert needed(0.25, most=100) is None
    assert needed(0.0) is None


def test_the_prompt_tuning_sees_large_effects_sooner() -> None:
    gains = np.random.default_rng(9).normal(3.0, 1.0, 30).tolist()
    prompt, patient = (confidence_sequence(gains, [ROWS] * 30, 0.05, each).lower > 0 for each in (PROMPT, PATIENT))
    assert prompt.argmax() < patient.argmax()
