"""The report on a retraining: what it learnt from, how the candidates were judged, and what came of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from perennial.errors import PerennialError
from perennial.judgement.calibration import CalibrationCompared
from perennial.judgement.decisions import DecisionComparison, decision_reasons
from perennial.judgement.fairness import FairnessJudgement, FairnessStanding
from perennial.judgement.slices import SliceJudgement, SliceStanding
from perennial.ledger.entries import Approval, ApprovalRequest, DecisionKind, DeployedRole, Deployment, RecordedDecision
from perennial.modeling.decision import DecisionRule
from perennial.performance.gain import gain, metric_named
from perennial.policy.baseline import VERDICT as NO_SKILL_VERDICT
from perennial.ports import Ports
from perennial.records.batch import decision_rule
from perennial.records.candidates import CandidateOutcome, outcomes_in
from perennial.records.judgement import read as evidence_of
from perennial.records.judgement import scores as scores_of
from perennial.records.rollout import stage_name
from perennial.records.training_set import REFUSED_FOR, TrainingManifest, read_manifest
from perennial.spec.load import LoadedUseCase
from perennial.spec.training import NO_SKILL
from perennial.verdict import PROMOTE, RETRAIN, ApprovalAnswer
from perennial.wording import date

ASKING = (DecisionKind.RETRAIN_ON_DRIFT, DecisionKind.RETRAIN_ON_PERFORMANCE)
CHAMPION = "champion version "  # begins a name in the judge's numbers


@dataclass(frozen=True)
class MetricCompared:
    """A metric of everything that was judged, all on the same holdout rows.

    `scores` are by name, None where the metric is not defined on these rows. `difference` is the best candidate's value
    minus the rival's, `better` whether that is for the better; both are None without one of the two values.
    """

    metric: str
    deciding: bool
    scores: dict[str, float | None]
    difference: float | None
    better: bool | None


@dataclass(frozen=True)
class Comparison:
    """Who was compared on `rows` holdout rows: the `candidates`, the `best` of them, and the `rival` it had to beat.

    The rival is the champion, or a prediction without skill. `min_gain` is how much better than the rival the best must
    be in the deciding metric.
    """

    rows: int | None
    candidates: tuple[str, ...]
    best: str | None
    rival: str | None
    min_gain: float | None
    metrics: tuple[MetricCompared, ...]


@dataclass(frozen=True)
class Judgement:
    """What the labels prove about `tested`, the candidate that won or came nearest, against `rival`.

    `gain` is by how much it is better, in the metric's unit, from `low` to `high` with the probability `confidence`;
    `value` and `rival_value` are what is compared, by `method` on so many `rows` of so many `windows`. `needed_labels`
    in `needed_windows` would probably settle what is open. `slices` are the worst first, as are `differences` between
    groups. `decisions` compares what both would have decided, `decided_by` says by which rule each did, and
    `decision_reasons` tells it in sentences. `gone` says why these and calibration can't be shown, None where they can,
    or where there were none.
    """

    verdict: str
    tested: str
    rival: str
    metric: str
    value: float
    rival_value: float
    gain: float
    low: float
    high: float
    confidence: float
    min_gain: float
    margin: float
    method: str
    rows: int
    windows: int
    needed_labels: int | None
    needed_windows: int | None
    slices: tuple[SliceJudgement, ...]
    calibration: CalibrationCompared | None
    calibration_reasons: tuple[str, ...]
    decisions: DecisionComparison | None
    decided_by: dict[str, str]
    decision_reasons: tuple[str, ...]
    differences: tuple[FairnessJudgement, ...]
    gone: str | None


@dataclass(frozen=True)
class RetrainingReport:
    """What is on record about the retraining that a run did; what it has not done is None.

    `candidates` are what became of each, and what it costs; none in decisions of 0.1.0, and where nothing was trained.
    `asked_for` are the decisions of the same moment that called for it, none where a person did. `comparison` is what
    the judge compared; `judgement` what it found, None in decisions of 0.1.0, which were by the better score. `rule` is
    the decision that was deployed. `previous` is the champion that its winner replaced. `training` is None, too, where
    retention took the manifest, and `training_gone` says so. `approval` is what people were asked last, None where
    nobody was, and `answers` are theirs.
    """

    use_case: str
    title: str
    run_id: str
    sentence: str
    asked_for: tuple[RecordedDecision, ...]
    decision: RecordedDecision | None
    comparison: Comparison | None
    judgement: Judgement | None
    deployment: Deployment | None
    rule: DecisionRule | None
    previous: Deployment | None
    training: TrainingManifest | None
    training_gone: str | None
    model_address: str | None
    candidates: tuple[CandidateOutcome, ...] = ()
    approval: ApprovalRequest | None = None
    answers: tuple[Approval, ...] = ()
    format: Literal[1] = 1


def run(use_case: LoadedUseCase, run_id: str, ports: Ports) -> RetrainingReport:
    """What the run of that name in the ledger decided and deployed. Errors: `StoreUnavailable`."""
    name, ledger = use_case.name, ports.ledger
    decisions = [each for each in ledger.decisions(name, DecisionKind.PROMOTE) if each.run_id == run_id]
    entries = ledger.deployments(name)
    champions = [each for each in entries if each.role is DeployedRole.CHAMPION]
    deployed = [each for each in champions if each.run_id == run_id]
    begun = next((each for each in entries if each.run_id == run_id and each.in_rollout), None)
    decision, deployment = decisions[-1] if decisions else None, deployed[-1] if deployed else None
    training, gone = _training(decision, ports)
    asked = ledger.approval_request(name, run_id)
    answers = tuple(ledger.approvals(name, asked.subject)) if asked else ()
    return RetrainingReport(
        use_case=name,
        title=use_case.spec.title,
        run_id=run_id,
        sentence=_sentence(decision, deployment, begun, asked, answers, use_case.spec.schedule.timezone),
        asked_for=_asked_for(name, decision, ports),
        decision=decision,
        comparison=_comparison(decision, {each.name for each in use_case.spec.training.candidates}),
        judgement=_judgement(decision, ports),
        deployment=deployment,
        rule=decision_rule(deployment) if deployment else None,
        previous=next((each for each in champions if deployment and each.id == deployment.supersedes), None),
        training=training,
        training_gone=gone,
        model_address=ports.registry.address(name, deployment.model_version) if deployment else None,
        candidates=outcomes_in(decision.numbers) if decision else (),
        approval=asked,
        answers=answers,
    )


def _training(decision: RecordedDecision | None, ports: Ports) -> tuple[TrainingManifest | None, str | None]:
    if decision is None:
        return None, None
    try:
        return read_manifest(decision.subject.partition(" ")[0], ports), None
    except PerennialError as error:
        return None, str(error)


def _asked_for(name: str, decision: RecordedDecision | None, ports: Ports) -> tuple[RecordedDecision, ...]:
    if decision is None:
        return ()
    at = decision.as_of
    found = (each for kind in ASKING for each in ports.ledger.decisions(name, kind, at, at))
    return tuple(each for each in found if each.action == RETRAIN)


def _comparison(decision: RecordedDecision | None, known: Collection[str]) -> Comparison | None:
    """The judge's numbers, which hold every score as `<name>.<metric>`, as a table."""
    if decision is None:
        return None
    numbers = decision.numbers
    scores = scores_of(numbers)
    deciding = str(numbers.get("metric"))
    names = list(dict.fromkeys(name for each in scores.values() for name in each))
    rivals = [name for name in names if name.startswith(CHAMPION)] or [name for name in names if name == NO_SKILL]
    # A candidate that use_case.yaml no longer has is one all the same.
    candidates = tuple(name for name in names if name in known or name not in (*rivals, NO_SKILL))
    best = numbers.get("tested") or _best(deciding, {name: scores.get(deciding, {}).get(name) for name in candidates})
    rival = rivals[0] if rivals else None
    return Comparison(
        rows=numbers.get("rows"),
        candidates=candidates,
        best=best,
        rival=rival,
        min_gain=numbers.get("min_gain"),
        metrics=tuple(
            _compared(metric, metric == deciding, scores[metric], best, rival)
            for metric in sorted(scores, key=lambda each: each != deciding)
        ),
    )


def _judgement(decision: RecordedDecision | None, ports: Ports) -> Judgement | None:
    """What the judgement found, from the decision's numbers, and from the artefact that it names."""
    numbers = decision.numbers if decision else {}
    if decision is None or numbers.get("verdict") is None:
        return None
    try:
        kept, gone = evidence_of(decision, ports), None
    except PerennialError as error:
        kept, gone = None, str(error)
    slices = kept.slices.slices if kept and kept.slices else ()
    return Judgement(
        verdict=numbers["verdict"],
        tested=numbers["tested"],
        rival=kept.rival if kept else "its rival",
        metric=numbers["metric"],
        value=numbers["tested_value"],
        rival_value=numbers["rival_value"],
        gain=numbers["gain"],
        low=numbers["low"],
        high=numbers["high"],
        confidence=numbers["confidence"],
        min_gain=numbers["min_gain"],
        margin=numbers["margin"],
        method=numbers["method"],
        rows=numbers["rows_compared"],
        windows=numbers["windows"],
        needed_labels=numbers["needed_labels"],
        needed_windows=numbers["needed_windows"],
        slices=tuple(sorted(slices, key=_worst_first)),
        calibration=kept.calibration if kept else None,
        calibration_reasons=kept.calibration_reasons if kept else (),
        decisions=kept.decisions if kept else None,
        decided_by=kept.decided_by if kept else {},
        decision_reasons=decision_reasons(kept.decisions, kept.tested, kept.rival) if kept and kept.decisions else (),
        differences=tuple(sorted(kept.fairness.differences, key=_widest_first)) if kept and kept.fairness else (),
        gone=gone,
    )


def _worst_first(judged: SliceJudgement) -> tuple[int, float]:
    order = (SliceStanding.WORSE, SliceStanding.UNCLEAR, SliceStanding.NOT_WORSE, SliceStanding.NOT_JUDGED)
    return order.index(judged.standing), judged.comparison.gain if judged.comparison else 0.0


def _widest_first(judged: FairnessJudgement) -> tuple[int, float]:
    order = (
        FairnessStanding.WIDER,
        FairnessStanding.UNCLEAR,
        FairnessStanding.NOT_WIDER,
        FairnessStanding.MEASURED,
        FairnessStanding.NOT_JUDGED,
    )
    size = abs(judged.challenger.difference.value) if judged.challenger else 0.0
    return order.index(judged.standing), judged.wider.gain if judged.wider else -size


def _best(metric: str, values: Mapping[str, float | None]) -> str | None:
    known = {name: value for name, value in values.items() if value is not None}
    if not known:
        return None
    sign = 1 if metric_named(metric).higher_is_better else -1
    return min(known, key=lambda name: (-sign * known[name], name))


def _compared(
    metric: str, deciding: bool, scores: Mapping[str, float | None], best: str | None, rival: str | None
) -> MetricCompared:
    mine, its = scores.get(best or ""), scores.get(rival or "")
    if mine is None or its is None:
        return MetricCompared(metric, deciding, dict(scores), difference=None, better=None)
    return MetricCompared(metric, deciding, dict(scores), mine - its, gain(metric, mine, its) > 0)


def _sentence(
    decision: RecordedDecision | None,
    deployment: Deployment | None,
    begun: Deployment | None,
    asked: ApprovalRequest | None,
    answers: Sequence[Approval],
    zone: str,
) -> str:
    if decision is None:
        return "No candidate has been judged in this run."
    if refused := decision.numbers.get(REFUSED_FOR):
        return f"Nothing was trained: the training set was refused for {refused}."
    if decision.action != PROMOTE:
        return f"The champion stays: {_why_not(decision.numbers)}."
    if deployment is None and begun is not None:
        return (
            f"Version {begun.model_version} won, and began in {stage_name(begun.share)}, for data from "
            f"{date(begun.effective_from, zone)} on: the page of the use case says how far its roll-out is."
        )
    if deployment is None:
        return _waits(asked, answers) if asked is not None else "A candidate won, and is not deployed yet."
    since = date(deployment.effective_from, zone)
    return f"Version {deployment.model_version} became the champion, for data from {since} on."


def _waits(asked: ApprovalRequest, answers: Sequence[Approval]) -> str:
    """What a winner that is not deployed waits for, by the last answer that people gave."""
    approved = {each.approver for each in answers if each.answer is ApprovalAnswer.APPROVED}
    rejected = [each for each in answers if each.answer is ApprovalAnswer.REJECTED]
    if rejected:
        return f"A candidate won, and {rejected[-1].approver} rejected it: the champion stays."
    if any(each.answer is ApprovalAnswer.LAPSED for each in answers):
        return "A candidate won, and what people were asked about has changed since: nothing was deployed."
    if len(approved) >= asked.approvers:
        return "A candidate won and is approved, and is not deployed yet."
    if any(each.answer is ApprovalAnswer.EXPIRED for each in answers):
        return "A candidate won, and nobody answered in time: the champion stays."
    people = "one person" if asked.approvers - len(approved) == 1 else "two people"
    return f"A candidate won, and waits for the approval of {people}: nothing is deployed before."


def _why_not(numbers: Mapping[str, Any]) -> str:
    verdict = numbers.get("verdict")
    if verdict == "better" and numbers.get(NO_SKILL_VERDICT, "better") != "better":
        return "the candidate is better than it, and not shown to be better than a prediction without skill"
    if verdict == "better":
        told = ["is worse for some"] if numbers.get("slices_worse") else []
        told += ["treats groups more differently"] if numbers.get("differences_wider") else []
        return f"the candidate that is better on the whole {' and '.join(told)}"
    if verdict in ("not worse", "not enough labels") and numbers.get("improvement_ruled_out"):
        return "the candidate is surely not better by what was asked for"
    return _WHY_NOT[verdict]


_WHY_NOT: dict[str | None, str] = {
    None: "no candidate was better",
    "not worse": "the candidate is not worse, and not shown to be better",
    "worse": "the candidate is worse",
    "not enough labels": "there are not enough labels to tell whether the candidate is better",
}
