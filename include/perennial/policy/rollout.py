"""What becomes of a stage of a roll-out: `advance`, `hold`, `stop` (nothing was published), or `roll_back`.

In the shadow the question is whether the challenger is better. It was judged so on the holdout, by labels of the past;
here it is asked again of windows that nobody had seen, and what is not `better` does not go on. In a canary the
question is whether something has gone wrong since: the alarm, which asks less and so knows sooner.

Each stage looks at its own windows only, after every one that is final, and has an equal part of the error budget.
"""

from dataclasses import dataclass
from datetime import datetime

from perennial.judgement.alarm import watch
from perennial.judgement.sequential import ALPHA, Claim, Look, Question, judge_shadow, ruled_out
from perennial.judgement.window_gains import WindowGain
from perennial.spec.rollout import SHADOW, Rollout
from perennial.spec.training import Training
from perennial.verdict import HOLD, Decision
from perennial.wording import counted

ADVANCE, STOP, ROLL_BACK = "advance", "stop", "roll_back"

Numbers = dict[str, float | int | str | None]


@dataclass(frozen=True)
class StageEvidence:
    """What is known of a stage as of a moment of the data's time.

    It lasts `since` then, with that `share` of rows in percent. `scored` windows were scored in it, of which
    `shadowed` have predictions of both models; `gains` are of those whose labels are final.
    """

    share: int
    since: datetime
    as_of: datetime
    gains: tuple[WindowGain, ...]
    scored: int
    shadowed: int


def decide_stage(spec: Rollout, training: Training, found: StageEvidence) -> Decision:
    """Decide about a stage by its evidence. Errors: `InvalidWindow` (see `judgement.window_gains.evidence`)."""
    question = Question(training.metric, training.margin, training.min_gain, ALPHA / len(spec.shares))
    judged = _shadow(spec, question, found) if found.share == SHADOW else _canary(spec, question, found)
    numbers: Numbers = {
        "share": found.share,
        "next_share": spec.after(found.share),
        "since": found.since.isoformat(),
        "metric": question.metric,
        "alpha": question.alpha,
        "margin": question.margin,
        "min_effect": question.min_effect,
        "windows_scored": found.scored,
        "windows_shadowed": found.shadowed,
        **judged.numbers,
    }
    reasons = [*judged.reasons]
    if (lost := found.scored - found.shadowed) > 0:
        verb = "does" if lost == 1 else "do"
        reasons.append(
            f"{counted(lost, 'window')} of this stage could not be scored by both models and {verb} not count; the "
            "task `shadow` of each says why."
        )
    overdue = judged.action == HOLD and found.as_of >= found.since + spec.patience
    numbers["overdue"] = int(overdue)
    if overdue:
        reasons.insert(0, _overdue(found))
    return Decision(judged.action, tuple(reasons), numbers)


def _shadow(spec: Rollout, question: Question, found: StageEvidence) -> Decision:
    verdict = judge_shadow(found.gains, question)
    last = verdict.last
    numbers = {**_look(last), "claim": verdict.claim.value, "more_windows": verdict.more_windows}
    if verdict.claim is Claim.WORSE:
        return Decision(STOP, (*verdict.reasons, "The shadow ends, and the champion stays."), numbers)
    if last is not None and question.min_effect and ruled_out(last, question):
        text = "No further window could make it better by enough: the shadow ends, and the champion stays."
        return Decision(STOP, (*verdict.reasons, text), numbers)
    if verdict.claim is not Claim.BETTER:
        return Decision(HOLD, verdict.reasons, numbers)
    ends = found.since + spec.shadow if spec.shadow is not None else found.since
    if found.as_of < ends:
        text = f"The shadow lasts until {ends:%Y-%m-%dT%H:%MZ} at least (rollout.shadow)."
        return Decision(HOLD, (*verdict.reasons, text), numbers)
    return Decision(ADVANCE, (*verdict.reasons, _advances(spec, found)), numbers)


def _canary(spec: Rollout, question: Question, found: StageEvidence) -> Decision:
    alarm = watch(found.gains, question)
    last = alarm.looks[-1] if alarm.looks else None
    numbers = {**_look(last), "claim": "alarm" if alarm.raised else "no alarm", "more_windows": None}
    if alarm.raised:
        text = f"The challenger loses its {found.share}% of the rows, and the champion predicts all again."
        return Decision(ROLL_BACK, (*alarm.reasons, text), numbers)
    if last is None or last.high is None:
        text = "So few final windows could not raise an alarm, so it says nothing yet that there was none."
        return Decision(HOLD, (*alarm.reasons, text), numbers)
    if last.mean <= -question.margin:
        text = "The mean gain is no reason for the next stage, and no alarm either."
        return Decision(HOLD, (*alarm.reasons, text), numbers)
    return Decision(ADVANCE, (*alarm.reasons, _advances(spec, found)), numbers)


def _look(last: Look | None) -> Numbers:
    if last is None:
        return {"windows": 0, "rows": 0, "mean_gain": None, "low": None, "high": None}
    return {"windows": last.windows, "rows": last.rows, "mean_gain": last.mean, "low": last.low, "high": last.high}


def _advances(spec: Rollout, found: StageEvidence) -> str:
    share = spec.after(found.share)
    return "It becomes the champion." if share is None else f"It predicts {share}% of the rows from now on."


def _overdue(found: StageEvidence) -> str:
    name = "shadow" if found.share == SHADOW else f"canary at {found.share}%"
    return (
        f"Not enough evidence: the {name} has lasted since {found.since:%Y-%m-%dT%H:%MZ}, longer than rollout.patience "
        "allows, and stays as it is. A person may advance or stop it (`perennial rollout`), with a reason."
    )
