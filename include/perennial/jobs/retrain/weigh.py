"""Weigh: what the holdout says of candidates and rival, row by row: the gain, each slice, and calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from perennial.arrays import Floats
from perennial.errors import NotEnoughData
from perennial.jobs.retrain.train import Trained
from perennial.judgement.calibration import calibration_reasons, compare_calibration
from perennial.judgement.candidates import CandidatesJudged, judge_candidates
from perennial.judgement.in_service import compare_in_service, measured_text
from perennial.judgement.rows import Scored
from perennial.judgement.slices import SlicesJudged, judge_slices
from perennial.judgement.verdict import GainJudgement, judge_gain
from perennial.performance.gain import METRIC_TITLES, metric_named
from perennial.policy.promotion import WITHOUT_SKILL, leading, text_of
from perennial.records.judgement import Evidence
from perennial.records.training_set import WINDOW_COLUMN, outcomes
from perennial.spec.models import UseCase


@dataclass(frozen=True)
class Weighed:
    """`judged` is why nothing could be compared, where it is a text; then there is no `evidence`.

    `skill` judges the same candidate against a prediction without skill, where the rival is another.
    """

    judged: CandidatesJudged | str
    evidence: Evidence | None = None
    slices: SlicesJudged | None = None
    remarks: tuple[str, ...] = field(default=())
    skill: GainJudgement | None = None


def weigh(spec: UseCase, holdout: pa.Table, tested: Mapping[str, Floats], rival: str, theirs: Floats) -> Weighed:
    """Compare the predictions of the candidates that are tested with the rival's, on the very same holdout rows.

    Slices and calibration are those of the winner, or of the candidate that came nearest.
    """
    training, truth = spec.training, outcomes(spec, holdout)
    keys = holdout.column(WINDOW_COLUMN).to_pylist()
    scored = {name: Scored.of_keys(truth, theirs, mine, keys) for name, mine in tested.items()}
    try:
        found = {name: compare_in_service(training.metric, each) for name, each in scored.items()}
    except NotEnoughData as error:
        return Weighed(str(error))
    judged = judge_candidates(found, training.min_gain, training.margin, rival)
    best = leading(judged)
    slices = None
    if training.slices is not None:
        slices = judge_slices(
            training.metric,
            scored[best],
            {name: holdout.column(name).to_pylist() for name in training.slices.columns},
            dict.fromkeys(training.slices.columns, training.slices.margin),
            challenger=best,
            champion=rival,
            how=compare_in_service,
        )
    calibration = compare_calibration(spec.task, scored[best])
    told = calibration_reasons(calibration, best, rival)
    remarks = [measured_text(found[best])]
    if calibration.gain is not None and calibration.gain.high < 0:
        remarks.append(told[-1])
    return Weighed(judged, Evidence(best, rival, judged.judgements, slices, calibration, told), slices, tuple(remarks))


def weigh_skill(spec: UseCase, holdout: pa.Table, name: str, mine: Floats, usual: float) -> GainJudgement | None:
    """The candidate against the prediction without skill, `usual` for every row; None where that can't be compared."""
    keys = holdout.column(WINDOW_COLUMN).to_pylist()
    scored = Scored.of_keys(outcomes(spec, holdout), np.full(len(mine), usual), mine, keys)
    try:
        found = compare_in_service(spec.training.metric, scored)
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


def chosen_text(metric: str, trained: Sequence[Trained], chosen: str) -> str:
    """By what it was chosen, as a sentence."""
    by = ", ".join(f"{each.candidate} {text_of(each.earlier[metric])}" for each in trained)
    return (
        f"{chosen} alone was tested: before the holdout was looked at, it was best by {METRIC_TITLES[metric]} on the "
        f"last quarter of the training windows ({by})."
    )
