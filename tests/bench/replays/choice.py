"""Which candidate a retraining would test, without the rest of the retraining."""

import pyarrow as pa

from perennial.modeling.earlier import earlier_metrics
from perennial.policy.promotion import CandidateScore, best_candidate, text_of
from perennial.records.training_set import WINDOW_COLUMN
from perennial.spec.models import UseCase
from perennial.spec.training import Candidate


def chosen(spec: UseCase, training: pa.Table) -> tuple[Candidate, str]:
    """The candidate that is best on the last quarter of the rows before the holdout, and by how much, in words.

    So the judge chooses whom it tests; see `perennial.jobs.retrain.judging.weigh.chosen_before`.
    """
    candidates, metric = spec.training.candidates, spec.training.metric
    earlier = {each.name: earlier_metrics(spec, each, training, WINDOW_COLUMN) for each in candidates}
    best = best_candidate(spec.training, [CandidateScore(name, "", 0, found) for name, found in earlier.items()])
    assert best is not None, "the metric is defined on a quarter of the training rows"
    by = ", ".join(f"{name} {text_of(found[metric])}" for name, found in earlier.items())
    return next(each for each in candidates if each.name == best.name), f"{best.name} was best before the holdout: {by}"
