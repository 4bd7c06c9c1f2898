"""A winner must have skill: to beat a champion that has none is not enough."""

from perennial.judgement.verdict import GainJudgement, GainVerdict
from perennial.verdict import PROMOTE, REJECT, Decision

VERDICT, GAIN, LOW, HIGH = "no_skill_verdict", "no_skill_gain", "no_skill_low", "no_skill_high"


def must_beat_no_skill(decision: Decision, found: GainJudgement | None) -> Decision:
    """The decision, turned into a rejection where the winner is not better than a prediction without skill.

    `found` judges the candidate against such a prediction on the same rows; None where that is what it was compared
    with anyway, or where nothing could be.
    """
    if found is None:
        return decision
    compared = found.comparison
    numbers = {
        **decision.numbers,
        VERDICT: found.verdict.value,
        GAIN: compared.gain,
        LOW: compared.low,
        HIGH: compared.high,
    }
    if decision.action != PROMOTE or found.verdict is GainVerdict.BETTER:
        return Decision(decision.action, decision.reasons, numbers)
    reason = (
        f"{decision.numbers['winner']} is better than the champion, but not shown to be better than "
        f"a prediction without skill, so it is not promoted: {found.reasons[0]}"
    )
    return Decision(REJECT, (reason, *decision.reasons), {**numbers, "winner": None, "winner_digest": None})
