"""The paired comparison of ROC AUCs against published values, and against its definition by pairs of rows."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.bench.promotion_errors import World

from perennial.judgement.compare import compare
from perennial.judgement.delong import compare_auc
from perennial.judgement.rows import Scored, Unit
from perennial.performance.interval import auc_variance
from perennial.performance.metrics import metrics_of
from perennial.spec.names import Task

# DeLong, DeLong and Clarke-Pearson's patients with ovarian cancer: albumin, total protein, K-G score, benefit from
# surgery. As printed in the documentation of SAS/STAT's LOGISTIC procedure, example "Comparing Receiver Operating
# Characteristic Curves", with the results below.
PATIENTS = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
3.8 5.7 5 1   3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
2.3 4.4 6 1   4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
3.1 6.6 6 1   4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
3.7 6.1 5 1   3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
3.3 5.7 6 1   3.7 6.9 5 1  3.6 6.6 5 1
"""


@pytest.mark.parametrize(
    ("test", "auc", "gain", "standard_error", "chi_square"),
    [("albumin", 0.7366, 0.0108, 0.0953, 0.0127), ("total protein", 0.6478, -0.0780, 0.1046, 0.5554)],
)
def test_published_values(test: str, auc: float, gain: float, standard_error: float, chi_square: float) -> None:
    albumin, protein, score, benefit = np.array(PATIENTS.split(), dtype=float).reshape(-1, 4).T
    challenger = albumin if test == "albumin" else protein
    found = compare("roc_auc", Scored(benefit, 10 - score, challenger, np.zeros(len(benefit))))
    assert found.champion == pytest.approx(0.7258, abs=5e-5)
    assert found.challenger == pytest.approx(auc, abs=5e-5)
    assert found.gain == pytest.approx(gain, abs=5e-5)
    assert found.standard_error == pytest.approx(standard_error, abs=5e-5)
    assert (found.gain / found.standard_error) ** 2 == pytest.approx(chi_square, abs=5e-5)


def obuchowski_by_pairs(scored: Scored) -> tuple[float, float]:
    """Gain and variance straight from Obuchowski's definition: every pair of rows, then sums by cluster."""
    positive = scored.truth == 1
    placed = []
    for prediction in (scored.champion, scored.challenger):
        ones, zeros = prediction[positive][:, None], prediction[~positive]
        wins = (ones > zeros) + 0.5 * (ones == zeros)
        placed.append((wins.mean(axis=1), wins.mean(axis=0), wins.mean()))
    m, n = len(placed[0][0]), len(placed[0][1])
    clusters = sorted(set(scored.windows.tolist()))
    of_ones, of_zeros = scored.windows[positive], scored.windows[~positive]
    ones, zeros = len(set(of_ones.tolist())), len(set(of_zeros.tolist()))

    def covariance(a: tuple[np.ndarray, np.ndarray, float], b: tuple[np.ndarray, np.ndarray, float]) -> float:
        s10 = s01 = s11 = s11_reversed = 0.0
        for each in clusters:
            a10, b10 = ((x[0][of_ones == each] - x[2]).sum() for x in (a, b))
            a01, b01 = ((x[1][of_zeros == each] - x[2]).sum() for x in (a, b))
            s10, s01 = s10 + a10 * b10, s01 + a01 * b01
            s11, s11_reversed = s11 + a10 * b01, s11_reversed + b10 * a01
        k = len(clusters)
        within = ones / ((ones - 1) * m) * s10 / m + zeros / ((zeros - 1) * n) * s01 / n
        return within + k / (k - 1) * (s11 + s11_reversed) / (m * n)

    x, y = placed
    return float(y[2] - x[2]), covariance(x, x) + covariance(y, y) - 2 * covariance(x, y)


@pytest.mark.parametrize("digits", [1, 12])  # 1: most predictions are tied
@pytest.mark.parametrize("seed", range(4))
def test_windows_are_obuchowskis_clusters(digits: int, seed: int) -> None:
    holdout = World(rows=25).holdout(8, seed).scored()
    scored = Scored(holdout.truth, holdout.champion.round(digits), holdout.challenger.round(digits), holdout.windows)
    found = compare_auc(scored)
    gain, variance = obuchowski_by_pairs(scored)
    assert (found.unit, found.windows) == (Unit.WINDOW, 8)
    assert found.gain == pytest.approx(gain, abs=1e-12)
    assert found.standard_error**2 == pytest.approx(variance, rel=1e-9)


def test_without_windows_the_error_is_that_of_the_two_curves_and_their_covariance() -> None:
    scored = World(rows=300).holdout(1, 3).scored()
    found = compare_auc(scored)
    independent = auc_variance(scored.truth, scored.champion) + auc_variance(scored.truth, scored.challenger)
    assert found.unit is Unit.ROW
    assert found.standard_error**2 == pytest.approx(obuchowski_by_pairs(_every_row_alone(scored))[1], rel=1e-9)
    assert found.standard_error**2 < 0.8 * independent  # what pairing is for


def _every_row_alone(scored: Scored) -> Scored:
    return Scored(scored.truth, scored.champion, scored.challenger, np.arange(len(scored)))


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(6, 40), st.integers(0, 10**6), st.integers(1, 4))
def test_it_is_the_difference_of_the_metric_and_turns_round(windows: int, rows: int, seed: int, digits: int) -> None:
    holdout = World(rows=rows).holdout(windows, seed)
    truth = holdout.truth.copy()
    truth[:4] = [0, 1, 0, 1]
    champion, challenger = (each.round(digits) for each in holdout.models)
    found = compare_auc(Scored(truth, champion, challenger, holdout.windows))
    back = compare_auc(Scored(truth, challenger, champion, holdout.windows))
    auc = [metrics_of(Task.BINARY_CLASSIFICATION, truth, each)["roc_auc"] for each in (champion, challenger)]
    assert (found.champion, found.challenger) == pytest.approx(tuple(auc), abs=1e-12)
    assert found.low <= found.gain <= found.high
    assert (back.gain, back.low, back.high) == pytest.approx((-found.gain, -found.high, -found.low), abs=1e-12)
    assert found.p_value + back.p_value == pytest.approx(1.0 if found.standard_error else 2.0)
    assert (found.p_value < 0.025) == (found.low > 0)


def test_the_order_of_rows_and_the_scale_of_predictions_do_not_matter() -> None:
    scored = World(rows=40).holdout(9, 5).scored()
    order = np.random.default_rng(1).permutation(len(scored))
    mixed = Scored(
        scored.truth[order],
        np.log(scored.champion[order]),
        scored.challenger[order] ** 3,
        scored.windows[order],
    )
    one, other = compare_auc(scored), compare_auc(mixed)
    assert (one.gain, one.standard_error) == pytest.approx((other.gain, other.standard_error))


def test_the_same_predictions_have_no_difference_and_no_doubt() -> None:
    scored = World(rows=40).holdout(9, 5).scored()
    found = compare_auc(Scored(scored.truth, scored.champion, scored.champion, scored.windows))
    assert (found.gain, found.standard_error, found.low, found.high, found.p_value) == (0, 0, 0, 0, 1)


@pytest.mark.parametrize("challenger", [[0.2, 0.3, 0.1, 0.8, 0.9], [0.9, 0.8, 0.7, 0.2, 0.1]])
def test_two_perfect_or_opposite_rankings_of_few_rows_are_not_certain(challenger: list[float]) -> None:
    truth, champion = np.array([0.0, 0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.8, 0.9])
    found = compare_auc(Scored(truth, champion, np.array(challenger), np.zeros(5)))
    assert found.gain in (0.0, -1.0)
    # The share of two rows that is 0 or 1: Clopper and Pearson.
    assert found.high - found.gain == pytest.approx(1 - 0.025 ** (1 / 2))


def test_the_interval_is_students_with_the_windows_degrees_of_freedom() -> None:
    found = compare_auc(World(rows=200).holdout(12, 5).scored())
    assert 9 < found.degrees_of_freedom <= 11
    reach = stats.t.ppf(0.975, found.degrees_of_freedom) * found.standard_error
    assert (found.low, found.high) == pytest.approx((found.gain - reach, found.gain + reach))
    assert found.at(0.8).high < found.high
    assert found.p_above(0) == found.p_value
    assert found.p_below(0) == pytest.approx(1 - found.p_value)
    assert math.isclose(found.p_above(found.gain), 0.5)
