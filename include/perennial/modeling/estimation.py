"""How a model's performance is estimated while labels are missing, and how far such estimates were off."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import AliasChoices, Field
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from perennial.arrays import Floats
from perennial.errors import UntrustedModel
from perennial.modeling import trial
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.modeling.recipe import tree_encoding
from perennial.performance.cbpe import Calibration, fit_calibration
from perennial.performance.cbpe import estimate as estimate_classification
from perennial.performance.cbpe import estimate_of_pieces as classification_of_pieces
from perennial.performance.interval import Interval
from perennial.performance.loss_model import estimate as estimate_regression
from perennial.performance.loss_model import estimate_of_pieces as regression_of_pieces
from perennial.performance.loss_model import losses
from perennial.performance.metrics import metrics_of
from perennial.spec.models import UseCase
from perennial.spec.names import Task

FEWEST_WINDOWS = 5
FOLDS = 3
PREDICTION = "prediction"

LossModels = Mapping[str, Pipeline]


@dataclass(frozen=True)
class EstimateBias:
    """How far estimates were off in the training windows.

    `correction` is the mean of truth minus estimate, the bias with its sign turned round: add it to an estimate. `sd`
    is the standard deviation of the same differences. Both are in the metric's unit. 0.1.0 wrote them as gap and
    spread.
    """

    correction: Annotated[float, Field(validation_alias=AliasChoices("correction", "gap"))]
    sd: Annotated[float, Field(validation_alias=AliasChoices("sd", "spread"))]


@dataclass(frozen=True)
class Estimation:
    """What a model's estimates need: probabilities that mean what they say, or models of its losses.

    `calibration` is for classification. For regression, `loss_models` names the artefacts by metric, and `loss_spread`
    is the SD of a row's loss around what they say. `bias` is by metric. `loss_examples` names, by metric, rows with
    what the loss model said of them, and `libraries` what it was trained with; references of before have neither.
    """

    calibration: Calibration | None
    loss_models: dict[str, str]
    loss_spread: dict[str, float]
    bias: Annotated[dict[str, EstimateBias], Field(validation_alias=AliasChoices("bias", "usual"))]
    loss_examples: dict[str, str] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WindowOutcome:
    """A training window: its out-of-fold predictions, its outcomes, and its features, all of the same rows."""

    predictions: Floats
    truth: Floats
    features: pd.DataFrame


def learn_calibration(windows: Sequence[WindowOutcome]) -> Estimation | None:
    """How to estimate a classifier, from predictions of windows that it had not seen.

    None when there are too few windows to know how far estimates are off.
    """
    sizes = [len(window.truth) for window in windows]
    calibration = fit_calibration(
        np.concatenate([window.truth for window in windows]),
        np.concatenate([window.predictions for window in windows]),
        np.repeat(np.arange(len(windows), dtype=np.float64), sizes),
    )
    estimates = [estimate_classification(each.predictions, calibration.apply(each.predictions)) for each in windows]
    return _with_bias(Estimation(calibration, {}, {}, {}), Task.BINARY_CLASSIFICATION, windows, estimates)


def learn_losses(spec: UseCase, windows: Sequence[WindowOutcome]) -> tuple[Estimation | None, dict[str, Pipeline]]:
    """How to estimate a regression, and the models of its losses; `Estimation.loss_models` is the caller's to fill in.

    How far estimates are off is learnt from windows that the loss models had not seen, three stretches in turn.
    """
    expected: list[dict[str, Floats]] = [{} for _ in windows]
    for fold in np.array_split(np.arange(len(windows)), FOLDS):
        others = [window for i, window in enumerate(windows) if i not in fold]
        if not others:
            continue
        models = _fit_losses(spec, others)
        for i in fold:
            expected[i] = expected_losses(models, windows[i].features, windows[i].predictions)
    known = [losses(window.truth, window.predictions) for window in windows]
    pairs = [(truth, said) for truth, said in zip(known, expected, strict=True) if said]
    spread = {
        name: float(np.concatenate([truth[name] - said[name] for truth, said in pairs]).std(ddof=1))
        for name in (pairs[0][1] if pairs else ())
    }
    estimates = [estimate_regression(each, spread) for each in expected]
    learnt = _with_bias(Estimation(None, {}, spread, {}), spec.task, windows, estimates)
    return learnt, _fit_losses(spec, windows)


def estimate(
    how: Estimation,
    predictions: Floats,
    features: pd.DataFrame | None = None,
    loss_models: LossModels | None = None,
) -> Mapping[str, Interval]:
    """The metrics to expect of these predictions, each with its sampling error.

    Regression needs the rows' features and the loss models. Errors: `UntrustedModel` when these are not given.
    """
    return estimate_of_pieces(how, [(predictions, features)], loss_models)


def estimate_of_pieces(
    how: Estimation, pieces: Iterable[tuple[Floats, pd.DataFrame | None]], loss_models: LossModels | None = None
) -> Mapping[str, Interval]:
    """`estimate` of rows that come in pieces. Errors: as there, and as `perennial.ordered.ordered`."""
    if how.calibration is not None:
        return classification_of_pieces(how.calibration, (predictions for predictions, _ in pieces))

    def expected() -> Iterator[dict[str, Floats]]:
        for predictions, features in pieces:
            if features is None or not loss_models:
                raise UntrustedModel(
                    "Estimates of a regression need its loss models; train and register the model again."
                )
            yield expected_losses(loss_models, features, predictions)

    return regression_of_pieces(expected(), how.loss_spread)


def expected_losses(models: LossModels, features: pd.DataFrame, predictions: Floats) -> dict[str, Floats]:
    """What the loss models say of each row."""
    if not len(predictions):
        return {}
    frame = features.assign(**{PREDICTION: predictions})
    return {name: np.asarray(model.predict(frame), dtype=np.float64) for name, model in models.items()}


def loss_example(model: Pipeline, rows: pa.Table, predictions: Floats) -> pa.Table:
    """The features of these rows with their predictions, and what the loss model says of them: its proof under other
    libraries (see `perennial.modeling.libraries`).
    """
    example = rows.append_column(PREDICTION, pa.array(predictions))
    said = predict(model, Task.REGRESSION, model_inputs(model).frame(example))
    return example.append_column(trial.PREDICTION, pa.array(said))


def _fit_losses(spec: UseCase, windows: Sequence[WindowOutcome]) -> dict[str, Pipeline]:
    frame = pd.concat([w.features.assign(**{PREDICTION: w.predictions}) for w in windows], ignore_index=True)
    truth = np.concatenate([window.truth for window in windows])
    known = losses(truth, np.concatenate([window.predictions for window in windows]))
    return {name: _fit_loss(spec, frame, values) for name, values in known.items()}


def _fit_loss(spec: UseCase, frame: pd.DataFrame, values: Floats) -> Pipeline:
    """A model of the mean loss, given the features and the prediction: squared error makes it a mean."""
    trees = HistGradientBoostingRegressor(loss="squared_error", random_state=spec.training.seed)
    pipeline = Pipeline([("encode", tree_encoding(spec, also=(PREDICTION,))), ("estimator", trees)]).fit(frame, values)
    trees._bin_mapper.n_threads = 1  # as in `perennial.modeling.train`: not part of the model
    return pipeline


def _with_bias(
    how: Estimation, task: Task, windows: Sequence[WindowOutcome], estimates: Sequence[Mapping[str, Interval]]
) -> Estimation | None:
    errors: dict[str, list[float]] = {}
    for window, found in zip(windows, estimates, strict=True):
        truth = metrics_of(task, window.truth, window.predictions)
        for name, value in found.items():
            if name in truth and np.isfinite(value.value):
                errors.setdefault(name, []).append(truth[name] - value.value)
    bias = {
        name: EstimateBias(float(np.mean(each)), float(np.std(each, ddof=1)))
        for name, each in errors.items()
        if len(each) >= FEWEST_WINDOWS
    }
    return replace(how, bias=bias) if bias else None
