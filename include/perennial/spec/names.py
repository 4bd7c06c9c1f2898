"""The names that a spec may use, in one place: tasks, estimators and metrics.

Only names and facts about them: nothing here imports scikit-learn, because specs are read inside DAG
files. Error texts and the JSON Schema are made from these registries.
"""

import math
from dataclasses import dataclass
from enum import StrEnum


class Task(StrEnum):
    """The kind of prediction problem."""

    BINARY_CLASSIFICATION = "binary_classification"
    REGRESSION = "regression"


@dataclass(frozen=True)
class Estimator:
    """Where scikit-learn keeps the estimator for each task, as a dotted path; None where it has none."""

    classifier: str | None
    regressor: str | None

    def path(self, task: Task) -> str | None:
        """The dotted path for the task."""
        return self.classifier if task is Task.BINARY_CLASSIFICATION else self.regressor


ESTIMATORS: dict[str, Estimator] = {
    "hist_gradient_boosting": Estimator(
        "sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.ensemble.HistGradientBoostingRegressor"
    ),
    "random_forest": Estimator("sklearn.ensemble.RandomForestClassifier", "sklearn.ensemble.RandomForestRegressor"),
    "extra_trees": Estimator("sklearn.ensemble.ExtraTreesClassifier", "sklearn.ensemble.ExtraTreesRegressor"),
    "linear": Estimator("sklearn.linear_model.LogisticRegression", "sklearn.linear_model.Ridge"),
    "dummy": Estimator("sklearn.dummy.DummyClassifier", "sklearn.dummy.DummyRegressor"),
}


@dataclass(frozen=True)
class Metric:
    """A measure of how good predictions are.

    `unit` says what one unit of its value means; "" for a pure number. `range` is what values it can have.
    `of_decisions` says that it measures what is decided by predictions, and not the predictions themselves.
    """

    name: str
    tasks: tuple[Task, ...]
    higher_is_better: bool
    unit: str
    range: tuple[float, float] = (0.0, math.inf)
    of_decisions: bool = False


def _metrics(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


METRICS: dict[str, Metric] = _metrics(
    Metric("roc_auc", (Task.BINARY_CLASSIFICATION,), higher_is_better=True, unit="", range=(0.0, 1.0)),
    Metric("pr_auc", (Task.BINARY_CLASSIFICATION,), higher_is_better=True, unit="", range=(0.0, 1.0)),
    Metric("log_loss", (Task.BINARY_CLASSIFICATION,), higher_is_better=False, unit="nat"),
    Metric("brier", (Task.BINARY_CLASSIFICATION,), higher_is_better=False, unit="", range=(0.0, 1.0)),
    Metric(
        "cost",
        (Task.BINARY_CLASSIFICATION,),
        higher_is_better=False,
        unit="cost",
        range=(-math.inf, math.inf),
        of_decisions=True,
    ),
    Metric("mae", (Task.REGRESSION,), higher_is_better=False, unit="label"),
    Metric("rmse", (Task.REGRESSION,), higher_is_better=False, unit="label"),
    Metric("r2", (Task.REGRESSION,), higher_is_better=True, unit="", range=(-math.inf, 1.0)),
)
