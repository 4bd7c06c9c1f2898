"""Estimates from a sample with known probabilities: unbiased where unweighted ones are not, with honest intervals."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, mean_absolute_error, roc_auc_score, root_mean_squared_error

from perennial.arrays import Floats
from perennial.performance.design_based import FEWEST, Sampled, design_based, effective_rows, weighted_share
from perennial.performance.interval import auc_variance, intervals
from perennial.performance.metrics import metrics_of
from perennial.policy.sampling import plan
from perennial.spec.names import Task

BINARY, NUMBER = Task.BINARY_CLASSIFICATION, Task.REGRESSION


def scored(random: np.random.Generator, rows: int) -> tuple[Floats, Floats]:
    """Predictions of a model that is too sure of the yes, and outcomes."""
    score = random.normal(0, 1.8, rows)
    truth = random.random(rows) < 1 / (1 + np.exp(0.4 - score))
    return 1 / (1 + np.exp(-score)), truth.astype(np.float64)


def sampled(random: np.random.Generator, rows: int) -> Sampled:
    """A window of which people were asked as the spec's defaults say, with the band [0.4, 0.6]."""
    prediction, truth = scored(random, rows)
    probability = plan(prediction, (0.4, 0.6), 0.02, 50).probability
    inside = random.random(rows) < probability
    return Sampled(prediction, truth[inside], prediction[inside], 1 / probability[inside])


def test_the_estimate_is_unbiased_where_the_unweighted_one_is_not_and_its_interval_holds() -> None:
    """400 times, two weeks of 600 rows of which about 50 are asked about, most of them doubtful."""
    times, names = 400, ("roc_auc", "brier", "log_loss")
    prediction, truth = scored(np.random.default_rng(1), 1_000_000)
    target = metrics_of(BINARY, truth, prediction)
    random = np.random.default_rng(2)
    values, unweighted, hit, error = ({name: [] for name in names} for _ in range(4))  # type: ignore[var-annotated]
    for _ in range(times):
        windows = [sampled(random, 600) for _ in range(14)]
        found = design_based(BINARY, windows)
        truths = np.concatenate([each.truth for each in windows])
        naive = metrics_of(BINARY, truths, np.concatenate([each.prediction for each in windows]))
        for name in names:
            values[name].append(found[name].value)
            error[name].append(found[name].standard_error)
            unweighted[name].append(naive[name])
            hit[name].append(found[name].low <= target[name] <= found[name].high)
    for name in names:
        noise = np.std(values[name]) / math.sqrt(times)
        assert abs(np.mean(values[name]) - target[name]) < 3.5 * noise, name
        assert abs(np.mean(unweighted[name]) - target[name]) > 20 * noise, name
        assert np.mean(error[name]) == pytest.approx(np.std(values[name]), rel=0.1), name
        assert 0.92 <= np.mean(hit[name]) <= 0.98, name  # three standard errors around 0.95


def test_the_model_s_own_guess_narrows_the_interval() -> None:
    """What active inference gains over weighting alone."""
    random = np.random.default_rng(3)
    windows = [sampled(random, 600) for _ in range(14)]
    truth, prediction, weight = (
        np.concatenate([getattr(each, name) for each in windows]) for name in ("truth", "prediction", "weight")
    )
    losses = (truth - prediction) ** 2
    value = np.average(losses, weights=weight)
    hajek = math.sqrt((weight**2 * (losses - value) ** 2).sum()) / weight.sum()
    assert design_based(BINARY, windows)["brier"].standard_error < hajek


def test_it_is_the_published_formula_with_normalised_weights() -> None:
    """Zrnic and Candès (2024), term by term over all rows: guesses, and weighted differences of those asked about."""
    random = np.random.default_rng(4)
    prediction, truth = scored(random, 3_000)
    probability = plan(prediction, (0.4, 0.6), 0.1, 1_000).probability
    inside = random.random(3_000) < probability
    window = Sampled(prediction, truth[inside], prediction[inside], 1 / probability[inside])
    guess, loss = prediction * (1 - prediction), (truth - prediction) ** 2
    share = inside / probability / (inside / probability).mean()
    found = design_based(BINARY, [window])["brier"]
    assert found.value == pytest.approx((guess + (loss - guess) * share).mean())
    correction = ((loss - guess) * share).mean()
    parts = guess + (loss - guess - correction) * share
    assert found.standard_error == pytest.approx(parts.std() / math.sqrt(3_000))
    assert found.high - found.value == pytest.approx(1.959964 * parts.std() / math.sqrt(3_000))
    published = (guess + (loss - guess) * inside / probability).mean()  # with the weights as they are
    assert found.value == pytest.approx(published, abs=found.standard_error / 2)


def test_when_every_row_is_known_it_is_the_ordinary_measurement() -> None:
    prediction, truth = scored(np.random.default_rng(5), 2_000)
    found = design_based(BINARY, [Sampled(prediction, truth, prediction, np.ones(2_000))])
    for name, ordinary in intervals(BINARY, truth, prediction).items():
        if name != "pr_auc":
            assert found[name].value == pytest.approx(ordinary.value), name
            assert found[name].standard_error == pytest.approx(ordinary.standard_error, rel=1e-3), name
            assert (found[name].low, found[name].high) == pytest.approx((ordinary.low, ordinary.high), rel=1e-4)
    assert found["roc_auc"].standard_error == pytest.approx(math.sqrt(auc_variance(truth, prediction)), rel=1e-3)
    assert set(found) == {"roc_auc", "log_loss", "brier"}


def test_weighted_values_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(6)
    weight = random.choice([1.0, 4.0, 50.0], 900)
    prediction, truth = np.round(random.random(900), 1), (random.random(900) < 0.4).astype(np.float64)  # with ties
    window = Sampled(prediction, truth, prediction, weight)
    assert design_based(BINARY, [window])["roc_auc"].value == pytest.approx(
        roc_auc_score(truth, prediction, sample_weight=weight)
    )
    all_rows = replace(window, predictions=np.repeat(prediction, weight.astype(int)))
    assert design_based(BINARY, [all_rows])["brier"].value == pytest.approx(
        brier_score_loss(truth, prediction, sample_weight=weight)
    )
    outcome = prediction + random.normal(0, 2, 900)
    numbers = design_based(NUMBER, [Sampled(prediction, outcome, prediction, weight)])
    assert numbers["mae"].value == pytest.approx(mean_absolute_error(outcome, prediction, sample_weight=weight))
    assert numbers["rmse"].value == pytest.approx(root_mean_squared_error(outcome, prediction, sample_weight=weight))


def test_errors_of_numbers_have_honest_intervals() -> None:
    random, hits, times = np.random.default_rng(7), 0, 500
    for _ in range(times):
        prediction = random.normal(0, 1, 800)
        outcome = prediction + random.normal(0, 1 + np.abs(prediction))
        inside = random.random(800) < 0.25
        found = design_based(
            NUMBER, [Sampled(prediction, outcome[inside], prediction[inside], np.full(inside.sum(), 4.0))]
        )["mae"]
        expected = math.sqrt(2 / math.pi) * (1 + math.sqrt(2 / math.pi))
        hits += found.low <= expected <= found.high
    assert 0.92 <= hits / times <= 0.98


def test_rows_of_different_windows_are_not_compared() -> None:
    """Two windows whose predictions are apart: within each the order is perfect, together it would not be."""
    low = Sampled(*(np.tile(values, 60) for values in ([0.1, 0.2], [0.0, 1.0], [0.1, 0.2], [1.0, 1.0])))
    high = Sampled(*(np.tile(values, 60) for values in ([0.8, 0.9], [0.0, 1.0], [0.8, 0.9], [1.0, 1.0])))
    assert design_based(BINARY, [low, high])["roc_auc"].value == 1
    assert 0.5 < design_based(BINARY, [low, high])["roc_auc"].low < 1
    joined = Sampled(*(np.concatenate(pair) for pair in zip(vars(low).values(), vars(high).values(), strict=True)))
    assert design_based(BINARY, [joined])["roc_auc"].value == 0.75


def test_too_little_to_tell_has_no_estimate() -> None:
    random = np.random.default_rng(8)
    assert design_based(BINARY, []) == {}
    window = sampled(random, 600)  # some 50 rows, of which a dozen stand for 50 others each
    assert effective_rows([window]) < 30 < FEWEST
    assert design_based(BINARY, [window]) == {}
    prediction = random.random(400)
    one_class = design_based(BINARY, [Sampled(prediction, np.zeros(400), prediction, np.ones(400))])
    assert set(one_class) == {"log_loss", "brier"}


def test_a_weighted_share_has_a_width_even_where_all_agree() -> None:
    found = weighted_share(np.ones(20), np.full(20, 3.0))
    assert (found.value, found.high) == (1.0, pytest.approx(1.0))
    assert found.low == pytest.approx(0.8389, abs=1e-4)  # Wilson, 20 of 20
    mixed = weighted_share(np.array([1.0, 0.0]), np.array([3.0, 1.0]))
    assert mixed.value == 0.75
    assert mixed.low < 0.2
