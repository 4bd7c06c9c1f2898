"""Weigh: what the holdout says of candidates and rival, row by row: the gain, each slice, and calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from perennial.arrays import Floats
from perennial.errors import NotEnoughData
from perennial.jobs.retrain.judging.decisions import Said, chosen_text
from perennial.jobs.retrain.train import Trained
from perennial.judgement.calibration import calibration_reasons, compare_calibration
from perennial.judgement.candidates import CandidatesJudged, judge_candidates
from perennial.judgement.decisions import compare_decisions, decision_reasons
from perennial.judgement.fairness import FairnessJudged, judge_fairness
from perennial.judgement.in_service import compare_in_service, measured_text
from perennial.judgement.rows import Scored
from perennial.judgement.slices import SlicesJudged, judge_slices
from perennial.judgement.verdict import GainJudgement, judge_gain
from perennial.performance.gain import METRIC_TITLES, metric_named
from perennial.policy.promotion import WITHOUT_SKILL, Gates, in_turn, leading, text_of
from perennial.records.judgement import Evidence
from perennial.records.training_set import WINDOW_COLUMN, outcomes
from perennial.spec.models import UseCase
from perennial.spec.training import Training


@dataclass(frozen=True)
class Weighed:
    """`judged` is why nothing could be compared, where it is a text; then there is no `evidence`.

    `gates` are those of the candidates that were tried, one after the other, until one passed.
    `skill` judges the same candidate against a prediction without skill, where the rival is another.
    """

    judged: CandidatesJudged | str
    evidence: Evidence | None = None
    gates: dict[str, Gates] = field(default_factory=dict)
    remarks: tuple[str, ...] = field(default=())
    skill: GainJudgement | None = None


def weigh(spec: UseCase, holdout: pa.Table, tested: Mapping[str, Said], rival: str, theirs: Said) -> Weighed:
    """Compare what the candidates that are tested say with what the rival does, of the very same holdout rows.

    Candidates that are better are tried in turn until one passes its gates. Slices and calibration that are kept are
    those of the winner, or of the candidate that came nearest.
    """
    training, truth = spec.training, outcomes(spec, holdout)
    keys = holdout.column(WINDOW_COLUMN)
    metric = training.metric
    scored = {
        name: Scored.of_keys(truth, theirs.measured(metric), mine.measured(metric), keys)
        for name, mine in tested.items()
    }
    try:
        found = {name: compare_in_service(metric, each) for name, each in scored.items()}
    except NotEnoughData as error:
        return Weighed(str(error))
    judged = judge_candidates(found, training.min_gain, training.margin, rival)
    gates: dict[str, Gates] = {}
    for name in in_turn(judged) or [leading(judged, gates)]:
        slices = _slices(training, holdout, scored[name], name, rival)
        gates[name] = Gates(slices, _fairness(training, holdout, truth, tested[name], name, rival, theirs, keys))
        if not gates[name].refused:
            break
    best = leading(judged, gates)
    mine = tested[best]
    calibration = compare_calibration(spec.task, Scored.of_keys(truth, theirs.prediction, mine.prediction, keys))
    told = calibration_reasons(calibration, best, rival)
    remarks = [measured_text(found[best])]
    if calibration.gain is not None and calibration.gain.high < 0:
        remarks.append(told[-1])
    evidence = Evidence(
        best, rival, judged.judgements, gates[best].slices, calibration, told, fairness=gates[best].fairness
    )
    if training.fairness is not None and spec.decision is None:
        remarks.append("Rates between groups are those at 0.5: use_case.yaml has no decision.")
    if mine.decided is not None and theirs.decided is not None and mine.rule and theirs.rule:
        decisions = compare_decisions(Scored.of_keys(truth, theirs.decided, mine.decided, keys))
        by = {best: mine.rule.text, rival: theirs.rule.text}
        evidence = replace(evidence, decisions=decisions, decided_by=by)
        if spec.decision is not None:
            remarks += [chosen_text(best, mine.rule), *decision_reasons(decisions, best, rival)]
    return Weighed(judged, evidence, gates, tuple(remarks))


def _fairness(
    training: Training,
    holdout: pa.Table,
    truth: Floats,
    mine: Said,
    name: str,
    rival: str,
    theirs: Said,
    keys: pa.ChunkedArray,
) -> FairnessJudged | None:
    if training.fairness is None or mine.decided is None:
        return None
    # Decisions without skill are the same for everyone: they are no champion to be compared with.
    champion = theirs.decided if rival != WITHOUT_SKILL and theirs.decided is not None else None
    return judge_fairness(
        Scored.of_keys(truth, mine.decided if champion is None else champion, mine.decided, keys),
        {column: holdout.column(column) for column in training.fairness.columns},
        training.fairness.margin,
        against_champion=champion is not None,
        challenger=name,
        champion=rival,
    )


def _slices(training: Training, holdout: pa.Table, scored: Scored, name: str, rival: str) -> SlicesJudged | None:
    if training.slices is None:
        return None
    return judge_slices(
        training.metric,
        scored,
        {column: holdout.column(column) for column in training.slices.columns},
        dict.fromkeys(training.slices.columns, training.slices.margin),
        challenger=name,
        champion=rival,
        how=compare_in_service,
    )


def weigh_skill(spec: UseCase, holdout: pa.Table, name: str, mine: Said, without: Said) -> GainJudgement | None:
    """The candidate against the prediction without skill; None where the two can't be compared."""
    metric, keys = spec.training.metric, holdout.column(WINDOW_COLUMN)
    scored = Scored.of_keys(outcomes(spec, holdout), without.measured(metric), mine.measured(metric), keys)
    try:
        found = compare_in_service(metric, scored)
    except NotEnoughData:
        return None  # nor could it be with the champion, which is what was said
    return judge_gain(found, challenger=name, champion=WITHOUT_SKILL)


def chosen_before(metric: str, trained: Sequence[Trained]) -> str | None:
    """The candidate that was best on rows before the holdout; None where not each of several was measured there.

    To test that one alone, at the full confidence, finds more than to test all, each with a wider interval.
    """
    if len(trained) < 2 or any(metric not in each.earlier for each in trained):  # noqa: PLR2004
        return None
    sign = 1 if metric_named(metric).higher_is_better else -1
    return min(trained, key=lambda each: (-sign * each.earlier[metric], each.candidate)).candidate


def chosen_before_text(metric: str, trained: Sequence[Trained], chosen: str) -> str:
    """By what it was chosen, as a sentence."""
    by = ", ".join(f"{each.candidate} {text_of(each.earlier[metric])}" for each in trained)
    return (
        f"{chosen} alone was tested: before the holdout was looked at, it was best by {METRIC_TITLES[metric]} on the "
        f"last quarter of the training windows ({by})."
    )
