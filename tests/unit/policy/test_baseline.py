from typing import Any

import numpy as np
import pytest

from perennial.judgement.comparison import comparison_of
from perennial.judgement.rows import Unit, Units
from perennial.judgement.verdict import GainJudgement, judge_gain
from perennial.policy.baseline import must_beat_no_skill
from perennial.verdict import PROMOTE, REJECT, Decision

NUMBERS: dict[str, Any] = {"winner": "trees", "winner_digest": "ab", "verdict": "better"}
WON = Decision(PROMOTE, ("trees is better.",), NUMBERS)


def against_no_skill(gain: float, error: float) -> GainJudgement:
    units = Units(Unit.WINDOW, np.zeros(1_000, dtype=np.intp), 14, 13, 14)
    found = comparison_of("roc_auc", (0.5, 0.5 + gain), gain, error, units, 1_000, "mean of windows")
    return judge_gain(found, challenger="trees", champion="a prediction without skill")


@pytest.mark.parametrize(
    ("gain", "error", "action"),
    [(0.2, 0.01, PROMOTE), (0.02, 0.05, REJECT), (-0.1, 0.01, REJECT), (0.0, 0.0, REJECT)],
)
def test_a_winner_without_skill_is_refused_even_if_the_champion_is_worse(
    gain: float, error: float, action: str
) -> None:
    decision = must_beat_no_skill(WON, against_no_skill(gain, error))
    assert decision.action == action
    assert decision.numbers["no_skill_gain"] == pytest.approx(gain)
    if action == REJECT:
        assert decision.reasons[0].startswith("trees is better than the champion, but not shown to be better than")
        assert (decision.numbers["winner"], decision.numbers["winner_digest"]) == (None, None)
        assert decision.reasons[1:] == WON.reasons
    else:
        assert decision.reasons == WON.reasons
        assert decision.numbers["winner"] == "trees"


def test_what_is_rejected_stays_so_and_without_a_comparison_nothing_changes() -> None:
    lost = Decision(REJECT, ("no.",), {"winner": None})
    assert must_beat_no_skill(lost, against_no_skill(0.2, 0.01)).action == REJECT
    assert must_beat_no_skill(WON, None) is WON
