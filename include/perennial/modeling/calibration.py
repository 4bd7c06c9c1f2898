"""Calibrating a classifier when that helps: Platt's sigmoid, kept only where it is proven on rows left out.

The sigmoid (Platt, 1999; with his correction for few rows) is fitted on predictions of stretches of the training rows
by models of the others. It keeps the order of rows, where the steps of an isotonic curve would make many of them equal;
and its two numbers are data in the artefact, where an isotonic curve of scikit-learn holds a function.
"""

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import NotEnoughData
from perennial.features.build import feature_frame
from perennial.judgement.in_service import compare_in_service
from perennial.judgement.rows import Scored
from perennial.modeling.earlier import PARTS
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.performance.labels import truth_of
from perennial.policy.promotion import text_of
from perennial.spec.models import UseCase
from perennial.spec.training import Candidate

METRIC = "log_loss"  # a proper score: calibration lowers it, and nothing but better probabilities does


def calibrated_where_it_helps(
    spec: UseCase, candidate: Candidate, training: pa.Table, window_column: str
) -> tuple[Candidate, str]:
    """The candidate with `calibrate: always` or `never`, and why, as a clause.

    Both are fitted on the first three quarters of the training windows and measured on the last one; the calibrated
    model is kept where its log loss is lower beyond chance, by windows. The holdout takes no part.
    """
    column = training.column(window_column)
    names = sorted(pc.unique(column).to_pylist())
    last = pc.is_in(column, value_set=pa.array(names[len(names) - len(names) // PARTS :], pa.string()))
    before, after = training.filter(pc.invert(last)), training.filter(last)
    never = candidate.model_copy(update={"calibrate": "never"})
    always = candidate.model_copy(update={"calibrate": "always"})
    truths = [truth_of(spec.task, each.column(spec.labels.column)) for each in (before, after)]
    try:
        frame = feature_frame(spec, after)
        said = [
            predict(fit(spec, each, feature_frame(spec, before), truths[0]), spec.task, frame)
            for each in (never, always)
        ]
        found = compare_in_service(METRIC, Scored.of_keys(truths[1], said[0], said[1], after.column(window_column)))
    except NotEnoughData as error:
        return never, f"not calibrated: {error}"
    told = f"log loss {text_of(found.challenger)} with, {text_of(found.champion)} without"
    if found.low > 0:
        return always, f"calibrated, which is better beyond chance on the last quarter of the training windows ({told})"
    return never, f"not calibrated: that it helps is not shown on the last quarter of the training windows ({told})"
