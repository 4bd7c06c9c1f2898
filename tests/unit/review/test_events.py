"""The stages of roll-outs are among what happened to the model."""

from pathlib import Path

import pytest
from tests.unit.jobs.rollout_world import RolloutWorld, make

from perennial.pages.charts.events import event_word
from perennial.records.rollout import current_stage, ended, moved_on
from perennial.review.events import Change, Event, events_between


@pytest.fixture
def rolling(tmp_path: Path) -> RolloutWorld:
    made = make(tmp_path, 10)
    made.champion("fair")
    return made


def found(rolling: RolloutWorld, first: int = 0, last: int = 9) -> tuple[Event, ...]:
    ends = (rolling.world.day(first).start, rolling.world.day(last).start)
    return events_between("parcels", rolling.ports.ledger.deployments("parcels"), *ends, rolling.ports.ledger)


def advance(rolling: RolloutWorld, share: int | None, day: int) -> None:
    stage = current_stage("parcels", rolling.ports.ledger)
    assert stage is not None
    moved_on(stage, share, rolling.world.day(day).start, rolling.ports, f"to {share}", actor="airflow", reason="better")


def test_a_roll_out_that_ends_well_is_told_stage_by_stage(rolling: RolloutWorld) -> None:
    version = rolling.models["true"].version
    rolling.stage("true", 0, 2)
    for share, day in ((25, 4), (50, 5), (None, 6)):
        advance(rolling, share, day)
    assert [(each.change, each.share) for each in found(rolling)] == [
        (Change.FIRST_MODEL, None),
        (Change.SHADOW, None),
        (Change.CANARY, 25),
        (Change.CANARY, 50),
        (Change.NEW_MODEL, None),
    ]
    assert [event_word(each) for each in found(rolling, 2)] == [
        f"shadow begun, version {version}",
        f"canary at 25%, version {version}",
        f"canary at 50%, version {version}",
        f"new model, version {version}",
    ]
    assert [each.run_id for each in found(rolling, 4)] == ["to 25", "to 50", "to None"]
    assert found(rolling, 4)[0].reasons == ("better",)


@pytest.mark.parametrize(
    ("withdraw", "change", "word"),
    [(True, Change.WITHDRAWN, "canary rolled back"), (False, Change.STOPPED, "roll-out stopped")],
)
def test_one_that_ends_badly_says_how(rolling: RolloutWorld, withdraw: bool, change: Change, word: str) -> None:
    stage = rolling.stage("bad", 25, 2)
    at = rolling.world.day(5).start
    ended(stage, at, rolling.ports, "alarm", actor="airflow", reason="harm", withdraw=withdraw)
    begun, last = found(rolling, 1)
    assert (begun.change, begun.share) == (Change.CANARY, 25)
    assert (last.change, last.at, last.reasons) == (change, at, ("harm",))
    assert event_word(last) == f"{word}, version {rolling.models['bad'].version}"
