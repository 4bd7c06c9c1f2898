"""Expected losses become metrics."""

import math

import numpy as np
import pytest

from perennial.performance.loss_model import estimate, losses


def test_losses_are_those_whose_means_are_the_metrics() -> None:
    found = losses(np.array([1.0, 2.0]), np.array([4.0, 2.0]))
    assert {name: values.tolist() for name, values in found.items()} == {"mae": [3, 0], "rmse": [9, 0]}


def test_metrics_and_their_errors_follow_from_expected_losses() -> None:
    said = estimate({"mae": np.array([1.0, 3.0]), "rmse": np.array([1.0, 15.0])}, {"mae": 2.0, "rmse": 8.0})
    assert (said["mae"].value, said["rmse"].value) == (2.0, pytest.approx(math.sqrt(8)))
    assert said["mae"].standard_error == pytest.approx(2 / math.sqrt(2))
    assert said["rmse"].standard_error == pytest.approx(8 / math.sqrt(2) / (2 * math.sqrt(8)))
    assert said["mae"].low == 0


def test_edges_are_defined() -> None:
    assert estimate({"mae": np.empty(0)}, {"mae": 1.0}) == {}
    assert estimate({"mae": np.array([-5.0])}, {"mae": 0.0})["mae"].value == 0
    assert estimate({"rmse": np.array([-5.0])}, {"rmse": 0.0})["rmse"].standard_error == math.inf
