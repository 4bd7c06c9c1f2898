"""What every model says of the holdout's rows: measured, and weighed against each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from perennial.features.build import feature_frame
from perennial.jobs.retrain.assembling.remarks import Rival
from perennial.jobs.retrain.judging.decisions import (
    Said,
    measured,
    rule_of_candidate,
    rule_of_champion,
    said,
    without_skill,
)
from perennial.jobs.retrain.judging.weigh import Weighed, chosen_before, chosen_before_text, weigh, weigh_skill
from perennial.jobs.retrain.train import Trained, candidate_of
from perennial.ledger.entries import Deployment
from perennial.modeling.artifact import load
from perennial.modeling.decision import DecisionRule
from perennial.modeling.predict import predict
from perennial.performance.metrics import no_skill
from perennial.policy.promotion import WITHOUT_SKILL, CandidateScore, not_comparable
from perennial.ports import Ports
from perennial.records.training_set import outcomes
from perennial.spec.models import UseCase
from perennial.spec.names import METRICS


@dataclass(frozen=True)
class OnHoldout:
    """The models that are compared on the holdout.

    `trained`, `rival` and `baseline` have their metrics of predictions and of decisions. `tested` is what candidates
    say of each row; `chosen` is the one that is tested alone, None where all are. `rival` and `rival_said` are None
    where there is no champion that can score the rows.
    """

    trained: tuple[Trained, ...]
    rival: CandidateScore | None
    baseline: dict[str, float]
    tested: dict[str, Said]
    chosen: str | None
    rival_said: Said | None
    without_skill: Said
    remarks: tuple[str, ...]

    @property
    def candidates(self) -> list[CandidateScore]:
        """The scores of those that were trained."""
        return [CandidateScore(each.candidate, each.digest, each.holdout_rows, each.metrics) for each in self.trained]

    def rule_of(self, tested: Trained) -> DecisionRule | None:
        """The rule by which a candidate was judged."""
        return self.tested[tested.candidate].rule


def on_holdout(
    spec: UseCase,
    training: pa.Table,
    holdout: pa.Table,
    trained: Sequence[Trained],
    rival: Rival,
    champion: Deployment | None,
    ports: Ports,
) -> OnHoldout:
    """Let the models that are compared say what they think and would decide of each holdout row.

    Errors: `NotEnoughData`, `UntrustedModel`, `StoreUnavailable`.
    """
    metric, frame = spec.training.metric, feature_frame(spec, holdout)
    judged = [each for each in trained if metric in each.metrics or METRICS[metric].of_decisions]
    chosen = chosen_before(metric, judged)
    tested: dict[str, Said] = {}
    for each in judged:
        if chosen in (None, each.candidate):
            predictions = predict(load(ports.artifacts.get(each.digest), each.digest), spec.task, frame)
            rule = rule_of_candidate(spec, candidate_of(spec, each), training)
            tested[each.candidate] = said(spec, holdout, predictions, rule)
    rival_said, told = None, tuple[str, ...]()
    if champion is not None and rival.predictions is not None:
        rule, told = rule_of_champion(spec, champion)
        rival_said = said(spec, holdout, rival.predictions, rule)
    unskilled = without_skill(spec, training, holdout)
    baseline = no_skill(spec.task, outcomes(spec, training), outcomes(spec, holdout))
    score = rival.score
    return OnHoldout(
        trained=tuple(replace(each, metrics=measured(each.metrics, tested.get(each.candidate))) for each in trained),
        rival=replace(score, metrics=measured(score.metrics, rival_said)) if score else None,
        baseline=measured(baseline, unskilled),
        tested=tested,
        chosen=chosen,
        rival_said=rival_said,
        without_skill=unskilled,
        remarks=told,
    )


def weigh_all(spec: UseCase, holdout: pa.Table, found: OnHoldout) -> Weighed:
    """What all models say of each holdout row, weighed; a champion that can't score them is not there.

    Without one, the rival says the same of every row: the mean of the training outcomes.
    """
    tested = [each for each in found.candidates if found.chosen in (None, each.name)]
    reason = not_comparable(spec.training, tested, found.rival, found.baseline)
    if reason:
        return Weighed(reason)
    name, theirs = WITHOUT_SKILL, found.without_skill
    if found.rival is not None and found.rival_said is not None:
        name, theirs = found.rival.name, found.rival_said
    weighed = weigh(spec, holdout, found.tested, name, theirs)
    if weighed.evidence is not None and name != WITHOUT_SKILL:
        best = weighed.evidence.tested
        weighed = replace(weighed, skill=weigh_skill(spec, holdout, best, found.tested[best], found.without_skill))
    if found.chosen is None:
        return weighed
    told = chosen_before_text(spec.training.metric, found.trained, found.chosen)
    return replace(weighed, remarks=(*weighed.remarks, told))
