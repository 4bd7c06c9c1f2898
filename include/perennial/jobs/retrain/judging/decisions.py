"""What each model would have decided about the holdout, by its own rule, and what that would have cost."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from perennial.arrays import Floats
from perennial.grouping import numbered, numbered_texts
from perennial.ledger.entries import Deployment
from perennial.modeling.decision import HALF, DecisionRule, share_of_rule
from perennial.modeling.out_of_fold import later_predictions, out_of_fold_predictions
from perennial.modeling.threshold import cheapest_threshold
from perennial.performance.cost import row_costs
from perennial.records.batch import decision_rule
from perennial.records.training_set import WINDOW_COLUMN, outcomes
from perennial.spec.decision import AUTO, COST, Costs
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.spec.training import Candidate
from perennial.wording import counted

NO_DECISION = DecisionRule(threshold=HALF)  # what errors and differences are told of where the spec has no decision


@dataclass(frozen=True)
class Said:
    """What a model says of each holdout row, in their order: its prediction, and what follows from it.

    `decided` is 0 or 1, by `rule`; None for regression, and where nobody can say (see `without_skill`). `costs` are
    what each row cost, None where the spec has no costs.
    """

    prediction: Floats
    rule: DecisionRule | None = None
    decided: Floats | None = None
    costs: Floats | None = None

    def measured(self, metric: str) -> Floats:
        """What the metric is computed from, row by row."""
        if metric == COST:
            assert self.costs is not None, "the spec has costs where cost is its metric"
            return self.costs
        return self.prediction

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of decisions on these rows."""
        return {} if self.costs is None else {COST: float(self.costs.mean())}


def said(spec: UseCase, holdout: pa.Table, prediction: Floats, rule: DecisionRule | None) -> Said:
    """What follows from the predictions of the holdout's rows by the rule; a threshold of 0.5 without one."""
    if spec.task is not Task.BINARY_CLASSIFICATION:
        return Said(prediction)
    used = rule or NO_DECISION
    _, windows = numbered(holdout.column(WINDOW_COLUMN))
    decided = used.decide_windows(prediction, holdout.column(spec.key), windows).astype(np.float64)
    return Said(prediction, used, decided, _costs(spec, outcomes(spec, holdout), decided))


def without_skill(spec: UseCase, training: pa.Table, holdout: pa.Table) -> Said:
    """The prediction without skill, the mean of the training outcomes, and the decision without skill.

    By a threshold that is to decide for all or for nobody, whichever cost less in training. Where so many rows of each
    window are decided for, any of them may be: `decided` is None, and costs are those to expect.
    """
    known, truth = outcomes(spec, training), outcomes(spec, holdout)
    prediction = np.full(holdout.num_rows, known.mean())
    costs = _spec_costs(spec)
    rule = None if spec.decision is None else _written(spec)
    if spec.task is not Task.BINARY_CLASSIFICATION or costs is None:
        found = said(spec, holdout, prediction, rule)
        return found if found.rule is None or found.rule.threshold is not None else replace(found, decided=None)
    if rule is not None and rule.threshold is None:
        _, windows = numbered(holdout.column(WINDOW_COLUMN))
        _, of_row, rows = np.unique(windows, return_inverse=True, return_counts=True)
        shares = np.array([rule.most(int(count)) / count for count in rows])[of_row]
        return Said(prediction, rule, None, row_costs(costs, truth, shares))
    always, never = (float(row_costs(costs, known, np.full(len(known), each)).mean()) for each in (1.0, 0.0))
    decided = np.full(holdout.num_rows, float(always < never))
    return Said(prediction, rule, decided, row_costs(costs, truth, decided))


def rule_of_candidate(spec: UseCase, candidate: Candidate, training: pa.Table) -> DecisionRule | None:
    """The rule by which a candidate is judged, and deployed if it wins; None where the spec has no decision.

    The cheapest threshold is chosen on rows before the holdout, each predicted by a model of earlier rows where that
    can be done. It is not chosen anew when the winner is refitted: what is deployed decides as what was judged.
    Errors: `NotEnoughData`.
    """
    if spec.decision is None:
        return None
    if spec.decision.threshold != AUTO:
        return _written(spec)
    names, of_row = numbered_texts(training.column(WINDOW_COLUMN), missing="")
    windows = names.tolist()
    found, ordered = later_predictions(spec, candidate, training, WINDOW_COLUMN, windows), True
    if not found:
        found, ordered = out_of_fold_predictions(spec, candidate, training, WINDOW_COLUMN, windows), False
    truth = outcomes(spec, training)
    truths = np.concatenate([truth[of_row == windows.index(name)] for name in found])
    costs = _spec_costs(spec)
    assert costs is not None, "a spec with the cheapest threshold has costs"
    threshold, chosen = cheapest_threshold(costs, truths, np.concatenate(list(found.values())), len(found), ordered)
    return DecisionRule(threshold=threshold, costs=costs, chosen=chosen)


def rule_of_champion(spec: UseCase, champion: Deployment) -> tuple[DecisionRule | None, tuple[str, ...]]:
    """The rule that was deployed with the champion, and what is to be said of it.

    A champion from before the spec had a decision is judged by what the spec says now; where that is the cheapest
    threshold, by the one at which both errors weigh the same if its probabilities are right.
    """
    rule = decision_rule(champion)
    if spec.decision is None or rule is not None:
        return rule, ()
    taken = _written(spec)
    told = f"The champion version {champion.model_version} was deployed without a decision; for it, {taken.text} count."
    return taken, (told,)


def chosen_text(name: str, rule: DecisionRule) -> str:
    """How a candidate decides, and how its threshold was chosen, as a sentence."""
    if rule.chosen is None:
        return f"{name} decides for {rule.text}."
    found = rule.chosen
    how = "each predicted by a model of earlier ones" if found.time_ordered else "each predicted by a model of others"
    return (
        f"{name} decides for {rule.text}: of all thresholds the cheapest on {counted(found.rows, 'row')} of "
        f"{counted(found.windows, 'window')} before the holdout, {how} (mean cost {found.cost:.4g}; {found.never:.4g} "
        f"when nobody, {found.always:.4g} when everybody is decided for)."
    )


def measured(scores: Mapping[str, float], found: Said | None) -> dict[str, float]:
    """The metrics of predictions, and those of decisions where these are known."""
    return {**scores, **(found.metrics if found else {})}


def _written(spec: UseCase) -> DecisionRule:
    """The rule as the spec writes it; for the cheapest threshold, that of right probabilities."""
    decision = spec.decision
    assert decision is not None, "asked for where the spec has a decision"
    threshold = decision.threshold
    if threshold == AUTO:
        assert decision.costs is not None, "a spec with the cheapest threshold has costs"
        threshold = decision.costs.break_even
    assert not isinstance(threshold, str)
    share = share_of_rule(decision.top_share) if decision.top_share is not None else None
    return DecisionRule(threshold, decision.top_k, share, decision.costs)


def _spec_costs(spec: UseCase) -> Costs | None:
    return spec.decision.costs if spec.decision else None


def _costs(spec: UseCase, truth: Floats, decided: Floats) -> Floats | None:
    costs = _spec_costs(spec)
    return None if costs is None else row_costs(costs, truth, decided)
