"""Months in roll-out: what a better, an equal and a worse challenger come to, with every row by its own model."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.jobs.rollout_world import ROWS, RolloutWorld, make
from tests.unit.jobs.test_rollout_scoring import broken

from perennial.errors import ChallengerFailed, NotScored
from perennial.jobs.evaluate import rollout
from perennial.jobs.evaluate.rollout import RolledOut
from perennial.jobs.predict import shadow
from perennial.jobs.predict.shadow import ShadowOutcome
from perennial.jobs.upkeep import reconcile, verify
from perennial.ledger.entries import DecisionKind, DeployedRole, Deployment, InterventionKind
from perennial.policy.assignment import is_challengers, place
from perennial.policy.rollout import ADVANCE, ROLL_BACK, STOP
from perennial.records.model_choice import ModelChoice
from perennial.records.rollout import begun
from perennial.verdict import HOLD

DAYS = 46


def play(rolling: RolloutWorld, days: range) -> list[RolledOut]:
    """Score, shadow, measure and decide, day by day."""
    found = []
    for day in days:
        rolling.scored(day)
        shadow.run(rolling.world.use_case, rolling.world.day(day), rolling.ports, "test")
        rolling.measured(day)
        found.append(decide(rolling, day))
    return found


def decide(rolling: RolloutWorld, day: int) -> RolledOut:
    as_of = rolling.world.day(day).end
    return rollout.run(rolling.world.use_case, as_of, rolling.ports, f"evaluate {day}", actor="airflow")


def begin(rolling: RolloutWorld, champion: str, challenger: str) -> Deployment:
    first = rolling.champion(champion)
    return begun(rolling.world.use_case.spec, rolling.entry(challenger, 0, first), rolling.ports)


def stages(rolling: RolloutWorld) -> list[tuple[str, int | None, bool]]:
    return [(each.role.value, each.share, each.ends) for each in rolling.ports.ledger.deployments("parcels")]


def actions(found: list[RolledOut]) -> list[str]:
    return list(dict.fromkeys(each.action for each in found if each.action))


def check_every_row(rolling: RolloutWorld, days: range) -> None:
    """I3: one live revision of each window, each row by the model that its key is assigned to, lake and table alike."""
    ledger = rolling.ports.ledger
    for day in days:
        window = rolling.world.day(day)
        assigned = ModelChoice().resolve(rolling.world.use_case.spec, window, ledger)
        stage = assigned.canary
        rows = rolling.predictions(day)
        assert len(rows) == ROWS
        for key, (version, _) in rows.items():
            theirs = stage is not None and is_challengers(place(stage.salt, "parcels", str(key)), stage.share or 0)
            expected = stage if theirs else assigned.champion
            assert expected is not None
            assert version == expected.model_version, (day, key)
        published = rolling.ports.published.read("parcels", window)
        batch = ledger.latest_batch("parcels", window)
        assert batch is not None
        assert set(published.column("revision").to_pylist()) == {batch.revision}
        assert [each.revision for each in ledger.batches("parcels", window)] == list(range(1, batch.revision + 1))


def test_a_better_challenger_goes_from_the_shadow_over_both_shares_to_the_champions_role(tmp_path: Path) -> None:
    rolling = make(tmp_path, DAYS)
    begin(rolling, "fair", "true")
    found = play(rolling, range(DAYS))
    assert actions(found) == [HOLD, ADVANCE]
    assert stages(rolling) == [
        ("champion", None, False),
        ("challenger", 0, False),
        ("challenger", 5, False),
        ("challenger", 25, False),
        ("champion", None, False),
        ("challenger", 25, True),
    ]
    champion = rolling.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    assert champion is not None
    assert champion.model_version == rolling.models["true"].version
    assert found[-1].outcome == "no roll-out is under way"
    check_every_row(rolling, range(DAYS))
    before = [rolling.predictions(day) for day in range(DAYS)]
    assert not any(rolling.scored(day).changed for day in range(0, DAYS, 7))  # I7: as it was
    assert [rolling.predictions(day) for day in range(DAYS)] == before
    assert rolling.ports.registry.alias("parcels", "champion") == champion.model_version
    assert rolling.ports.registry.alias("parcels", "challenger") is None
    assert verify.run(rolling.ports.ledger, []).alterations == 0
    last = rolling.world.day(DAYS).start
    cards = reconcile.run(rolling.world.use_case, last, rolling.ports, "test", actor="ada").restored  # made by hand
    assert [each for each in cards if "card" not in each] == []
    assert reconcile.run(rolling.world.use_case, last, rolling.ports, "test", actor="ada").restored == ()
    decisions = rolling.ports.ledger.decisions("parcels", DecisionKind.ROLLOUT)
    advanced = [each for each in decisions if each.action == ADVANCE]
    assert [each.numbers["next_share"] for each in advanced] == [5, 25, None]
    assert [each.numbers["claim"] for each in advanced] == ["better", "no alarm", "no alarm"]


def test_an_equal_challenger_stays_in_the_shadow_and_after_the_patience_that_is_told(tmp_path: Path) -> None:
    rolling = make(tmp_path, DAYS)
    begin(rolling, "fair", "as fair")
    found = play(rolling, range(DAYS))
    assert actions(found) == [HOLD]
    assert found[-1].outcome == "version 2 stays in the shadow: not enough evidence"
    assert found[-1].reasons[0].startswith("Not enough evidence: the shadow has lasted since 2024-01-01T00:00Z")
    assert "not enough evidence" not in found[30].outcome
    assert {version for version, _ in rolling.predictions(DAYS - 1).values()} == {"3"}


def test_a_worse_challenger_is_stopped_in_the_shadow_and_published_nothing(tmp_path: Path) -> None:
    rolling = make(tmp_path, 40)
    begin(rolling, "true", "bad")
    found = play(rolling, range(40))
    assert actions(found) == [HOLD, STOP]
    assert stages(rolling)[-1] == ("challenger", 0, True)
    assert all({version for version, _ in rolling.predictions(day).values()} == {"1"} for day in range(40))
    assert found[-1].outcome == "no roll-out is under way"
    assert rolling.ports.registry.alias("parcels", "challenger") is None


def harmed(folder: Path) -> tuple[RolloutWorld, int, dict[int, dict[int, tuple[str, float]]]]:
    """A canary until the day of its alarm, and what its windows had before."""
    rolling = make(folder, 24)
    rolling.champion("true")
    small = rolling.stage("bad", 5, 2, rolling.stage("bad", 0, 0))
    before: dict[int, dict[int, tuple[str, float]]] = {}
    for day in range(24):
        if day == 5:
            rolling.stage("bad", 25, 5, small)
        rolling.scored(day)
        before[day] = rolling.predictions(day)
        shadow.run(rolling.world.use_case, rolling.world.day(day), rolling.ports, "test")
        rolling.measured(day)
        if day > 5 and decide(rolling, day).action == ROLL_BACK:
            return rolling, day, before
    raise AssertionError("no alarm")


def test_a_canary_that_does_harm_is_rolled_back_and_its_windows_are_scored_again_by_the_champion(
    tmp_path: Path,
) -> None:
    rolling, last, before = harmed(tmp_path)
    bad = rolling.models["bad"].version
    assert all({version for version, _ in before[day].values()} == {"1", bad} for day in range(2, last + 1))
    for day in range(last + 1):
        assert {version for version, _ in rolling.predictions(day).values()} == {"1"}
    check_every_row(rolling, range(last + 1))
    told = rolling.ports.ledger.interventions("parcels", InterventionKind.ROLLED_BACK)
    assert [(each.details["windows"], each.details["version"]) for each in told] == [(last - 1, bad)]
    assert told[0].details["seconds"] >= 0
    assert decide(rolling, last).rescored is None  # nothing is left
    known = ModelChoice.parse("as_known").resolve(
        rolling.world.use_case.spec, rolling.world.day(5), rolling.ports.ledger
    )
    assert known.champion.model_version == "1"
    rolling.scored(last + 1)
    assert {version for version, _ in rolling.predictions(last + 1).values()} == {"1"}


@pytest.fixture
def rolling(tmp_path: Path) -> RolloutWorld:
    made = make(tmp_path, 16)
    begin(made, "fair", "true")
    return made


def test_a_shadow_has_every_row_once_by_the_model_that_did_not_serve_it(rolling: RolloutWorld) -> None:
    rolling.scored(0)
    run = lambda: shadow.run(rolling.world.use_case, rolling.world.day(0), rolling.ports, "test")  # noqa: E731
    first = run()
    assert (first.outcome, first.challenger, first.share, first.rows) == (ShadowOutcome.SCORED, "1", 0, ROWS)
    assert run().outcome is ShadowOutcome.UNCHANGED
    (recorded,) = rolling.ports.ledger.shadows_between("parcels", rolling.world.day(0).start, rolling.world.day(1).end)
    rows = rolling.ports.lake.read("shadow/parcels", rolling.world.day(0).key, version=recorded.version)
    assert set(rows.column("model_version").to_pylist()) == {"1"}
    assert rolling.ports.published.read("parcels", rolling.world.day(0)).column(
        "model_version"
    ).unique().to_pylist() == ["3"]
    current = rolling.ports.ledger.current_deployment("parcels", DeployedRole.CHALLENGER)
    rolling.stage("true", 25, 1, current)
    rolling.scored(1)
    shadow.run(rolling.world.use_case, rolling.world.day(1), rolling.ports, "test")
    rows = rolling.ports.lake.read("shadow/parcels", rolling.world.day(1).key)
    others = dict(zip(rows.column("parcel").to_pylist(), rows.column("model_version").to_pylist(), strict=True))
    served = {key: version for key, (version, _) in rolling.predictions(1).items()}
    assert set(others) == set(served)
    assert {(served[key], other) for key, other in others.items()} == {("3", "1"), ("1", "3")}


def test_a_window_without_a_rollout_or_scored_by_choice_has_no_shadow(tmp_path: Path) -> None:
    rolling = make(tmp_path, 4)
    rolling.champion("fair")
    rolling.stage("true", 0, 1)
    rolling.prepared(1)
    with pytest.raises(NotScored):
        shadow.run(rolling.world.use_case, rolling.world.day(1), rolling.ports, "test")
    rolling.scored(0)
    assert (
        shadow.run(rolling.world.use_case, rolling.world.day(0), rolling.ports, "t").outcome is ShadowOutcome.NO_ROLLOUT
    )
    rolling.scored(2, ModelChoice.parse("pinned:1"))
    found = shadow.run(rolling.world.use_case, rolling.world.day(2), rolling.ports, "test")
    assert found.outcome is ShadowOutcome.OTHER_MODEL


def test_a_challenger_that_failed_in_a_window_has_no_shadow_there_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolling = make(tmp_path, 12)
    rolling.champion("fair")
    rolling.stage("true", 25, 0)
    broken(rolling, monkeypatch)
    rolling.scored(0)
    with pytest.raises(ChallengerFailed, match=r"could not predict its part of 2024-01-01.*UntrustedModel"):
        shadow.run(rolling.world.use_case, rolling.world.day(0), rolling.ports, "test")
    monkeypatch.undo()
    rolling.measured(0)
    found = decide(rolling, 3)
    assert found.reasons[-1].startswith("1 window of this stage could not be scored by both models")


def test_gains_are_of_the_rows_that_both_models_predicted_and_are_computed_once(rolling: RolloutWorld) -> None:
    play(rolling, range(4))
    ledger, first = rolling.ports.ledger, rolling.world.day(0)
    champion, challenger = rolling.models["fair"].digest, rolling.models["true"].digest
    found = ledger.gains_between(
        "parcels", first.start, rolling.world.day(5).end, champion=champion, challenger=challenger
    )
    assert [each.window for each in found] == [rolling.world.day(day) for day in (0, 1, 2)]
    assert all(
        each.rows == ROWS and each.gain == each.challenger - each.champion
        for each in found
        if each.challenger and each.champion
    )
    decide(rolling, 3)
    again = ledger.gains_between(
        "parcels", first.start, rolling.world.day(5).end, champion=champion, challenger=challenger
    )
    assert list(again) == list(found)


def test_i6_a_decision_as_of_a_moment_knows_nothing_of_later_windows(rolling: RolloutWorld) -> None:
    play(rolling, range(8))
    found = decide(rolling, 4)
    assert (found.action, found.windows) == (HOLD, 4)


def test_a_decision_that_was_not_carried_out_is_carried_out_by_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolling = make(tmp_path, 40)
    begin(rolling, "true", "bad")
    deploy = rolling.ports.ledger.deploy

    def killed(deployment: Deployment) -> Deployment:
        raise KeyboardInterrupt

    for day in range(40):
        monkeypatch.setattr(rolling.ports.ledger, "deploy", killed)
        try:
            play(rolling, range(day, day + 1))
        except KeyboardInterrupt:
            break
    assert stages(rolling)[-1] == ("challenger", 0, False)
    monkeypatch.setattr(rolling.ports.ledger, "deploy", deploy)
    assert decide(rolling, day).action == STOP
    assert stages(rolling)[-1] == ("challenger", 0, True)
    decisions = rolling.ports.ledger.decisions("parcels", DecisionKind.ROLLOUT)
    assert [each.action for each in decisions].count(STOP) == 1
    assert decide(rolling, day).outcome == "no roll-out is under way"
    assert len(rolling.ports.ledger.deployments("parcels")) == 3


def test_when_the_champion_moves_the_evidence_begins_anew(rolling: RolloutWorld) -> None:
    found = play(rolling, range(6))
    assert found[-1].windows == 5
    current = rolling.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    rolling.ports.ledger.deploy(rolling.entry("as fair", 6, current))
    assert play(rolling, range(6, 9))[-1].windows == 2


def test_a_challenger_that_became_champion_by_hand_leaves_its_roll_out(rolling: RolloutWorld) -> None:
    play(rolling, range(2))
    current = rolling.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    rolling.ports.ledger.deploy(rolling.entry("true", 2, current))
    assert [each.action for each in play(rolling, range(2, 4))] == [STOP, None]
    assert stages(rolling)[-1] == ("challenger", 0, True)


def test_a_newer_winner_takes_the_place_of_one_in_rollout_and_that_is_on_record(rolling: RolloutWorld) -> None:
    first = rolling.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    second = begun(rolling.world.use_case.spec, rolling.entry("as fair", 3, first), rolling.ports)
    assert (second.share, second.role) == (0, DeployedRole.CHALLENGER)
    assert second.reason == "by hand; it replaces version 1, which was in the shadow"
    (told,) = rolling.ports.ledger.decisions("parcels", DecisionKind.ROLLOUT)
    assert told.action == STOP
    assert told.reasons[0].startswith("Version 1 leaves the shadow: version 2 was judged better")


def test_without_the_key_or_without_a_champion_the_winner_is_champion_at_once(tmp_path: Path) -> None:
    rolling = make(tmp_path, 4)
    first = begun(rolling.world.use_case.spec, rolling.entry("fair"), rolling.ports)
    assert first.role is DeployedRole.CHAMPION
    spec = rolling.world.use_case.spec.model_copy(update={"rollout": None})
    second = begun(spec, replace(rolling.entry("true"), supersedes=first.id), rolling.ports)
    assert (second.role, second.share) == (DeployedRole.CHAMPION, None)


def test_a_spec_without_rollout_ends_the_one_under_way_safely_and_says_why(tmp_path: Path) -> None:
    rolling = make(tmp_path, 6)
    first = rolling.champion("fair")
    rolling.stage("true", 25, 0)
    play(rolling, range(2))
    spec = rolling.world.use_case.spec.model_copy(update={"rollout": None})
    object.__setattr__(rolling.world.use_case, "spec", spec)
    rolling.scored(2)
    found = decide(rolling, 2)
    assert (found.action, found.challenger) == (STOP, rolling.models["true"].version)
    assert found.reasons[0].startswith("The spec has no stages of a roll-out any more, so nobody would decide about")
    assert stages(rolling)[-1] == ("challenger", 25, True)
    assert rolling.ports.registry.alias("parcels", "challenger") is None
    rolling.scored(3)
    assert {version for version, _ in rolling.predictions(3).values()} == {first.model_version}
    assert len({version for version, _ in rolling.predictions(2).values()}) == 2  # nothing went wrong there
    (told,) = (e for e in rolling.ports.ledger.decisions("parcels", DecisionKind.ROLLOUT) if e.action == STOP)
    assert told.reasons == found.reasons
    assert decide(rolling, 3).outcome == "no roll-out is under way"


def test_ending_a_roll_out_without_a_spec_is_finished_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolling = make(tmp_path, 6, "rollout: {standby: true}\n")
    rolling.champion("fair")
    rolling.stage("true", 25, 0)
    rolling.scored(0)
    deploy = rolling.ports.ledger.deploy
    with monkeypatch.context() as patch:
        patch.setattr(rolling.ports.ledger, "deploy", lambda entry: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            decide(rolling, 0)
    assert rolling.ports.ledger.deploy == deploy
    assert stages(rolling)[-1] == ("challenger", 25, False)
    assert decide(rolling, 1).action == STOP
    assert stages(rolling)[-1] == ("challenger", 25, True)
    assert len(rolling.ports.ledger.decisions("parcels", DecisionKind.ROLLOUT)) == 1
