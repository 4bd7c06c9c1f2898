"""Comparisons within windows."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.bench.promotion_errors import World

from perennial.errors import NotEnoughData
from perennial.judgement.compare import compare
from perennial.judgement.rows import Scored
from perennial.judgement.within import compare_within
from perennial.performance.gain import gain, metric_named
from perennial.performance.metrics import metrics_of
from perennial.spec.names import METRICS, Task


def test_it_is_the_mean_of_the_windows_weighted_by_rows() -> None:
    scored = World(rows=50).holdout(12, 3).scored()
    scored = scored.where(np.random.default_rng(1).random(len(scored)) < 0.8)  # windows of different size
    found = compare_within("roc_auc", scored)
    rows, gains = [], []
    for name in np.unique(scored.windows):
        part = scored.where(scored.windows == name)
        rows.append(len(part))
        gains.append(roc_auc_score(part.truth, part.challenger) - roc_auc_score(part.truth, part.champion))
    assert found.gain == pytest.approx(np.average(gains, weights=rows))
    assert found.gain == pytest.approx(found.challenger - found.champion)
    assert found.standard_error == pytest.approx(np.std(gains, ddof=1) / math.sqrt(12), rel=0.15)
    assert (found.rows, found.windows, found.method) == (len(scored), 12, "mean of windows")


@pytest.mark.parametrize("metric", ["brier", "mae"])
def test_of_a_mean_of_losses_it_is_the_comparison_of_all_rows(metric: str) -> None:
    scored = World(rows=50).holdout(12, 3).scored(metric)
    one, other = compare_within(metric, scored), compare(metric, scored)
    assert (one.champion, one.challenger, one.gain) == pytest.approx((other.champion, other.challenger, other.gain))
    assert one.standard_error == pytest.approx(other.standard_error, rel=0.08)  # that of 999 resamples


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_each_windows_values_are_those_of_the_metric(metric: str) -> None:
    (task,) = metric_named(metric).tasks
    scored = World(rows=50).holdout(6, 3).scored("roc_auc" if task is Task.BINARY_CLASSIFICATION else "mae")
    found = compare_within(metric, scored)
    parts = [scored.where(scored.windows == name) for name in np.unique(scored.windows)]
    values = [
        [
            each.mean() if metric == "cost" else metrics_of(task, p.truth, each)[metric]  # it is given costs
            for each in (p.champion, p.challenger)
        ]
        for p in parts
    ]
    assert [found.champion, found.challenger] == pytest.approx(np.mean(values, axis=0).tolist())
    assert found.gain == pytest.approx(gain(metric, found.challenger, found.champion))


def test_what_all_rows_of_a_window_share_does_not_count() -> None:
    scored = World(rows=150, level=2.5).holdout(20, 3).scored()
    calm = World(rows=150, level=0.0).holdout(20, 3).scored()
    assert compare_within("roc_auc", scored).gain == pytest.approx(compare_within("roc_auc", calm).gain, abs=1e-12)
    assert compare_within("roc_auc", scored).standard_error < 0.6 * compare("roc_auc", scored).standard_error


def test_equal_models_are_seldom_better() -> None:
    found = [compare_within("roc_auc", World(rows=60).holdout(10, seed).scored()).low > 0 for seed in range(120)]
    assert sum(found) <= 7  # of a binomial with 2.5%, 120 times: no more than 7 in 99 cases of 100


def test_windows_of_one_class_are_left_out() -> None:
    scored = World(rows=50).holdout(9, 4).scored()
    truth = np.where(scored.windows == "day 0003", 0.0, scored.truth)
    found = compare_within("roc_auc", Scored(truth, scored.champion, scored.challenger, scored.windows))
    assert (found.rows, found.windows) == (400, 8)


@pytest.mark.parametrize("windows", [1, 2])
def test_too_few_windows_are_no_answer(windows: int) -> None:
    with pytest.raises(NotEnoughData, match=f"within windows: it is defined in {windows} of {windows}"):
        compare_within("roc_auc", World(rows=50).holdout(windows, 4).scored())


def test_no_window_with_both_classes_is_no_answer() -> None:
    scored = World(rows=50).holdout(6, 4).scored()
    ones = Scored(np.ones(300), scored.champion, scored.challenger, scored.windows)
    with pytest.raises(NotEnoughData, match="it is defined in 0 of 6"):
        compare_within("roc_auc", ones)
