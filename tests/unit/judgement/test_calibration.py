"""Calibration of both models against independent regressions, and against models whose calibration is known."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from perennial.judgement.calibration import Calibration, calibration_reasons, compare_calibration
from perennial.judgement.rows import Scored
from perennial.spec.names import Task

CLASSES, NUMBERS = Task.BINARY_CLASSIFICATION, Task.REGRESSION


def sample(seed: int, windows: int = 20, rows: int = 200, slope: float = 1.0, shift: float = 0.0) -> Scored:
    """A champion that is perfectly calibrated; a challenger whose logits are `slope` times as large, and shifted."""
    random = np.random.default_rng(seed)
    score = random.normal(-1, 1.2, windows * rows)
    truth = (random.random(len(score)) < 1 / (1 + np.exp(-score))).astype(float)
    models = [1 / (1 + np.exp(-score)), 1 / (1 + np.exp(-(slope * score + shift)))]
    return Scored(truth, *models, np.repeat(np.arange(windows), rows))


def test_a_calibrated_champion_and_a_challenger_that_is_too_extreme() -> None:
    found = compare_calibration(CLASSES, sample(1, slope=2.0))
    assert found.champion.slope is not None
    assert found.challenger.slope is not None
    assert found.champion.slope.low < 1 < found.champion.slope.high
    assert found.challenger.slope.value == pytest.approx(found.champion.slope.value / 2, rel=1e-3)
    assert found.challenger.slope.high < 1
    assert found.champion.expected_error is not None
    assert found.champion.by_chance is not None
    assert found.champion.expected_error.value < 2 * found.champion.by_chance
    assert found.gain is not None
    assert found.gain.high < 0
    assert found.gain.gain == pytest.approx(found.gain.champion - found.gain.challenger)


def test_in_the_large_is_the_mean_prediction_less_the_mean_outcome() -> None:
    scored = sample(2, shift=0.7)
    found = compare_calibration(CLASSES, scored).challenger.in_the_large
    assert found.value == pytest.approx(scored.challenger.mean() - scored.truth.mean())
    assert found.low > 0
    by_window = (scored.challenger - scored.truth).reshape(20, -1).mean(axis=1)
    assert found.standard_error == pytest.approx(by_window.std(ddof=1) / math.sqrt(20))


def test_the_slope_is_that_of_a_logistic_regression_on_logits() -> None:
    scored = sample(3, slope=1.5, shift=-0.3)
    logits = np.log(scored.challenger / (1 - scored.challenger))[:, None]
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logits, scored.truth)
    found = compare_calibration(CLASSES, scored).challenger.slope
    assert found is not None
    assert found.value == pytest.approx(fitted.coef_[0, 0], rel=1e-4)


def test_the_expected_error_is_that_of_ten_equal_groups() -> None:
    scored = sample(4, windows=10, rows=100, slope=0.5)
    found = compare_calibration(CLASSES, scored).challenger
    order = np.argsort(scored.challenger)
    groups = [scored.challenger[part].mean() - scored.truth[part].mean() for part in order.reshape(10, 100)]
    assert found.expected_error is not None
    assert found.expected_error.value == pytest.approx(np.mean(np.abs(groups)))
    assert found.expected_error.low < found.expected_error.value < found.expected_error.high


def test_by_chance_is_what_perfect_calibration_shows() -> None:
    found: list[Calibration] = [compare_calibration(CLASSES, sample(seed)).champion for seed in range(40)]
    shown = [each.expected_error.value for each in found if each.expected_error]
    assert np.mean(shown) == pytest.approx(found[0].by_chance, rel=0.1)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    slopes = [compare_calibration(CLASSES, sample(seed, windows=12, rows=80)).champion for seed in range(120)]
    hits = [each.slope.low <= 1 <= each.slope.high for each in slopes if each.slope]
    larges = [each.in_the_large.low <= 0 <= each.in_the_large.high for each in slopes]
    assert len(hits) == 120
    for share in (np.mean(hits), np.mean(larges)):
        assert 0.89 <= share <= 0.995  # three binomial standard errors


def test_of_numbers_the_slope_is_least_squares() -> None:
    random = np.random.default_rng(5)
    prediction = random.normal(10, 3, 600)
    truth = 2 + 0.8 * prediction + random.normal(size=600)
    found = compare_calibration(NUMBERS, Scored(truth, prediction, truth, np.repeat(np.arange(12), 50)))
    fitted = LinearRegression().fit(prediction[:, None], truth)
    assert found.champion.slope is not None
    assert found.champion.slope.value == pytest.approx(fitted.coef_[0])
    assert found.champion.slope.high < 1
    assert (found.champion.expected_error, found.champion.by_chance, found.gain) == (None, None, None)
    assert found.challenger.slope is not None
    assert found.challenger.slope.value == pytest.approx(1)


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1e9, 1e15])
def test_the_slope_of_numbers_does_not_depend_on_their_unit(unit: float) -> None:
    random = np.random.default_rng(5)
    prediction = random.normal(10, 3, 600)
    truth, windows = 2 + 0.8 * prediction + random.normal(size=600), np.repeat(np.arange(12), 50)
    found = compare_calibration(NUMBERS, Scored(truth * unit, prediction * unit, truth * unit, windows)).champion.slope
    same = compare_calibration(NUMBERS, Scored(truth, prediction, truth, windows)).champion.slope
    assert found is not None
    assert same is not None
    assert (found.value, found.standard_error) == pytest.approx((same.value, same.standard_error))


@pytest.mark.parametrize("case", ["constant predictions", "separated classes", "one outcome"])
def test_where_there_is_no_slope_it_is_none(case: str) -> None:
    scored = sample(6, windows=6, rows=50)
    truth, prediction = scored.truth, scored.champion
    if case == "constant predictions":
        prediction = np.full(len(truth), 0.3)
    elif case == "separated classes":
        prediction = np.where(truth == 1, 0.5 + prediction / 2, prediction / 2)
    else:
        truth = np.zeros(len(truth))
    found = compare_calibration(CLASSES, Scored(truth, prediction, scored.champion, scored.windows)).champion
    assert found.slope is None
    assert found.expected_error is not None
    assert math.isfinite(found.expected_error.high)


def test_probabilities_of_0_and_1_are_finite() -> None:
    scored = sample(7, windows=6, rows=50)
    found = compare_calibration(CLASSES, Scored(scored.truth, scored.champion.round(), scored.champion, scored.windows))
    assert found.champion.slope is not None
    assert 0 < found.champion.slope.value < 1


def test_it_is_told_in_sentences() -> None:
    compared = compare_calibration(CLASSES, sample(1, slope=2.0, shift=-0.5))
    first, second, third = calibration_reasons(compared, "trees", "version 3")
    assert first.startswith("Calibration of version 3: predictions are not surely too high or too low; their mean ")
    assert first.endswith(") they are neither surely too extreme nor too cautious.")
    assert second.startswith("Calibration of trees: predictions are too low; their mean minus the mean outcome is -0.")
    assert "(95% interval: -0." in second
    assert second.endswith(") they are too extreme.")
    assert third.startswith("trees has expected calibration error 0.")
    assert third.endswith("worse); a perfectly calibrated challenger would have about 0.0106.")


def test_numbers_are_told_without_an_expected_error_and_a_constant_without_a_slope() -> None:
    truth = np.random.default_rng(1).normal(10, 1, 300)
    scored = Scored(truth, np.full(300, 12.0), truth / 2, np.repeat(np.arange(6), 50))
    first, second = calibration_reasons(compare_calibration(NUMBERS, scored))
    assert first.startswith("Calibration of the champion: predictions are too high; ")
    assert "slope" not in first
    assert second.endswith("; with a slope of 2.000000 (2.000000 to 2.000000) they are too cautious.")
