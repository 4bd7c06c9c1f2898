"""Predictions of rows by models that did not see them: what the model says on ordinary, new windows."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.arrays import Floats
from perennial.features.build import feature_frame
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.performance.labels import truth_of
from perennial.spec.models import Candidate, UseCase

FOLDS = 3


def out_of_fold_predictions(
    spec: UseCase, candidate: Candidate, rows: pa.Table, window_column: str, windows: Sequence[str]
) -> dict[str, Floats]:
    """For each window's rows, in their order, the predictions of the candidate fitted without the window's fold.

    Windows are cut, in the order given, into three stretches: a fold is predicted by a model of the other two.
    (Stone, Cross-Validatory Choice and Assessment of Statistical Predictions, JRSS B 1974.)
    """
    found: dict[str, Floats] = {}
    for fold in np.array_split(np.array(windows, dtype=object), FOLDS):
        inside = pc.is_in(rows.column(window_column), value_set=pa.array(fold.tolist(), pa.string()))
        others, own = rows.filter(pc.invert(inside)), rows.filter(inside)
        truth = truth_of(spec.task, others.column(spec.labels.column))
        predictions = predict(
            fit(spec, candidate, feature_frame(spec, others), truth), spec.task, feature_frame(spec, own)
        )
        names = np.array(own.column(window_column).to_pylist(), dtype=object)
        found.update({name: predictions[names == name] for name in fold})
    return found
