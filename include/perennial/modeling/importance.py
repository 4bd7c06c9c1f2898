"""How much the deciding metric owes to each source column."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from perennial.errors import NotEnoughData
from perennial.features.build import feature_groups
from perennial.modeling.predict import predict
from perennial.performance.gain import gain
from perennial.performance.metrics import metric_of
from perennial.spec.models import UseCase
from perennial.spec.names import METRICS

LOG_LOSS = "log_loss"
SAMPLE_ROWS = 5_000
REPEATS = 2


def metric_of_predictions(spec: UseCase) -> str:
    """The deciding metric, or log loss where that one measures decisions, which are not made here."""
    return LOG_LOSS if METRICS[spec.training.metric].of_decisions else spec.training.metric


def permutation_importance(
    spec: UseCase, pipeline: Pipeline, frame: pd.DataFrame, truth: npt.NDArray[np.float64]
) -> dict[str, float]:
    """By how much the deciding metric worsens when a source column is shuffled, in the metric's unit.

    Measured on at most 5,000 rows of the holdout, as the mean of two shuffles; all features made from one column
    are shuffled together. Near zero, or negative: the model doesn't use the column here. (Breiman, Random Forests,
    2001; Fisher, Rudin & Dominici, All Models are Wrong, but Many are Useful, 2019.) Where cost decides it is the log
    loss: few predictions lie at the threshold, so that decisions tell little of a column. Errors: `NotEnoughData` when
    the metric is undefined on these outcomes.
    """
    metric = metric_of_predictions(spec)
    random = np.random.default_rng(spec.training.seed)
    if len(frame) > SAMPLE_ROWS:
        sample = np.sort(random.choice(len(frame), SAMPLE_ROWS, replace=False))
        frame, truth = frame.iloc[sample].reset_index(drop=True), truth[sample]
    intact = metric_of(metric, spec.task, truth, predict(pipeline, spec.task, frame))
    if intact is None:
        raise NotEnoughData(
            f"{spec.name}: {metric} is undefined on the {len(frame):,} rows for importances: they have too few "
            "distinct outcomes. Lengthen training.holdout."
        )
    importances = {}
    for column, features in feature_groups(spec).items():
        losses = []
        for _ in range(REPEATS):
            order = random.permutation(len(frame))
            shuffled = frame.assign(**{name: frame[name].to_numpy()[order] for name in features})
            without = metric_of(metric, spec.task, truth, predict(pipeline, spec.task, shuffled))
            assert without is not None  # the outcomes are the same
            losses.append(gain(metric, intact, without))
        importances[column] = float(np.mean(losses))
    return importances
