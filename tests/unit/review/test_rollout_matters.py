"""A roll-out that waits for a person, and a version that could not take over, stand among what needs a person."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.jobs.rollout_world import RolloutWorld, make
from tests.unit.jobs.test_rollout import begin, decide, harmed, play
from tests.unit.jobs.test_standby import keep_example, tried

from perennial.alerting import alert, facts, news
from perennial.alerting.alert import ROLLOUT_ENDED, Alert
from perennial.alerting.news import Event, Told
from perennial.jobs.evaluate import rollout_by_hand
from perennial.jobs.evaluate.rollout_by_hand import ByHand
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.review import matters, recent
from perennial.review.matters import Concern, Matter, Urgency
from perennial.spec.alerts import Route, Severity

DAYS = 12


@pytest.fixture(scope="module")
def undecided(tmp_path_factory: pytest.TempPathFactory) -> RolloutWorld:
    """Two equal models in the shadow, longer than its patience."""
    rolling = make(tmp_path_factory.mktemp("undecided"), DAYS + 2, "rollout: {shadow: 3d, patience: 8d}\n")
    begin(rolling, "fair", "as fair")
    play(rolling, range(DAYS))
    return rolling


def found(world: RolloutWorld, day: int = DAYS) -> dict[str, Matter]:
    spec, now = world.world.use_case.spec, world.world.day(day).start
    known = recent.run([spec], now, world.ports.ledger, 60)["parcels"]
    return {each.concern: each for each in matters.found(spec, known, {}, now)}


def alerts(world: RolloutWorld, day: int = DAYS) -> dict[str, Alert]:
    spec, now = world.world.use_case.spec, world.world.day(day).start
    known = recent.run([spec], now, world.ports.ledger, 60)["parcels"]
    standing = alert.standing(spec, known, {}, facts.read(spec, known, now, world.ports.ledger), now)
    return {each.key: each for each in standing}


def test_an_overdue_roll_out_waits_for_a_person_on_the_home_page(undecided: RolloutWorld) -> None:
    matter = found(undecided)[Concern.ROLLOUT_OVERDUE]
    assert (matter.urgency, matter.place) == (Urgency.ACT, "rollout")
    assert "The roll-out of version 2 waits for a person" in matter.what
    assert matter.since == undecided.world.day(8).start
    told = alerts(undecided)[Concern.ROLLOUT_OVERDUE]
    assert (told.severity, told.link) == (Severity.WARNING, "perennial/dags/parcels.predict#rollout")
    assert told.cause.startswith("Not enough evidence: the shadow has lasted since 2024-01-01T00:00Z")


def test_it_is_told_once_and_resolved_when_a_person_decides(undecided: RolloutWorld) -> None:
    route, now = Route(connection="hook"), undecided.world.day(DAYS).start
    first = news.look(route, [*alerts(undecided).values()], {}, {}, now)
    assert Concern.ROLLOUT_OVERDUE in {each.alert.key for each in first.news if each.event is Event.RAISED}
    undecided.scored(DAYS)
    decide(undecided, DAYS)  # the next evaluation says so again
    told: dict[str, Told] = dict(first.told)
    again = news.look(route, [*alerts(undecided, DAYS + 1).values()], told, {}, now + timedelta(hours=1))
    assert Concern.ROLLOUT_OVERDUE not in {each.alert.key for each in again.news}
    rollout_by_hand.run(undecided.world.use_case, ByHand.STOP, undecided.ports, "cli__1", actor="ada", reason="no use")
    after = alerts(undecided, DAYS + 1)
    assert Concern.ROLLOUT_OVERDUE not in after
    assert ROLLOUT_ENDED not in after  # who did it knows
    last = news.look(route, [*after.values()], dict(again.told), {}, now + timedelta(hours=2))
    assert [each.event for each in last.news if each.alert.key == Concern.ROLLOUT_OVERDUE] == [Event.RESOLVED]


def test_a_roll_out_in_time_or_without_stages_in_the_spec_is_no_matter(tmp_path: Path) -> None:
    rolling = make(tmp_path, 6)
    begin(rolling, "fair", "as fair")
    play(rolling, range(4))
    assert Concern.ROLLOUT_OVERDUE not in found(rolling, 4)


def test_a_version_that_could_not_take_over_is_a_matter_until_a_trial_passes(tmp_path: Path) -> None:
    made = make(tmp_path, 6, "rollout: {standby: true}\n")
    made.ports.ledger.deploy(made.entry("true", 1, made.champion("fair")))
    keep_example(made, "fair", 0.1)
    tried(made)
    matter = found(made)[Concern.STANDBY_NOT_READY]
    assert (matter.urgency, matter.place, matter.subjects) == (Urgency.LOOK, "going-back", ("3",))
    assert "predicts 5 of the 5 rows" in alerts(made)[Concern.STANDBY_NOT_READY].cause
    keep_example(made, "fair")
    tried(made, 24)
    assert Concern.STANDBY_NOT_READY not in found(made)


def test_a_canary_that_was_rolled_back_is_told_with_its_reasons(tmp_path: Path) -> None:
    rolling, *_ = harmed(tmp_path)
    ledger = rolling.ports.ledger
    assert isinstance(ledger, InMemoryLedger)
    (recorded,) = {each.recorded_at for each in ledger.deployments("parcels")}  # in this world it is always the same
    assert recorded is not None
    spec, now = rolling.world.use_case.spec, recorded + timedelta(days=1)
    known = recent.run([spec], now, ledger, 60)["parcels"]
    standing = alert.standing(spec, known, {}, facts.read(spec, known, now, ledger), now)
    (told,) = (each for each in standing if each.key == ROLLOUT_ENDED)
    assert told.what == f"Version {rolling.models['bad'].version} was rolled back: the champion stays."
    assert told.where == "parcels: the canary at 25%"
    assert not told.lasting
