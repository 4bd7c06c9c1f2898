"""What probabilities alone say, where they are true, where they are not, and against an independent computation."""

import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from perennial.performance import cbpe
from perennial.performance.cbpe import Calibration, estimate, fit_calibration

ROWS = 40_000


def world(seed: int, rows: int = ROWS, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Truth, and its true probability; `shift` moves the inputs and not how the outcome depends on them."""
    random = np.random.default_rng(seed)
    probability = 1 / (1 + np.exp(-random.normal(shift - 0.5, 1.3, rows)))
    return (random.random(rows) < probability).astype(float), probability


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_true_probabilities_tell_the_performance_whatever_the_inputs_are(shift: float) -> None:
    truth, probability = world(1, shift=shift)
    found = estimate(probability, probability)
    assert found["roc_auc"].value == pytest.approx(roc_auc_score(truth, probability), abs=0.006)
    assert found["log_loss"].value == pytest.approx(log_loss(truth, probability), abs=0.006)
    assert found["brier"].value == pytest.approx(brier_score_loss(truth, probability), abs=0.004)


def test_expected_area_is_that_of_every_pair_by_its_probability() -> None:
    random = np.random.default_rng(5)
    score = np.round(random.random(80), 1)
    chance = np.clip(score + random.normal(0, 0.1, 80), 0.05, 0.95)
    wins = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    weights = chance[:, None] * (1 - chance)
    expected = (weights * wins).sum() / weights.sum()
    assert estimate(score, chance)["roc_auc"].value == pytest.approx(expected, rel=1e-12)


def test_nineteen_of_twenty_intervals_hold_the_truth_of_a_draw() -> None:
    hits = {"roc_auc": 0, "log_loss": 0, "brier": 0}
    trials = 200
    for seed in range(trials):
        truth, probability = world(seed, rows=400)
        came = {
            "roc_auc": roc_auc_score(truth, probability),
            "log_loss": log_loss(truth, probability),
            "brier": brier_score_loss(truth, probability),
        }
        for name, found in estimate(probability, probability).items():
            hits[name] += found.low <= came[name] <= found.high
    assert all(0.90 <= hit / trials <= 0.99 for hit in hits.values()), hits


def test_probabilities_that_exaggerate_are_calibrated() -> None:
    truth, probability = world(2)
    bold = probability**3 / (probability**3 + (1 - probability) ** 3)
    calibration = fit_calibration(truth, bold, np.repeat(np.arange(20.0), ROWS // 20))
    assert calibration.raw
    fresh_truth, fresh = world(3)
    fresh_bold = fresh**3 / (fresh**3 + (1 - fresh) ** 3)
    said = estimate(fresh_bold, calibration.apply(fresh_bold))
    assert said["log_loss"].value == pytest.approx(log_loss(fresh_truth, fresh_bold), rel=0.04)
    assert estimate(fresh_bold, fresh_bold)["log_loss"].value < 0.7 * said["log_loss"].value


def test_probabilities_that_are_true_stay_as_they_are() -> None:
    truth, probability = world(4, rows=600)
    assert fit_calibration(truth, probability, np.repeat(np.arange(6.0), 100)) == Calibration()


@pytest.mark.parametrize(
    ("truth", "groups"),
    [(np.zeros(30), np.repeat(np.arange(3.0), 10)), (np.arange(30) % 2, np.repeat(np.arange(2.0), 15))],
    ids=["one class", "too few windows"],
)
def test_where_nothing_can_be_learnt_probabilities_stay(truth: np.ndarray, groups: np.ndarray) -> None:
    assert fit_calibration(truth.astype(float), np.linspace(0.1, 0.9, 30), groups) == Calibration()


def test_calibrated_probabilities_are_never_certain() -> None:
    truth = np.tile([0.0] * 50 + [1.0] * 50, 6)
    bold = np.tile(np.concatenate([np.full(50, 0.45), np.full(50, 0.55)]), 6)
    calibration = fit_calibration(truth, bold, np.repeat(np.arange(6.0), 100))
    assert calibration.raw
    calibrated = calibration.apply(np.array([0.0, 0.45, 0.55, 1.0]))
    assert 0 < calibrated.min() < 0.01
    assert 0.99 < calibrated.max() < 1


def test_edges_are_defined() -> None:
    assert estimate(np.empty(0), np.empty(0)) == {}
    certain = estimate(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert certain["brier"].value == 0
    assert certain["log_loss"].value == pytest.approx(0, abs=1e-12)
    assert certain["roc_auc"].value == 1
    no_positive = estimate(np.array([0.2, 0.3]), np.array([0.0, 0.0]))
    assert "roc_auc" not in no_positive
    equal = estimate(np.full(50, 0.5), np.full(50, 0.5))
    assert equal["roc_auc"].value == pytest.approx(0.5)
    assert equal["roc_auc"].standard_error == 0
    one = estimate(np.array([0.4]), np.array([0.4]))
    assert one["roc_auc"].standard_error == math.inf


def test_outcomes_of_many_rows_are_drawn_in_pieces_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    prediction = np.random.default_rng(3).random(50).round(1)
    monkeypatch.setattr(cbpe, "DRAWN_AT_ONCE", 50)
    whole = cbpe._error_of_area(prediction, prediction)
    monkeypatch.setattr(cbpe, "DRAWN_AT_ONCE", 7)
    assert cbpe._error_of_area(prediction, prediction) == whole
