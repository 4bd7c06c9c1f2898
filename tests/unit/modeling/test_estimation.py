"""How a model's estimates are learnt from windows it had not seen, and what they are worth on new ones."""

import numpy as np
import pandas as pd
import pytest

from perennial.encoding import bytes_digest
from perennial.errors import UntrustedModel
from perennial.modeling.artifact import dump, load
from perennial.modeling.estimation import Estimation, WindowOutcome, estimate, learn_calibration, learn_losses
from perennial.modeling.reference import ModelReference
from perennial.performance.metrics import metrics_of
from perennial.spec.models import UseCase
from perennial.spec.names import Task

WINDOWS, ROWS = 30, 200


@pytest.fixture
def regression() -> UseCase:
    source = {"type": "files", "path": "nowhere", "format": "csv"}
    return UseCase.model_validate(
        {
            "name": "trips",
            "title": "How long trips take",
            "owner": "fleet",
            "task": "regression",
            "schedule": {"start": "2024-01-01"},
            "source": source,
            "columns": {
                "trip": {"kind": "integer", "role": "key"},
                "left_at": {"kind": "timestamp", "role": "event_time"},
                "distance": {"kind": "numeric"},
                "weather": {"kind": "categorical"},
            },
            "labels": {"source": source, "column": "minutes", "arrival_time": "known_at", "mature_after": "1d"},
            "training": {
                "history": "9d",
                "holdout": "2d",
                "candidates": [{"name": "any", "estimator": "dummy"}],
                "metric": "mae",
            },
        }
    )


def trips(seed: int, snow: float = 0.2, rows: int = ROWS) -> WindowOutcome:
    """Errors are three times as large in snow."""
    random = np.random.default_rng(seed)
    distance = random.uniform(1, 20, rows)
    snowing = random.random(rows) < snow
    truth = 3 * distance + random.normal(0, 1, rows) * np.where(snowing, 6.0, 2.0)
    features = pd.DataFrame({"distance": distance, "weather": np.where(snowing, "snow", "dry").astype(object)})
    return WindowOutcome(3 * distance, truth, features)


def test_losses_are_told_from_the_inputs_where_these_shift(regression: UseCase) -> None:
    how, models = learn_losses(regression, [trips(seed) for seed in range(WINDOWS)])
    assert how is not None
    winter = trips(99, snow=0.9, rows=5_000)
    said = estimate(how, winter.predictions, winter.features, models)
    came = metrics_of(Task.REGRESSION, winter.truth, winter.predictions)
    assert said["mae"].value == pytest.approx(came["mae"], rel=0.05)
    assert said["rmse"].value == pytest.approx(came["rmse"], rel=0.05)
    assert said["mae"].value > 1.5 * metrics_of(Task.REGRESSION, trips(1).truth, trips(1).predictions)["mae"]
    assert "r2" not in said


def test_biases_are_those_of_windows_that_were_not_learnt_from(regression: UseCase) -> None:
    how, models = learn_losses(regression, [trips(seed) for seed in range(WINDOWS)])
    assert how is not None
    gaps = []
    for seed in range(200, 260):
        window = trips(seed)
        said = estimate(how, window.predictions, window.features, models)["mae"].value
        gaps.append(metrics_of(Task.REGRESSION, window.truth, window.predictions)["mae"] - said)
    bias = how.bias["mae"]
    assert np.mean(gaps) == pytest.approx(bias.correction, abs=0.1)
    assert np.std(gaps) == pytest.approx(bias.sd, rel=0.4)


def test_loss_models_are_stored_like_models(regression: UseCase) -> None:
    _, models = learn_losses(regression, [trips(seed) for seed in range(6)])
    content = dump(models["mae"])
    again = load(content, bytes_digest(content))
    window = trips(7)
    frame = window.features.assign(prediction=window.predictions)
    np.testing.assert_array_equal(again.predict(frame), models["mae"].predict(frame))


def test_a_regression_without_its_loss_models_says_so(regression: UseCase) -> None:
    how, _ = learn_losses(regression, [trips(seed) for seed in range(6)])
    assert how is not None
    with pytest.raises(UntrustedModel, match="loss models; train and register"):
        estimate(how, np.ones(3))


def test_few_windows_teach_nothing(regression: UseCase) -> None:
    how, _ = learn_losses(regression, [trips(seed) for seed in range(4)])
    assert how is None
    assert learn_calibration([classified(seed) for seed in range(4)]) is None


def classified(seed: int) -> WindowOutcome:
    random = np.random.default_rng(seed)
    probability = random.uniform(0.05, 0.95, ROWS)
    truth = (random.random(ROWS) < probability).astype(float)
    return WindowOutcome(probability**2, truth, pd.DataFrame(index=range(ROWS)))


def test_a_classifier_that_understates_is_calibrated_and_its_gaps_are_small() -> None:
    how = learn_calibration([classified(seed) for seed in range(WINDOWS)])
    assert how is not None
    assert how.calibration is not None
    assert how.calibration.apply(np.array([0.25]))[0] == pytest.approx(0.5, abs=0.05)
    for metric in ("roc_auc", "log_loss", "brier"):
        assert abs(how.bias[metric].correction) < how.bias[metric].sd
    assert how == Estimation(how.calibration, {}, {}, how.bias)


def test_a_reference_that_is_none_is_refused() -> None:
    with pytest.raises(UntrustedModel, match="train and register the model again"):
        ModelReference.from_json({"format": 2})
