"""Which candidate is the most promising, from rows before the holdout, so that the holdout judges that one alone."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.features.build import feature_frame
from perennial.modeling.holdout import MIN_HOLDOUT_ROWS
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.performance.labels import truth_of
from perennial.performance.metrics import metrics_of
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.spec.training import Candidate

PARTS = 4  # the last of so many equal stretches of training windows is set aside


def earlier_metrics(spec: UseCase, candidate: Candidate, training: pa.Table, window_column: str) -> dict[str, float]:
    """The candidate's metrics on the last quarter of the training windows, fitted on those before; {} where too few.

    To choose by the holdout and then to judge on it flatters what is chosen. This takes one more fit, of fewer rows.
    """
    column = training.column(window_column)
    names = sorted(pc.unique(column).to_pylist())
    last = pc.is_in(column, value_set=pa.array(names[len(names) - len(names) // PARTS :], pa.string()))
    before, after = training.filter(pc.invert(last)), training.filter(last)
    truths = [truth_of(spec.task, each.column(spec.labels.column)) for each in (before, after)]
    if any(len(each) < MIN_HOLDOUT_ROWS for each in truths):
        return {}
    if spec.task is Task.BINARY_CLASSIFICATION and any(np.ptp(each) == 0 for each in truths):
        return {}
    pipeline = fit(spec, candidate, feature_frame(spec, before), truths[0])
    return metrics_of(spec.task, truths[1], predict(pipeline, spec.task, feature_frame(spec, after)))
