"""A feature that gives the outcome away: good on every holdout, and useless in service when it isn't known in time."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from perennial.arrays import Floats
from perennial.features.build import categorical_features, feature_groups
from perennial.performance.gain import METRIC_TITLES
from perennial.spec.models import UseCase
from perennial.spec.names import Task

TOO_GOOD = 0.99  # ROC AUC, or R², of a single feature


def given_away(
    spec: UseCase, training: pd.DataFrame, training_truth: Floats, holdout: pd.DataFrame, truth: Floats
) -> Iterator[tuple[str, str]]:
    """Each source column with a feature that alone predicts the holdout nearly perfectly, and how well, in words.

    A number is ranked as it is (and by whether it is missing), a category by its mean outcome in the training rows.
    Frames are `feature_frame`s. Nothing is found where all outcomes are the same.
    """
    if not len(truth) or truth.min() == truth.max():
        return
    categories = set(categorical_features(spec))
    metric = "roc_auc" if spec.task is Task.BINARY_CLASSIFICATION else "r2"
    for column, features in feature_groups(spec).items():
        found = 0.0
        for name in features:
            if name in categories:
                means = pd.Series(training_truth).groupby(training[name].to_numpy(dtype=object)).mean()
                ranked = [np.asarray(holdout[name].map(means), dtype=np.float64)]
            else:
                values = holdout[name].to_numpy(dtype=np.float64)
                ranked = [values, np.isnan(values).astype(np.float64)]
            found = max([found, *(_skill(spec.task, each, truth) for each in ranked)])
        if found >= TOO_GOOD:
            yield column, f"{METRIC_TITLES[metric]} {found:.3f}"


def _skill(task: Task, values: Floats, truth: Floats) -> float:
    """How well the values alone order, or explain, the outcomes; 0 where they don't vary."""
    known = np.where(np.isnan(values), np.nanmean(values) if not np.isnan(values).all() else 0.0, values)
    if known.min() == known.max():
        return 0.0
    if task is Task.BINARY_CLASSIFICATION:
        area = float(roc_auc_score(truth, known))
        return max(area, 1 - area)
    straight = np.corrcoef(known, truth)[0, 1]
    ordered = np.corrcoef(pd.Series(known).rank(), pd.Series(truth).rank())[0, 1]
    return float(max(straight**2, ordered**2))
