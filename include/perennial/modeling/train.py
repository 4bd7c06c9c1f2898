"""Fitting a candidate."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline

from perennial.errors import NotEnoughData
from perennial.modeling.recipe import CALIBRATION_FOLDS, build_pipeline
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.spec.training import Candidate


def fit(
    spec: UseCase,
    candidate: Candidate,
    frame: pd.DataFrame,
    truth: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64] | None = None,
) -> Pipeline:
    """The candidate's pipeline, fitted on a `feature_frame` and its outcomes, shape (rows,).

    `weights`, of the same shape, say how many rows each stands for; without them, each stands for itself.

    A frame that the caller keeps no name for leaves the memory before the estimator is fitted.

    The same rows in the same order and the same seed give the same model, however many threads fitted it. Errors:
    `InvalidSpec` for a wrong candidate, `NotEnoughData` when there are no rows, no second class to tell apart, or too
    few of one to calibrate by.
    """
    if len(frame) == 0 or (spec.task is Task.BINARY_CLASSIFICATION and truth.min() == truth.max()):
        raise NotEnoughData(
            f"{spec.name}: {candidate.name} can't be trained on {len(frame)} rows with "
            f"{len(np.unique(truth))} distinct outcomes; lengthen training.history or wait for labels."
        )
    if (
        candidate.calibrate == "always"
        and (rarer := int(min(truth.sum(), len(truth) - truth.sum()))) < CALIBRATION_FOLDS
    ):
        raise NotEnoughData(
            f"{spec.name}: {candidate.name} can't be calibrated on {len(frame):,} rows, of which {rarer} "
            f"{'has' if rarer == 1 else 'have'} the rarer outcome: it takes {CALIBRATION_FOLDS} of each."
        )
    pipeline = build_pipeline(spec, candidate)
    frame = _without_empty_numbers(frame)
    # What `Pipeline.fit` does, but it keeps the frame while the estimator makes its own copies of what is encoded.
    encoded = pipeline.named_steps["encode"].fit_transform(frame, truth)
    del frame
    pa.default_memory_pool().release_unused()
    weighted = {} if weights is None else {"sample_weight": weights}
    pipeline.named_steps["estimator"].fit(encoded, truth, **weighted)
    _forget_threads(pipeline)
    return pipeline


def _forget_threads(pipeline: Pipeline) -> None:
    """Take the number of threads out of the model: it must not show in its digest or its predictions."""
    estimator = pipeline.named_steps["estimator"]
    if isinstance(estimator, CalibratedClassifierCV):
        for each in (estimator.estimator, estimator.calibrated_classifiers_[0].estimator):
            _forget_threads_of(each)
    else:
        _forget_threads_of(estimator)


def _forget_threads_of(estimator: Any) -> None:
    if "n_jobs" in estimator.get_params():
        # Threads add up the votes of a forest in any order, so the last bits of a prediction would differ.
        estimator.set_params(n_jobs=None)
    if hasattr(estimator, "_bin_mapper"):  # of gradient boosting, once it is fitted
        estimator._bin_mapper.n_threads = 1


def _without_empty_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a constant in columns that hold no number at all: gradient boosting can't bin such columns."""
    numbers = frame.select_dtypes("number")
    return frame.fillna(dict.fromkeys(numbers.columns[numbers.isna().all()], 0.0))
