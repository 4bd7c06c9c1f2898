"""Which candidate is the most promising, from rows before the holdout, so that the holdout judges that one alone."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.arrays import Floats
from perennial.features.build import feature_frame
from perennial.grouping import numbered
from perennial.modeling.decision import DecisionRule, share_of_rule
from perennial.modeling.holdout import MIN_HOLDOUT_ROWS
from perennial.modeling.predict import predict
from perennial.modeling.threshold import cheapest_threshold
from perennial.modeling.train import fit
from perennial.performance.cost import row_costs
from perennial.performance.labels import truth_of
from perennial.performance.metrics import metrics_of
from perennial.spec.decision import AUTO, COST
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
    predictions = predict(pipeline, spec.task, feature_frame(spec, after))
    return {
        **metrics_of(spec.task, truths[1], predictions),
        **_cost(spec, after, window_column, truths[1], predictions),
    }


def _cost(spec: UseCase, rows: pa.Table, window_column: str, truth: Floats, predictions: Floats) -> dict[str, float]:
    """What the candidate's decisions cost there; with the cheapest threshold, by the best that it could have had."""
    decision = spec.decision
    if decision is None or decision.costs is None:
        return {}
    if decision.threshold == AUTO:
        return {COST: cheapest_threshold(decision.costs, truth, predictions)[1].cost}
    assert not isinstance(decision.threshold, str)
    share = share_of_rule(decision.top_share) if decision.top_share is not None else None
    rule = DecisionRule(decision.threshold, decision.top_k, share)
    _, windows = numbered(rows.column(window_column))
    decided = rule.decide_windows(predictions, rows.column(spec.key), windows).astype(np.float64)
    return {COST: float(row_costs(decision.costs, truth, decided).mean())}
