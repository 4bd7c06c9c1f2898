"""Predictions of rows by models that did not see them: what the model says on ordinary, new windows."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.pipeline import Pipeline

from perennial.arrays import Floats
from perennial.errors import NotEnoughData
from perennial.features.build import feature_frame
from perennial.grouping import positions_by_value
from perennial.modeling.holdout import MIN_HOLDOUT_ROWS
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.performance.labels import truth_of
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.spec.training import Candidate

FOLDS = 3


def out_of_fold_predictions(
    spec: UseCase, candidate: Candidate, rows: pa.Table, window_column: str, windows: Sequence[str]
) -> dict[str, Floats]:
    """For each window's rows, in their order, the predictions of the candidate fitted without the window's fold.

    Windows are cut, in the order given, into three stretches: a fold is predicted by a model of the other two.
    (Stone, Cross-Validatory Choice and Assessment of Statistical Predictions, JRSS B 1974.) Where the windows outside a
    stretch have outcomes of one class alone, each fold has every third window instead. Errors: `NotEnoughData` when
    that doesn't help either: only one window has outcomes of both, or of the rarer class.
    """
    found: dict[str, Floats] = {}
    needed = rows.select(list(dict.fromkeys([*spec.feature_columns, spec.labels.column])))  # each fold is a copy
    for fold in _folds(spec, rows, window_column, windows):
        inside = pc.is_in(rows.column(window_column), value_set=pa.array(fold, pa.string()))
        pipeline = _fitted_on(spec, candidate, needed.filter(pc.invert(inside)))
        predictions = predict(pipeline, spec.task, feature_frame(spec, needed.filter(inside)))
        found.update(_by_window(predictions, rows.column(window_column).filter(inside), fold))
    return found


def later_predictions(
    spec: UseCase, candidate: Candidate, rows: pa.Table, window_column: str, windows: Sequence[str]
) -> dict[str, Floats]:
    """For each window but those of the first quarter, the predictions of the candidate fitted on earlier windows.

    That is what a model in service does: it predicts what comes after it. Windows are cut, in the order given, into
    four stretches, and each is predicted by a model of all before it. A stretch before which there are too few rows, or
    outcomes of one class alone, is left out; {} where that is so for all.
    """
    column, found = rows.column(window_column), dict[str, Floats]()
    stretches = [each.tolist() for each in np.array_split(np.array(list(windows), dtype=object), FOLDS + 1)]
    for position in range(1, len(stretches)):
        own, earlier = stretches[position], [name for stretch in stretches[:position] for name in stretch]
        before = rows.filter(pc.is_in(column, value_set=pa.array(earlier, pa.string())))
        truth = truth_of(spec.task, before.column(spec.labels.column))
        one_class = spec.task is Task.BINARY_CLASSIFICATION and len(truth) > 0 and truth.min() == truth.max()
        if not own or len(truth) < MIN_HOLDOUT_ROWS or one_class:
            continue
        pipeline = fit(spec, candidate, feature_frame(spec, before), truth)
        after = rows.filter(pc.is_in(column, value_set=pa.array(own, pa.string())))
        predictions = predict(pipeline, spec.task, feature_frame(spec, after))
        found.update(_by_window(predictions, after.column(window_column), own))
    return found


def _fitted_on(spec: UseCase, candidate: Candidate, rows: pa.Table) -> Pipeline:
    """The candidate fitted on the rows, of which no more is in memory by then than their features."""
    frame, truth = [feature_frame(spec, rows)], truth_of(spec.task, rows.column(spec.labels.column))
    del rows
    return fit(spec, candidate, frame.pop(), truth)


def _by_window(values: Floats, column: pa.ChunkedArray, windows: Sequence[str]) -> dict[str, Floats]:
    """The rows' values, by their windows."""
    at = positions_by_value(column)
    return {name: values[at[name]] if name in at else values[:0] for name in windows}


def _folds(spec: UseCase, rows: pa.Table, window_column: str, windows: Sequence[str]) -> list[list[str]]:
    names = list(windows)
    stretches = [fold.tolist() for fold in np.array_split(np.array(names, dtype=object), FOLDS)]
    if spec.task is not Task.BINARY_CLASSIFICATION:
        return stretches
    truth = truth_of(spec.task, rows.column(spec.labels.column))
    of_window = _by_window(truth, rows.column(window_column), names)
    sums = {name: (float(known.sum()), len(known)) for name, known in of_window.items()}
    for folds in (stretches, [names[first::FOLDS] for first in range(FOLDS)]):
        others = [[sums[name] for name in set(names).difference(fold)] for fold in folds if fold]
        if all(_both_classes(each) for each in others):
            return folds
    raise NotEnoughData(
        f"{spec.name}: one of the two outcomes occurs in too few of the {len(names)} training windows to predict "
        "windows that the model has not seen: each outcome must occur in two windows or more. Lengthen "
        "training.history."
    )


def _both_classes(sums: Sequence[tuple[float, int]]) -> bool:
    positives, rows = sum(each for each, _ in sums), sum(count for _, count in sums)
    return 0 < positives < rows
