"""What stands is what the pages show that needs a person, and the events beside it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import START, World, make_world

from perennial.alerting import alert, facts
from perennial.alerting.alert import CAUSES, RETRAINING_REJECTED, ROLLOUT_ENDED, SEVERITIES, STORES_DIFFERED, Alert
from perennial.errors import ValidationFailed
from perennial.jobs.predict import monitor
from perennial.ledger.entries import DecisionKind, Intervention, InterventionKind, RecordedDecision
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.policy.rollout import STOP
from perennial.review import matters, recent
from perennial.review.airflow_state import DagState, FailedRun
from perennial.review.matters import Concern
from perennial.spec.alerts import Severity
from perennial.window import Window

NOW = START + timedelta(days=46, hours=1)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Days 30, 31, 45 are scored, 32 is refused, the others are missing."""
    world = make_world(tmp_path_factory.mktemp("lived"))
    first_model(world)
    for day in (30, 31, 45):
        predict(world, day)
        monitor.run(world.use_case, world.day(day), world.ports, "parcels.predict/scheduled__1")
    world.change(32, "weight", -99.0)
    with pytest.raises(ValidationFailed):
        ingest_and_validate(world, 32)
    return world


def standing(
    world: World, dags: dict[str, DagState] | None = None, ledger: InMemoryLedger | None = None
) -> dict[str, Alert]:
    spec, ledger = world.use_case.spec, ledger or world.ports.ledger  # type: ignore[assignment]
    assert ledger is not None
    known = recent.run([spec], NOW, ledger, 60)["parcels"]
    found = alert.standing(spec, known, dags or {}, facts.read(spec, known, NOW, ledger), NOW)
    assert len({each.key for each in found}) == len(found)
    return {each.key: each for each in found}


def test_alerts_are_the_matters_of_the_pages(lived: World) -> None:
    spec, ledger = lived.use_case.spec, lived.ports.ledger
    state = DagState("parcels.evaluate", paused=False, waiting=1, failures=1, failed=(FailedRun("r", NOW),))
    dags = {"parcels.evaluate": state}
    known = recent.run([spec], NOW, ledger, 60)["parcels"]
    shown = {matter.what for matter in matters.found(spec, known, dags, NOW)}
    assert shown == {each.what for each in standing(lived, dags).values() if each.lasting}


def test_the_most_severe_come_first(lived: World) -> None:
    order = [each.severity for each in standing(lived).values()]
    assert order == sorted(order, key=list(Severity).index)
    assert Severity.CRITICAL in order


def test_every_concern_has_a_severity_and_a_cause() -> None:
    assert set(SEVERITIES) == {*Concern, RETRAINING_REJECTED, STORES_DIFFERED, ROLLOUT_ENDED}
    assert set(CAUSES) == set(Concern) - {Concern.BROKEN_FILE}, "a task can't ask Airflow for it"


def test_a_refused_window_says_which_expectation_it_broke(lived: World) -> None:
    refused = standing(lived)["windows_refused"]
    assert refused.subjects == (lived.day(32).key,)
    assert "weight" in refused.cause
    assert refused.where == f"window {lived.use_case.spec.grid.name_of(lived.day(32))}"
    assert refused.since is not None
    assert refused.link.startswith("perennial/dags/parcels.predict/windows/2024-02-02T00%3A00Z")


def test_windows_that_are_not_scored_in_time_come_from_the_ledger(lived: World) -> None:
    missing = standing(lived)["windows_missing"]
    spec = lived.use_case.spec
    first = Window.parse(missing.subjects[0])
    assert first == lived.day(33)
    assert missing.since == (spec.deadline(first) or spec.due(first))
    assert missing.link.startswith("perennial/dags/parcels.predict/preview?from=2024-02-03&to=")
    paused = standing(lived, {"parcels.predict": DagState("parcels.predict", paused=True)})["windows_missing"]
    assert "paused" in paused.what
    assert paused.link == "dags/parcels.predict"


def test_a_failed_run_is_told_with_its_place(lived: World) -> None:
    state = DagState("parcels.evaluate", paused=False, failures=1, failed=(FailedRun("manual__a b", NOW),))
    failed = standing(lived, {"parcels.evaluate": state})["run_failed:parcels.evaluate"]
    assert (failed.severity, failed.subjects, failed.since) == (Severity.CRITICAL, ("manual__a b",), NOW)
    assert failed.link == "dags/parcels.evaluate/runs/manual__a%20b"


def test_the_number_of_subjects_has_a_limit(lived: World) -> None:
    later = NOW + timedelta(days=200)
    spec, ledger = lived.use_case.spec, lived.ports.ledger
    known = recent.run([spec], later, ledger, 60)["parcels"]
    found = alert.standing(spec, known, {}, facts.read(spec, known, later, ledger), later)
    (missing,) = (each for each in found if each.key == "windows_missing")
    assert len(missing.subjects) == 60
    assert missing.subjects[-1] == max(missing.subjects)


def ledger_at(world: World, days_ago: int) -> InMemoryLedger:
    """A copy of the world's ledger that records so many days before now."""
    copied = world.ports.ledger.copy()  # type: ignore[attr-defined]
    copied._clock = lambda: NOW - timedelta(days=days_ago)
    assert isinstance(copied, InMemoryLedger)
    return copied


def judged(action: str, day: int) -> RecordedDecision:
    as_of = START + timedelta(days=day)
    return RecordedDecision(
        "parcels",
        DecisionKind.PROMOTE,
        f"as of {day}",
        as_of,
        action,
        ("it gains too little",),
        {},
        "parcels.retrain/r1",
    )


def test_a_retraining_that_brought_nothing_is_told_until_another_is_judged(lived: World) -> None:
    ledger = ledger_at(lived, 1)
    ledger.record_decision(judged("reject", 44))
    rejected = standing(lived, ledger=ledger)[RETRAINING_REJECTED]
    assert (rejected.severity, rejected.lasting) == (Severity.INFO, False)
    assert (rejected.cause, rejected.where) == ("it gains too little.", "run r1 of parcels.retrain")
    ledger.record_decision(judged("promote", 45))
    assert RETRAINING_REJECTED not in standing(lived, ledger=ledger)


def test_the_decision_that_was_made_last_is_told_whichever_moment_it_is_as_of(lived: World) -> None:
    """A replay decides as of a moment before the one that was decided about last."""
    ledger = ledger_at(lived, 1)
    ledger.record_decision(judged("promote", 45))
    ledger.record_decision(judged("reject", 44))
    assert standing(lived, ledger=ledger)[RETRAINING_REJECTED].subjects == ("as of 44",)
    ledger.record_decision(judged("promote", 43))
    assert RETRAINING_REJECTED not in standing(lived, ledger=ledger)
    for day in (45, 44):
        ledger.record_decision(replace(judged(STOP, day), kind=DecisionKind.ROLLOUT))
    assert standing(lived, ledger=ledger)[ROLLOUT_ENDED].subjects == ("as of 44",)


def repaired(ledger: InMemoryLedger, *subjects: str) -> None:
    for subject in subjects:
        ledger.record_intervention(
            Intervention(
                "parcels", InterventionKind.LAKE_RESTORED, subject, "airflow", f"{subject} differed", {}, "night"
            )
        )


def test_what_maintenance_put_right_is_told(lived: World) -> None:
    ledger = ledger_at(lived, 1)
    repaired(ledger, "a", "b", "c", "d", "e")
    found = standing(lived, ledger=ledger)[STORES_DIFFERED]
    assert found.what == "5 differences from the ledger were found and repaired."
    assert found.cause == "a differed; b differed; c differed; and 2 more."
    assert len(found.subjects) == 5


def test_what_happened_long_ago_is_not_told(lived: World) -> None:
    ledger = ledger_at(lived, 8)
    ledger.record_decision(judged("reject", 44))
    repaired(ledger, "a")
    assert {RETRAINING_REJECTED, STORES_DIFFERED}.isdisjoint(standing(lived, ledger=ledger))


def test_a_use_case_without_a_model_only_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = make_world(tmp_path_factory.mktemp("new"))
    (only,) = standing(world).values()
    assert (only.key, only.severity) == ("no_model", Severity.INFO)
