"""How good predictions are, by the outcomes that came."""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from perennial.arrays import Floats
from perennial.spec.names import METRICS, Task


def metrics_of(task: Task, truth: Floats, prediction: Floats) -> dict[str, float]:
    """Every metric of the task's predictions that is defined on these outcomes.

    What is measured of decisions is left out; for cost see `perennial.performance.cost`.

    `truth` is 0 or 1 for classification and the value for regression; `prediction` is the probability of 1, or the
    value; both have shape (rows,). A metric that these outcomes leave undefined (ROC AUC of one class, R² of a
    constant) is left out: whoever needs it has too little data.
    """
    found = {name: metric_of(name, task, truth, prediction) for name in METRICS}
    return {name: value for name, value in found.items() if value is not None}


def metric_of(name: str, task: Task, truth: Floats, prediction: Floats) -> float | None:
    """One of the metrics that `metrics_of` measures, None where that leaves it out."""
    metric = METRICS[name]
    if truth.size == 0 or task not in metric.tasks or metric.of_decisions:
        return None
    if name in _NEED_VARIATION and not truth.min() < truth.max():
        return None
    return float(_FUNCTIONS[name](truth, prediction))


def no_skill(task: Task, training_truth: Floats, truth: Floats) -> dict[str, float]:
    """The metrics of always predicting the mean of the training outcomes: what a first model must beat."""
    return metrics_of(task, truth, np.full(truth.shape, training_truth.mean()))


def _log_loss(truth: Floats, prediction: Floats) -> float:
    return float(log_loss(truth, prediction, labels=[0, 1]))


def _brier(truth: Floats, prediction: Floats) -> float:
    return float(brier_score_loss(truth, prediction, labels=[0, 1]))


_FUNCTIONS: dict[str, Callable[[Floats, Floats], float]] = {
    "roc_auc": roc_auc_score,
    "pr_auc": average_precision_score,
    "log_loss": _log_loss,
    "brier": _brier,
    "mae": mean_absolute_error,
    "rmse": root_mean_squared_error,
    "r2": r2_score,
}

_NEED_VARIATION = frozenset({"roc_auc", "pr_auc", "r2"})
