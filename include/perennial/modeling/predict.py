"""Predictions that don't depend on how the rows were cut into chunks."""

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline

from perennial.arrays import Floats
from perennial.features.build import LARGEST_FEATURE
from perennial.spec.names import Task

_IN_SINGLE_PRECISION = RandomForestClassifier | RandomForestRegressor | ExtraTreesClassifier | ExtraTreesRegressor


def predict(pipeline: Pipeline, task: Task, frame: pd.DataFrame) -> Floats:
    """The probability of the positive class, or the value, for each row of a `feature_frame`; shape (rows,).

    A row's prediction has the same bytes whatever rows come with it. A row whose numbers are too large for the
    estimator's arithmetic has the prediction NaN or infinity; nobody may use it (see `perennial.jobs.predict.score`).
    """
    if len(frame) == 0:
        return np.empty(0, dtype=np.float64)
    estimator = pipeline.named_steps["estimator"]
    if isinstance(estimator, CalibratedClassifierCV):
        return _calibrated(pipeline, estimator, frame)
    if isinstance(estimator, _IN_SINGLE_PRECISION):  # one number beyond it, and they refuse the whole frame
        beyond = (frame.select_dtypes("number").abs() > LARGEST_FEATURE).any(axis=1).to_numpy()
        if beyond.any():
            predictions = np.full(len(frame), np.nan)
            predictions[~beyond] = predict(pipeline, task, frame[~beyond])
            return predictions
    if isinstance(estimator, LogisticRegression | Ridge):
        scores = _linear_scores(pipeline, frame)
        return expit(scores) if task is Task.BINARY_CLASSIFICATION else scores
    if task is Task.REGRESSION:
        return np.asarray(pipeline.predict(frame), dtype=np.float64)
    positive = list(estimator.classes_).index(1)
    return np.ascontiguousarray(pipeline.predict_proba(frame)[:, positive], dtype=np.float64)


def _calibrated(pipeline: Pipeline, estimator: CalibratedClassifierCV, frame: pd.DataFrame) -> Floats:
    """The sigmoid of what the inner estimator says, as scikit-learn does it, but row by row."""
    (fitted,) = estimator.calibrated_classifiers_
    (sigmoid,) = fitted.calibrators
    inner = Pipeline([("encode", pipeline.named_steps["encode"]), ("estimator", fitted.estimator)])
    if isinstance(fitted.estimator, LogisticRegression):
        said = _linear_scores(inner, frame)
    elif hasattr(fitted.estimator, "decision_function"):
        said = np.asarray(inner.decision_function(frame), dtype=np.float64)
    else:
        said = predict(inner, Task.BINARY_CLASSIFICATION, frame)
    with np.errstate(over="ignore", invalid="ignore"):
        probabilities: Floats = expit(-(sigmoid.a_ * said + sigmoid.b_))
    return probabilities


def _linear_scores(pipeline: Pipeline, frame: pd.DataFrame) -> Floats:
    """`decision_function`, but summed row by row: BLAS sums in an order that depends on the number of rows."""
    estimator = pipeline.named_steps["estimator"]
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not finite, and its row is refused later
        encoded = np.ascontiguousarray(pipeline.named_steps["encode"].transform(frame), dtype=np.float64)
        scores: Floats = np.multiply(encoded, np.ravel(estimator.coef_)).sum(axis=1) + estimator.intercept_
    return scores
