"""What every ledger keeps of roll-outs: stages, batches by two models, and how both did on the same rows."""

from dataclasses import replace
from typing import Any

import pytest
from tests.contract.test_ledger import (
    CHALLENGER,
    CHAMPION,
    batch,
    day_window,
    deployment,
    instant,
    ledger,
    make_ledger,
    record_batch,
    use_case,
)

from perennial.errors import DeploymentConflict, DeploymentMoved, LeaseLost
from perennial.jobs.upkeep import verify
from perennial.ledger.entries import Deployment, PairedGain, Part, ShadowBatch
from perennial.ledger.port import Ledger

__all__ = ["ledger", "make_ledger", "use_case"]


def stage(use_case: str, share: int = 0, supersedes: Deployment | None = None, **changes: Any) -> Deployment:
    made = deployment(use_case, 2, supersedes, role=CHALLENGER, share=share, salt="s", run_id=f"run-{share}")
    return replace(made, **changes)


def shadow(use_case: str, day: int = 1, **changes: Any) -> ShadowBatch:
    made = ShadowBatch(
        use_case, day_window(day), 1, "m1", "2", "m2", f"s{day}.0", "suite", "scoring", f"shadow/{use_case}", 3,
        f"d{day}", 900, 7, "0.1.0+abc", "lock", "run-1",
    )  # fmt: skip
    return replace(made, **changes)


def gain(use_case: str, day: int = 1, as_of: int = 5, **changes: Any) -> PairedGain:
    made = PairedGain(
        use_case, day_window(day), 1, "m1", "m2", "roc_auc", instant(as_of), 0.01, 0.7, 0.71, 900, "run-1"
    )
    return replace(made, **changes)


def test_a_stage_comes_back_with_its_share_and_begins_after_what_is_scored(ledger: Ledger, use_case: str) -> None:
    record_batch(ledger, batch(use_case, day=5))
    first = ledger.deploy(stage(use_case, 0))
    assert (first.share, first.salt, first.ends, first.in_rollout) == (0, "s", False, True)
    assert first.effective_from == instant(6)
    second = ledger.deploy(stage(use_case, 25, first))
    last = ledger.deploy(stage(use_case, 25, second, ends=True, run_id="run-end"))
    assert ledger.current_deployment(use_case, CHALLENGER) == last
    assert [each.in_rollout for each in ledger.deployments(use_case)] == [True, True, False]
    assert not ledger.deploy(deployment(use_case)).in_rollout


def test_both_roles_change_hands_at_once_and_at_one_time(ledger: Ledger, use_case: str) -> None:
    champion = ledger.deploy(deployment(use_case))
    challenger = ledger.deploy(stage(use_case, 25, effective_from=instant(7)))
    new = deployment(use_case, 2, champion, day=3)
    ends = stage(use_case, 25, challenger, ends=True, run_id="run-2")
    stored = ledger.deploy_together([new, ends])
    assert [each.effective_from for each in stored] == [instant(7), instant(7)]
    assert [each.role for each in stored] == [CHAMPION, CHALLENGER]
    assert list(ledger.deploy_together([new, ends])) == list(stored)  # tried again by the same run
    assert len(ledger.deployments(use_case)) == 4
    assert verify.run(ledger, [], use_case).alterations == 0


def test_of_two_roles_one_of_which_has_moved_neither_changes_hands(ledger: Ledger, use_case: str) -> None:
    champion = ledger.deploy(deployment(use_case))
    challenger = ledger.deploy(stage(use_case, 25))
    ledger.deploy(stage(use_case, 25, challenger, ends=True, run_id="rival"))
    before = list(ledger.deployments(use_case))
    with pytest.raises(DeploymentConflict):
        ledger.deploy_together(
            [deployment(use_case, 2, champion), stage(use_case, 25, challenger, ends=True, run_id="run-2")]
        )
    assert list(ledger.deployments(use_case)) == before


def test_a_batch_says_which_model_predicted_how_many_of_its_rows(ledger: Ledger, use_case: str) -> None:
    parts = (
        Part("champion", "1", "m1", 860).to_json(),
        Part("challenger", "2", "m2", 40, 5, "s", 7).to_json(),
    )
    recorded = record_batch(ledger, batch(use_case, parts=parts))
    assert ledger.latest_batch(use_case, day_window(1)) == recorded
    assert recorded.parts == parts
    assert record_batch(ledger, batch(use_case, day=2)).parts == ()


def test_a_batch_is_recorded_only_while_its_stage_is_in_force(ledger: Ledger, use_case: str) -> None:
    champion = ledger.deploy(deployment(use_case))
    first = ledger.deploy(stage(use_case, 5))
    assert ledger.record_batch(batch(use_case), expected=champion, challenger=first).revision == 1
    with pytest.raises(DeploymentMoved, match="with no challenger, but now version 2 in roll-out at 5% is in force"):
        ledger.record_batch(batch(use_case, day=3), expected=champion)
    second = ledger.deploy(stage(use_case, 25, first))
    with pytest.raises(DeploymentMoved, match="in roll-out at 5%, but now version 2 in roll-out at 25%"):
        ledger.record_batch(batch(use_case, day=3), expected=champion, challenger=first)
    ledger.deploy(stage(use_case, 25, second, ends=True, run_id="end"))
    with pytest.raises(DeploymentMoved, match="but now no challenger is in force"):
        ledger.record_batch(batch(use_case, day=3), expected=champion, challenger=second)
    assert ledger.record_batch(batch(use_case, day=3), expected=champion).revision == 1


def test_a_challenger_of_before_rollouts_scores_nothing(ledger: Ledger, use_case: str) -> None:
    champion = ledger.deploy(deployment(use_case))
    old = ledger.deploy(deployment(use_case, 2, role=CHALLENGER))
    assert not old.in_rollout
    assert ledger.record_batch(batch(use_case), expected=champion).parts == ()


def test_shadows_are_found_by_window_and_the_first_of_a_revision_stands(ledger: Ledger, use_case: str) -> None:
    second, first = (ledger.record_shadow(shadow(use_case, day)) for day in (2, 1))
    assert ledger.record_shadow(shadow(use_case, run_id="rival", digest="other")) == first
    again = ledger.record_shadow(shadow(use_case, revision=2))
    ledger.record_shadow(shadow(f"{use_case}_2"))
    assert list(ledger.shadows_between(use_case, instant(1), instant(3))) == [first, again, second]
    assert list(ledger.shadows_between(use_case, instant(2), instant(3))) == [second]


def test_a_shadow_is_refused_when_another_run_took_the_window_over(ledger: Ledger, use_case: str) -> None:
    with ledger.working_on(use_case, day_window(1), "run-1") as passed:
        pass
    with ledger.working_on(use_case, day_window(1), "run-2"), pytest.raises(LeaseLost):
        ledger.record_shadow(shadow(use_case), passed)
    assert list(ledger.shadows_between(use_case, instant(1), instant(3))) == []


def test_gains_are_those_of_one_model_over_another_by_window_and_as_of(ledger: Ledger, use_case: str) -> None:
    late = ledger.record_gain(gain(use_case, 1, as_of=9, gain=-0.1))
    early = ledger.record_gain(gain(use_case, 1, as_of=5))
    nothing = ledger.record_gain(gain(use_case, 2, gain=None, champion=None, challenger=None, rows=0))
    assert ledger.record_gain(gain(use_case, 1, gain=7.0, run_id="rival")) == early
    ledger.record_gain(gain(use_case, 1, challenger_digest="m3"))
    ledger.record_gain(gain(use_case, 1, champion_digest="m0"))
    found = ledger.gains_between(use_case, instant(1), instant(3), champion="m1", challenger="m2")
    assert list(found) == [early, late, nothing]
    assert list(ledger.gains_between(use_case, instant(2), instant(3), champion="m1", challenger="m2")) == [nothing]
    of_both = {"champion": "m1", "challenger": "m2"}
    for last, expected in ((0, []), (1, [nothing]), (2, [late, nothing]), (9, [early, late, nothing])):
        assert list(ledger.gains_between(use_case, instant(1), instant(3), **of_both, last=last)) == expected


def test_a_withdrawn_stage_counts_for_nothing_but_what_was_known_before(ledger: Ledger, use_case: str) -> None:
    champion = ledger.deploy(deployment(use_case))
    shadow_stage = ledger.deploy(stage(use_case, 0))
    five = ledger.deploy(stage(use_case, 5, shadow_stage, effective_from=instant(3)))
    twenty_five = ledger.deploy(stage(use_case, 25, five, effective_from=instant(5)))
    known_at = twenty_five.recorded_at
    end = stage(use_case, 25, twenty_five, effective_from=instant(7), ends=True, withdraws=five.id, run_id="end")
    ended = ledger.deploy(end)
    assert ledger.deployments(use_case)[-1].withdraws == five.id
    for day, then in ((3, five), (5, twenty_five)):
        assert ledger.deployment_at(use_case, CHALLENGER, instant(day)) == shadow_stage
        assert ledger.deployment_at(use_case, CHALLENGER, instant(day), known_at) == then
    assert ledger.deployment_at(use_case, CHALLENGER, instant(8)) == ended
    assert ledger.deployment_at(use_case, CHAMPION, instant(5)) == champion
    again = ledger.deploy(stage(use_case, 5, ended, effective_from=instant(9), run_id="again"))
    assert ledger.deployment_at(use_case, CHALLENGER, instant(9)) == again
    made = ledger.record_batch(batch(use_case, day=5), expected=champion, challenger=shadow_stage)
    assert made.revision == 1


def test_a_champion_that_rescores_is_in_force_for_windows_of_before(ledger: Ledger, use_case: str) -> None:
    first = ledger.deploy(deployment(use_case))
    bad = ledger.deploy(deployment(use_case, 2, first, 3))
    for day in (3, 4, 5):
        record_batch(ledger, batch(use_case, day=day))
    back = ledger.deploy(deployment(use_case, 1, bad, 4, rescores_from=instant(4), run_id="back"))
    assert (back.effective_from, back.rescores_from) == (instant(6), instant(4))
    assert ledger.deployments(use_case)[-1] == back
    found = {day: ledger.deployment_at(use_case, CHAMPION, instant(day)) for day in range(1, 8)}
    assert found == {1: first, 2: first, 3: bad, 4: back, 5: back, 6: back, 7: back}
    known = {day: ledger.deployment_at(use_case, CHAMPION, instant(day), bad.recorded_at) for day in (2, 4, 7)}
    assert known == {2: first, 4: bad, 7: bad}
    later = ledger.deploy(deployment(use_case, 3, back, 7))
    assert ledger.deployment_at(use_case, CHAMPION, instant(5)) == back
    assert ledger.deployment_at(use_case, CHAMPION, instant(7)) == later
    with pytest.raises(DeploymentMoved):
        ledger.record_batch(batch(use_case, day=5, revision=2, digest="other"), expected=bad)
    assert verify.run(ledger, []).alterations == 0
