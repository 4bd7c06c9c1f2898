"""Comparing two values of a metric, in its natural unit and sign."""

from difflib import get_close_matches

from perennial.errors import InvalidSpec
from perennial.spec.names import METRICS, Metric

# How people write the metrics.
METRIC_TITLES: dict[str, str] = {
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "cost": "mean cost",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
}


def metric_named(name: str) -> Metric:
    """The metric of that name.

    Errors: `InvalidSpec` when there is none; the message names the nearest.
    """
    if name not in METRICS:
        near = get_close_matches(name, METRICS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(METRICS)}."
        raise InvalidSpec(f"{name!r} is not a metric; {hint}")
    return METRICS[name]


def gain(metric: str, challenger: float, champion: float) -> float:
    """By how much the challenger is better than the champion, in the metric's unit; negative when it is worse.

    >>> gain("roc_auc", 0.75, 0.5), gain("mae", 8.0, 10.0)
    (0.25, 2.0)
    """
    return challenger - champion if metric_named(metric).higher_is_better else champion - challenger
