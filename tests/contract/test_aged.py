"""Rows that go by age, in memory and on real stores: everything else goes on, and says what is gone and why."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.servers import WatchedPostgres
from tests.unit.jobs.aged_world import ALL, FIRST, LAST, live, night, with_ages
from tests.unit.jobs.test_predict_path import ingest_and_validate
from tests.unit.jobs.world import ROWS, World, make_world

from perennial import clock
from perennial.errors import RowsExpired
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import score
from perennial.jobs.retrain import chain as retrain
from perennial.jobs.upkeep import aged, gaps, maintain, reconcile, samples
from perennial.lake.delta import DeltaLake
from perennial.lake.port import predictions_table, raw_table
from perennial.ledger.entries import DecisionKind, InterventionKind
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.ledger.redacting import named_in
from perennial.published.postgres import PostgresPublished
from perennial.records.batch import live_rows
from perennial.records.model_choice import ModelChoice
from perennial.records.retained import SUBJECT
from perennial.records.training_set import read_manifest
from perennial.review import explain, history, reproduce, window_report
from perennial.spec.retirement import RowClass

GONE = 42  # the first day whose rows stay
KEPT_WINDOWS = LAST + 1 - GONE


@pytest.fixture(params=["memory", "stores"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    made = with_ages(make_world(tmp_path), *ALL)
    made.ports = replace(made.ports, ledger=InMemoryLedger(clock.now))
    if request.param == "stores":
        postgres: WatchedPostgres = request.getfixturevalue("postgres")
        url = postgres.url(postgres.new_database("aged"))
        migrate.upgrade(url)
        stores = {"ledger": PostgresLedger(url), "published": PostgresPublished(url)}
        made.ports = replace(made.ports, lake=DeltaLake(str(tmp_path / "lake"), {}), **stores)
    live(made)
    return made


def maintained(world: World, as_of: datetime, name: str) -> list[aged.AgedRemoved]:
    done = aged.run(world.use_case, as_of, world.ports, name, actor="maintenance")
    maintain.run(world.use_case, as_of, world.ports, name, actor="maintenance")
    return done


def test_rows_go_by_age_and_all_else_goes_on(world: World) -> None:
    use_case, ports, name = world.use_case, world.ports, world.use_case.name
    as_of = night(world, GONE)
    planned = aged.plan(use_case, as_of, ports)
    assert [each.rows_of for each in planned] == list(RowClass)
    by_class = {each.rows_of: each for each in planned}
    assert by_class[RowClass.PUBLISHED].windows == by_class[RowClass.PREDICTIONS].windows == GONE - FIRST
    assert by_class[RowClass.PREDICTIONS].rows == by_class[RowClass.PUBLISHED].rows == ROWS * (GONE - FIRST) - 1
    assert by_class[RowClass.QUARANTINE].rows == 2, "of a window that was scored, and of one that was learnt from"
    assert by_class[RowClass.PREDICTIONS].bytes > 0
    assert by_class[RowClass.RAW].last == world.day(GONE).start
    before = ports.ledger.latest_batch(name, world.day(GONE))
    assert ports.published.windows(name, world.day(0).start, as_of)[0] == world.day(FIRST), "a plan changes nothing"

    done = maintained(world, as_of, "night 1")
    assert [(each.rows_of, each.windows, each.rows) for each in done] == [
        (each.rows_of, each.windows, each.rows) for each in planned
    ]
    (entry,) = ports.ledger.interventions(name, InterventionKind.FILES_REMOVED, subject=SUBJECT)
    assert entry.details["classes"]["raw"]["until"] == world.day(GONE).start.isoformat()
    assert entry.details["classes"]["predictions"]["rows"] == by_class[RowClass.PREDICTIONS].rows
    assert maintained(world, as_of, "night 2") == [], "the second time nothing is left to do"
    kept = [world.day(each).key for each in range(GONE, LAST + 1)]
    assert ports.lake.partitions(predictions_table(name)) == ports.lake.partitions(raw_table(name)) == kept
    assert [each.key for each in ports.published.windows(name, world.day(0).start, as_of)] == kept
    assert ports.published.size(name).rows == ROWS * KEPT_WINDOWS - 1
    assert ports.ledger.latest_batch(name, world.day(GONE)) == before
    assert before is not None
    assert live_rows(before, ports).num_rows == ROWS

    # Nothing is missed, restored or made again.
    found = reconcile.run(use_case, as_of, ports, "night 2", actor="maintenance", everything=True)
    assert (found.windows, found.restored, found.busy, found.unmended) == (KEPT_WINDOWS, (), (), ())
    assert gaps.find(use_case.spec, world.day(LAST).end, ports.ledger)[1] == []
    as_of = world.day(LAST + 3).start
    collect_labels.run(use_case, as_of, ports, "evaluate again")
    assert measure.run(use_case, as_of, ports, "evaluate again").reopened == 0
    retrain.run(use_case, world.day(LAST).end, ports, "again", actor="me", reason="drift")
    judged = ports.ledger.decisions(name, DecisionKind.PROMOTE)[-1]
    manifest = read_manifest(judged.subject.partition(" ")[0], ports)
    out = [each.window for each in manifest.excluded if "removed by retention" in each.reason]
    assert out == [world.day(each) for each in range(LAST + 1 - 22, GONE)], "the manifest says which windows are out"
    assert manifest.windows[0].window == world.day(GONE)


def test_what_is_asked_of_gone_rows_says_that_they_went_by_age_when_and_what_is_left(world: World) -> None:
    use_case, ports = world.use_case, world.ports
    old, as_of = world.day(FIRST), night(world, GONE)
    maintained(world, as_of, "night 1")
    batch = ports.ledger.latest_batch(use_case.name, old)
    assert batch is not None
    said = r"2024-02-06.*predictions were removed by retention on 20\d\d-\d\d-\d\d \(.*: 30d\).*still"
    asked: list[Callable[[], object]] = [
        lambda: live_rows(batch, ports),
        lambda: reproduce.run(use_case, old, ports),
        lambda: history.diff(use_case, old, 1, 1, ports),
        lambda: explain.run(use_case, str(world.rows_of(FIRST)[0]), old, as_of, ports, airflow_url=None),
    ]
    for ask in asked:
        with pytest.raises(RowsExpired, match=said):
            ask()
    report = window_report.run(use_case, old, as_of, ports)
    assert report.revisions[0].rows == ROWS
    assert report.removed[0].startswith("The published rows were removed by retention on 20")
    assert len(report.removed) == len(ALL)
    assert window_report.run(use_case, world.day(GONE), as_of, ports).removed == ()


def test_an_age_that_is_made_longer_leaves_what_is_gone_gone_and_keeps_what_came_since(world: World) -> None:
    as_of = night(world, GONE)
    maintained(world, as_of, "night 1")
    longer = with_ages(world, *ALL, age=timedelta(days=300))
    world.use_case = longer.use_case
    assert aged.plan(world.use_case, as_of, world.ports) == []
    found = reconcile.run(world.use_case, as_of, world.ports, "night 2", actor="me", everything=True)
    assert (found.windows, found.restored, found.unmended) == (KEPT_WINDOWS, (), ())
    again_there = world.day(GONE - 1)
    again(world, GONE - 1)
    found = reconcile.run(world.use_case, as_of, world.ports, "night 3", actor="me", everything=True)
    assert (found.windows, found.restored, found.unmended) == (KEPT_WINDOWS + 1, (), ())
    assert again_there in world.ports.published.windows(world.use_case.name, world.day(0).start, as_of)


def test_a_window_that_is_run_again_after_its_time_has_its_rows_until_the_next_night(world: World) -> None:
    as_of = night(world, GONE)
    maintained(world, as_of, "night 1")
    again(world, FIRST)
    assert world.ports.published.read(world.use_case.name, world.day(FIRST)).num_rows == ROWS
    found = reconcile.run(world.use_case, as_of, world.ports, "night 2", actor="me", everything=True)
    assert (found.windows, found.restored, found.unmended) == (KEPT_WINDOWS, (), ())
    assert {(each.rows_of, each.windows) for each in maintained(world, as_of, "night 2")} == {
        (each, 1) for each in RowClass if each is not RowClass.LABELS
    }
    found = reconcile.run(world.use_case, as_of, world.ports, "night 3", actor="me", everything=True)
    assert (found.windows, found.restored, found.unmended) == (KEPT_WINDOWS, (), ())


def test_verdicts_lose_the_cells_that_they_name_and_nothing_else(world: World) -> None:
    retention = world.use_case.spec.retention.model_copy(update={"samples": timedelta(days=30)})
    spec = world.use_case.spec.model_copy(update={"retention": retention})
    use_case, ledger = replace(world.use_case, spec=spec), world.ports.ledger
    window, as_of = world.day(38), night(world, GONE)
    (before,) = ledger.validations("parcels", window)
    assert named_in(before.result)
    (done,) = samples.run(use_case, as_of, world.ports, "night 1", actor="maintenance")
    assert done.validations == done.windows == len(ledger.redactions("parcels"))
    (verdict,) = ledger.validations("parcels", window)
    assert verdict == replace(before, result=verdict.result)
    assert not named_in(verdict.result)
    assert verdict.result["rows_clean"] == before.result["rows_clean"]
    assert (
        "The samples of validations were removed by retention on"
        in window_report.run(use_case, window, as_of, world.ports).removed[-1]
    )
    assert samples.run(use_case, as_of, world.ports, "night 2", actor="maintenance") == []


def again(world: World, day: int) -> None:
    ingest_and_validate(world, day)
    score.run(world.use_case, world.day(day), world.ports, "again", model=ModelChoice())
