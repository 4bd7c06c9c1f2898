"""What a person sees of a roll-out, and does with it, each with a reason on record."""

from pathlib import Path

import pytest
from tests.unit.jobs.rollout_world import RolloutWorld, make
from tests.unit.jobs.test_rollout import begin, play, stages

from perennial.errors import InvalidSettings, NoModel
from perennial.jobs.evaluate import rollout_by_hand
from perennial.jobs.evaluate.rollout_by_hand import ByHand, RolloutChanged
from perennial.ledger.entries import DecisionKind, DeployedRole
from perennial.review import rollout as report
from perennial.spec.rollout import Rollout


@pytest.fixture
def rolling(tmp_path: Path) -> RolloutWorld:
    made = make(tmp_path, 16)
    begin(made, "fair", "true")
    return made


def by_hand(rolling: RolloutWorld, action: ByHand, run_id: str, reason: str = "seen enough") -> RolloutChanged:
    return rollout_by_hand.run(rolling.world.use_case, action, rolling.ports, run_id, actor="ada", reason=reason)


def test_a_person_takes_it_over_its_stages_to_the_champions_role(rolling: RolloutWorld) -> None:
    play(rolling, range(2))
    found = [by_hand(rolling, ByHand.ADVANCE, f"cli__{n}") for n in range(3)]
    assert [(each.left, each.now) for each in found] == [
        ("the shadow", "the canary at 5%"),
        ("the canary at 5%", "the canary at 25%"),
        ("the canary at 25%", "the role of the champion"),
    ]
    assert found[0].effective_from == rolling.world.day(2).start  # what is scored stays as it is
    assert stages(rolling)[-2:] == [("champion", None, False), ("challenger", 25, True)]
    champion = rolling.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    assert champion is not None
    assert (champion.model_version, champion.actor, champion.reason) == ("1", "ada", "seen enough")
    decisions = rolling.ports.ledger.decisions("parcels", DecisionKind.ROLLOUT)
    said = [each for each in decisions if each.numbers.get("by") == "ada"]
    assert [(each.action, each.reasons) for each in said] == [("advance", ("seen enough",))] * 3
    with pytest.raises(NoModel, match="no roll-out under way"):
        by_hand(rolling, ByHand.STOP, "cli__4")


def test_a_person_stops_it_and_the_champion_predicts_what_follows(rolling: RolloutWorld) -> None:
    rolling.stage("true", 25, 0, rolling.ports.ledger.current_deployment("parcels", DeployedRole.CHALLENGER))
    play(rolling, range(2))
    assert {version for version, _ in rolling.predictions(1).values()} == {"1", "3"}
    done = by_hand(rolling, ByHand.STOP, "cli__1")
    assert (done.left, done.now, done.effective_from) == ("the canary at 25%", None, rolling.world.day(2).start)
    play(rolling, range(2, 3))
    assert {version for version, _ in rolling.predictions(2).values()} == {"3"}
    assert not rolling.scored(1).changed
    assert rolling.ports.registry.alias("parcels", "challenger") is None


def test_a_reason_is_required_and_without_stages_there_is_no_next_one(rolling: RolloutWorld) -> None:
    with pytest.raises(InvalidSettings, match="without a reason"):
        by_hand(rolling, ByHand.STOP, "cli__1", "  ")
    object.__setattr__(rolling.world.use_case, "spec", rolling.world.use_case.spec.model_copy(update={"rollout": None}))
    with pytest.raises(InvalidSettings, match="has no rollout with stages"):
        by_hand(rolling, ByHand.ADVANCE, "cli__1")
    assert rolling.ports.ledger.decisions("parcels", DecisionKind.ROLLOUT) == []
    assert by_hand(rolling, ByHand.STOP, "cli__2").now is None


def test_a_stage_that_the_spec_has_no_more_is_followed_by_the_next_greater_one(rolling: RolloutWorld) -> None:
    spec = rolling.world.use_case.spec.model_copy(update={"rollout": Rollout(canary=(10, 50))})
    object.__setattr__(rolling.world.use_case, "spec", spec)
    assert by_hand(rolling, ByHand.ADVANCE, "cli__1").now == "the canary at 10%"


def test_the_state_says_the_stage_its_evidence_and_the_last_decision(rolling: RolloutWorld) -> None:
    spec = rolling.world.use_case.spec
    before = report.run(spec, rolling.ports)
    assert before is not None
    assert before.sentence == (
        "Version 1 is in the shadow since 2024-01-01 00:00 UTC. None of its windows has final labels yet."
    )
    found = play(rolling, range(5))
    state = report.run(spec, rolling.ports)
    assert state is not None
    assert (state.challenger, state.champion, state.share, state.shares) == ("1", "3", 0, (0, 5, 25))
    assert state.windows_final == len(state.windows) == found[-1].windows == 4
    assert state.about is not None
    assert state.sentence == (
        f"Version 1 is in the shadow since 2024-01-01 00:00 UTC: 4 of about {state.about} windows with final labels."
    )
    assert state.decision is not None
    assert state.decision.reasons == found[-1].reasons
    assert all(each.gain and each.gain > 0 for each in state.windows)
    by_hand(rolling, ByHand.STOP, "cli__1")
    assert report.run(spec, rolling.ports) is None
