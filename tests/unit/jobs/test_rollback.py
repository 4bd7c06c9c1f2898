"""Going back by hand: to the champion that stands by or to one that is named, and what becomes of its windows."""

from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.unit.jobs.rollout_world import RolloutWorld, make
from tests.unit.jobs.world import RECORDED

from perennial.errors import InvalidSettings, NoModel, RollbackUnfinished
from perennial.jobs.evaluate import rescore
from perennial.jobs.predict import monitor, score
from perennial.jobs.retrain import rollback
from perennial.jobs.retrain.deploy import Deployed
from perennial.jobs.upkeep import aged, verify
from perennial.ledger.entries import DeployedRole, InterventionKind
from perennial.records.model_choice import ModelChoice
from perennial.spec import versions
from perennial.spec.retirement import Retention

GOOD, BAD = "true", "bad"


@pytest.fixture
def served(tmp_path: Path) -> RolloutWorld:
    """The good model served days 0 and 1, the bad one 2 to 5. Each entry is recorded a minute after the one before."""
    made = make(tmp_path, 10)
    minutes = count()
    made.ports.ledger._clock = lambda: RECORDED + timedelta(minutes=next(minutes))  # type: ignore[attr-defined]
    first = made.champion(GOOD)
    for day in range(6):
        if day == 2:
            made.ports.ledger.deploy(made.entry(BAD, 2, first))
        made.scored(day)
    return made


def back(world: RolloutWorld, version: str | None = None, run_id: str = "back", **given: Any) -> Deployed:
    return rollback.run(world.world.use_case, version, world.ports, run_id, actor="ada", reason="complaints", **given)


def again(world: RolloutWorld, run_id: str = "back") -> rescore.Rescored | None:
    return rescore.run(world.world.use_case, world.ports, run_id, actor="ada")


def scored_by(world: RolloutWorld, days: int = 6) -> list[str]:
    names = {model.version: name for name, model in world.models.items()}
    return [names[version] for day in range(days) for version in {v for v, _ in world.predictions(day).values()}]


def test_without_a_version_the_champion_before_comes_back_and_what_is_published_stays(served: RolloutWorld) -> None:
    done = back(served)
    assert done.model_version == served.models[GOOD].version
    assert done.effective_from == served.world.day(6).start
    assert again(served) is None
    assert scored_by(served) == [GOOD] * 2 + [BAD] * 4
    served.scored(6)
    assert scored_by(served, 7)[-1] == GOOD
    assert back(served, run_id="back") == done  # a retry of the run
    assert len(served.ports.ledger.deployments("parcels")) == 3
    with pytest.raises(NoModel, match="no champion before the present one"):
        back(served, run_id="twice")
    served.ports.ledger.deploy(
        served.entry("fair", 7, served.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION))
    )
    assert back(served, run_id="once more").model_version == served.models[GOOD].version


def test_a_second_step_back_is_asked_for_by_name(served: RolloutWorld) -> None:
    current = served.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    served.ports.ledger.deploy(served.entry("fair", 6, current))
    assert back(served).model_version == served.models[BAD].version
    with pytest.raises(InvalidSettings, match=r"put back by ada on .* To go further back, to version 1, name it"):
        back(served, run_id="twice")
    assert back(served, served.models[GOOD].version, "twice").model_version == served.models[GOOD].version


def test_windows_whose_snapshots_went_by_age_stay_as_they_are_and_hold_no_rollback_open(served: RolloutWorld) -> None:
    spec, age = served.world.use_case.spec, timedelta(days=30)
    kept = spec.model_copy(update={"retention": Retention(raw=age)})
    aged.run(replace(served.world.use_case, spec=kept), served.world.day(5).start + age, served.ports, "n", actor="m")
    back(served, rescore_from=served.world.day(3).start)
    found = again(served)
    assert found is not None
    assert (found.windows, found.failed) == (1, ())
    assert scored_by(served) == [GOOD, GOOD, BAD, BAD, BAD, GOOD]
    assert again(served) is None


def test_windows_from_a_time_on_are_scored_again_and_it_is_measured_how_long_that_took(served: RolloutWorld) -> None:
    before = [served.predictions(day) for day in range(6)]
    back(served, rescore_from=served.world.day(4).start)
    found = again(served)
    assert found is not None
    assert (found.windows, found.failed) == (2, ())
    assert scored_by(served) == [GOOD, GOOD, BAD, BAD, GOOD, GOOD]
    (told,) = served.ports.ledger.interventions("parcels", InterventionKind.ROLLED_BACK)
    assert told.details["seconds"] == found.seconds > 60
    assert (told.details["windows"], told.details["version"], told.details["restored"], told.actor, told.reason) == (
        2, served.models[BAD].version, served.models[GOOD].version, "ada", "complaints",
    )  # fmt: skip
    assert not any(served.scored(day).changed for day in range(6))  # I7: a backfill as it was changes nothing
    assert again(served) is None
    window = served.world.day(5)
    published = served.ports.published.read("parcels", window)
    assert set(published.column("model_version").to_pylist()) == {served.models[GOOD].version}
    assert [each.revision for each in served.ports.ledger.batches("parcels", window)] == [1, 2]
    served.scored(5, ModelChoice.parse("as_known"))
    assert served.predictions(5) == before[5]
    assert verify.run(served.ports.ledger, []).alterations == 0


def test_drift_is_measured_again_against_the_model_that_came_back(served: RolloutWorld) -> None:
    ledger, ours = served.ports.ledger, served.world.day(3)
    monitor.run(served.world.use_case, ours, served.ports, "test")
    assert ledger.drift_of("parcels", ours)[-1].model_digest == served.models[BAD].digest
    back(served, rescore_from=served.world.day(2).start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rescore, "measure_drift", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            again(served)
    assert again(served)
    assert ledger.drift_of("parcels", ours)[-1].model_digest == served.models[GOOD].digest
    assert ledger.drift_of("parcels", served.world.day(4)) == []  # nobody has looked at it yet


def test_one_that_was_put_back_before_can_score_windows_again_later(served: RolloutWorld) -> None:
    version = served.models[GOOD].version
    back(served)
    later = back(served, version, "later", rescore_from=served.world.day(3).start)
    found = again(served)
    assert found is not None
    assert found.windows == 3
    assert scored_by(served) == [GOOD, GOOD, BAD, GOOD, GOOD, GOOD]
    (told,) = served.ports.ledger.interventions("parcels", InterventionKind.ROLLED_BACK)
    assert told.details["version"] == served.models[BAD].version
    assert back(served, version, "again", rescore_from=served.world.day(4).start) == later  # it is so already


def test_a_run_that_is_killed_anywhere_is_finished_by_a_retry(
    served: RolloutWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = served.world.day(2).start
    first = back(served, rescore_from=since)
    real, calls = score.run, []

    def killed(*given: Any, **named: Any) -> Any:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(score, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            again(served)
    assert scored_by(served) == [GOOD, GOOD, GOOD, GOOD, BAD, BAD]
    assert served.ports.ledger.interventions("parcels", InterventionKind.ROLLED_BACK) == []
    with monkeypatch.context() as patch:
        patch.setattr(served.ports.ledger, "record_intervention", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            again(served)
    assert back(served, rescore_from=since) == first
    found = again(served)
    assert found is not None
    assert found.windows == 0  # all were done; what lacked was that it is on record
    assert scored_by(served) == [GOOD] * 6
    (told,) = served.ports.ledger.interventions("parcels", InterventionKind.ROLLED_BACK)
    assert told.details["windows"] == 4
    assert len(served.ports.ledger.deployments("parcels")) == 3


def test_a_window_that_can_not_be_scored_again_is_told_and_holds_no_other_back(
    served: RolloutWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    back(served, rescore_from=served.world.day(2).start)
    real = score.run

    def lacking(use_case: Any, window: Any, *given: Any, **named: Any) -> Any:
        if window == served.world.day(3):
            raise NoModel("gone")
        return real(use_case, window, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(score, "run", lacking)
        found = again(served)
    assert found is not None
    assert (found.windows, found.seconds) == (3, None)
    with pytest.raises(RollbackUnfinished, match=r"1 window of a rollback can't be scored again.*NoModel: gone"):
        rescore.require_all(served.world.use_case, found)
    assert served.ports.ledger.interventions("parcels", InterventionKind.ROLLED_BACK) == []
    finished = again(served, "the next evaluation")
    assert finished is not None
    assert (finished.windows, scored_by(served)) == (1, [GOOD] * 6)


def test_times_that_the_version_can_not_serve_are_refused(served: RolloutWorld) -> None:
    later = served.ports.ledger.deploy(
        served.entry("fair", 6, served.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION))
    )
    with pytest.raises(InvalidSettings, match=r"may have learnt from those before; .* Give rescore_from 2024-01-03"):
        back(served, rescore_from=served.world.day(1).start)
    day = served.world.day(4).start
    with pytest.raises(InvalidSettings, match="rescore_from or effective_from, not both"):
        back(served, rescore_from=day, effective_from=day)
    assert served.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION) == later


def test_a_time_when_nothing_is_scored_yet_rescores_nothing(served: RolloutWorld) -> None:
    done = back(served, rescore_from=served.world.day(8).start)
    assert done.effective_from == served.world.day(6).start
    assert served.ports.ledger.deployments("parcels")[-1].rescores_from is None
    assert again(served) is None


def test_windows_that_older_checks_passed_are_validated_before_they_are_scored_again(
    served: RolloutWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = served.world.day(4)
    (before,) = served.ports.ledger.validations("parcels", day)
    monkeypatch.setattr(versions, "CHECKS_VERSION", versions.CHECKS_VERSION + 1)
    back(served, rescore_from=day.start)
    found = again(served)
    assert found is not None
    assert (found.windows, found.failed) == (2, ())
    assert scored_by(served) == [GOOD, GOOD, BAD, BAD, GOOD, GOOD]
    assert served.ports.ledger.validations("parcels", day)[0] == before
    assert len(served.ports.ledger.validations("parcels", day)) == 2
