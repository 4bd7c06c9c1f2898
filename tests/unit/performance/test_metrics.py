import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from perennial.errors import InvalidSpec
from perennial.performance.gain import METRIC_TITLES, gain
from perennial.performance.metrics import metrics_of, no_skill
from perennial.spec.names import METRICS, Task

BINARY = Task.BINARY_CLASSIFICATION
REGRESSION = Task.REGRESSION


@pytest.mark.parametrize("task", list(Task))
def test_every_metric_of_the_task_is_measured(task: Task) -> None:
    truth = np.array([0.0, 1.0, 1.0, 0.0])
    measured = metrics_of(task, truth, np.array([0.1, 0.8, 0.4, 0.3]))
    of_predictions = {name for name, metric in METRICS.items() if task in metric.tasks and not metric.of_decisions}
    assert set(measured) == of_predictions
    assert all(isinstance(value, float) for value in measured.values())


def test_roc_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    random = np.random.default_rng(1)
    truth = (random.random(400) < 0.3).astype(float)
    prediction = np.round((truth * 0.2 + random.random(400)) / 1.2, 1)  # rounded, so that there are ties
    statistic = mannwhitneyu(prediction[truth == 1], prediction[truth == 0]).statistic
    expected = statistic / (truth.sum() * (1 - truth).sum())
    assert metrics_of(BINARY, truth, prediction)["roc_auc"] == pytest.approx(expected, abs=1e-12)


def test_average_precision_by_hand() -> None:
    # By falling score: hit, miss, hit. Recall rises by 1/2 at precision 1, and by 1/2 at precision 2/3.
    measured = metrics_of(BINARY, np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.8, 0.7]))
    assert measured["pr_auc"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_log_loss_and_brier_by_hand() -> None:
    measured = metrics_of(BINARY, np.array([1.0, 0.0]), np.array([0.8, 0.4]))
    assert measured["log_loss"] == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)
    assert measured["brier"] == pytest.approx((0.2**2 + 0.4**2) / 2)


def test_errors_of_a_regression_by_hand() -> None:
    measured = metrics_of(REGRESSION, np.array([1.0, 2.0, 6.0]), np.array([1.0, 4.0, 2.0]))
    assert measured["mae"] == pytest.approx(2.0)
    assert measured["rmse"] == pytest.approx(math.sqrt(20 / 3))
    assert measured["r2"] == pytest.approx(1 - 20 / 14)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_class_leaves_out_what_it_leaves_undefined(value: float) -> None:
    measured = metrics_of(BINARY, np.full(5, value), np.linspace(0.1, 0.9, 5))
    assert set(measured) == {"log_loss", "brier"}
    assert all(math.isfinite(number) for number in measured.values())


def test_a_constant_outcome_has_no_r2() -> None:
    assert set(metrics_of(REGRESSION, np.full(5, 3.0), np.arange(5.0))) == {"mae", "rmse"}


def test_a_single_row_and_none() -> None:
    assert set(metrics_of(REGRESSION, np.array([3.0]), np.array([2.0]))) == {"mae", "rmse"}
    assert metrics_of(BINARY, np.empty(0), np.empty(0)) == {}


def test_certain_and_wrong_is_costly_but_finite() -> None:
    assert 30 < metrics_of(BINARY, np.array([1.0, 0.0]), np.array([0.0, 0.0]))["log_loss"] * 2 < 40


def test_no_skill_ranks_nothing_and_knows_the_prevalence() -> None:
    training, truth = np.array([0.0, 0, 0, 1]), np.array([0.0, 1, 0, 1, 0])
    baseline = no_skill(BINARY, training, truth)
    assert baseline["roc_auc"] == 0.5
    assert baseline["pr_auc"] == pytest.approx(0.4)
    assert baseline["brier"] == pytest.approx((3 * 0.25**2 + 2 * 0.75**2) / 5)
    assert no_skill(REGRESSION, np.array([0.0, 2.0]), np.array([0.0, 4.0]))["mae"] == pytest.approx(2.0)


@pytest.mark.parametrize("name", list(METRICS))
def test_gain_is_positive_for_the_better(name: str) -> None:
    better = 0.75 if METRICS[name].higher_is_better else 0.25
    assert gain(name, better, 0.5) == 0.25
    assert gain(name, 0.5, better) == -0.25


def test_an_unknown_metric_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidSpec, match="did you mean 'roc_auc'"):
        gain("roc_acu", 1, 0)


def test_every_metric_has_a_title() -> None:
    assert METRIC_TITLES.keys() == METRICS.keys()
