"""Rows that come late: looked for, scored by the model of their time, measured again, and told."""

import logging
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import ROWS, World

from perennial.errors import EmptyWindow, LeaseLost
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import ingest, late, monitor, score
from perennial.jobs.retrain import chain
from perennial.verdict import Verdict

TODAY = 34


def with_spec(world: World, **changes: Any) -> World:
    spec = world.use_case.spec.model_copy(update=changes)
    return replace(world, use_case=replace(world.use_case, spec=spec))


@pytest.fixture
def running(world: World) -> World:
    """Days 31 to 34 are scored and monitored; 20 rows of day 32 have not come yet."""
    world = with_spec(world, late_data=timedelta(days=3))
    first_model(world)
    everything = world.parcels.table
    world.parcels.table = without(world, 32, 20)
    for day in range(31, TODAY + 1):
        predict(world, day)
        monitor.run(world.use_case, world.day(day), world.ports, "test")
    world.parcels.asked.clear()
    world.parcels.table = everything
    return world


def without(world: World, day: int, rows: int) -> pa.Table:
    """The source without the first rows of a day."""
    left_out = set(world.rows_of(day)[:rows])
    return world.parcels.table.filter(pa.array([i not in left_out for i in range(world.parcels.table.num_rows)]))


def look(world: World, day: int = TODAY, run_id: str = "later") -> late.LateData:
    return late.run(world.use_case, world.day(day), world.ports, run_id)


def test_rows_that_came_late_make_a_new_revision_and_are_told(running: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    done = look(running)
    window = running.day(32)
    assert (done.windows, done.changed_windows, done.failed) == (3, (window.key,), ())
    assert (done.new, done.gone, done.changed, done.predictions_changed) == (20, 0, 0, 20)
    live = running.ports.ledger.latest_batch("parcels", window)
    assert live is not None
    assert (live.revision, live.rows, live.model_version) == (2, ROWS, "1")
    assert running.ports.published.read("parcels", window).num_rows == ROWS
    (entry,) = running.ports.ledger.late_rows_between("parcels", window.start, window.end)
    assert (entry.rows_before, entry.rows, entry.new, entry.revision) == (ROWS - 20, ROWS, 20, 2)
    assert entry.as_of == running.day(TODAY).end
    assert f"{window}: 20 rows came late, 0 are gone, 0 changed; 20 predictions changed, revision 2" in caplog.text


def test_what_has_not_changed_costs_the_digest_and_nothing_else(
    running: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(running)
    running.parcels.asked.clear()
    for job in (late.validate, late.score):
        monkeypatch.setattr(job, "run", lambda *given, **named: pytest.fail("there was nothing to do"))
    again = look(running, run_id="once more")
    assert (again.windows, again.changed_windows) == (3, ())
    assert running.parcels.asked == [running.day(day) for day in (31, 32, 33)]


def test_no_further_back_than_the_spec_says_and_not_before_the_first_window(running: World) -> None:
    assert look(running, 33).windows == 2
    assert look(running, 40).windows == 0
    assert look(running, 0).windows == 0
    assert look(with_spec(running, late_data=timedelta(0))).windows == 0
    assert look(with_spec(running, late_data=timedelta(hours=30))).windows == 2


def test_changed_and_vanished_rows_are_told_apart(running: World) -> None:
    look(running)
    running.change(33, "service", "road")
    before = set(running.parcels.table.filter(pc.equal(running.parcels.table["service"], "road"))["parcel"].to_pylist())
    running.parcels.table = without(running, 31, 7)
    done = look(running)
    assert done.changed_windows == (running.day(31).key, running.day(33).key)
    assert (done.new, done.gone) == (0, 7)
    assert 0 < done.changed < ROWS <= len(before)
    assert done.predictions_changed >= 7


def test_it_is_scored_by_the_model_that_was_in_force_then(running: World) -> None:
    chain.run(running.use_case, running.day(58).start, running.ports, "test", actor="test", reason="second")
    assert [entry.model_version for entry in running.ports.ledger.deployments("parcels")] == ["1", "2"]
    look(running)
    batches = running.ports.ledger.batches("parcels", running.day(32))
    assert [(batch.revision, batch.model_version) for batch in batches] == [(1, "1"), (2, "1")]


def test_it_is_measured_again_and_what_was_known_before_stays(running: World) -> None:
    ledger, window = running.ports.ledger, running.day(32)
    end = running.day(33).end + timedelta(days=2)
    collect_labels.run(running.use_case, end, running.ports, "test")
    measure.run(running.use_case, end, running.ports, "test")
    look(running)
    reports = ledger.drift_of("parcels", window)
    assert [report.number for report in reports] == [0, 1]
    assert reports[0].snapshot_digest != reports[1].snapshot_digest
    (counting,) = ledger.drift_between("parcels", window.start, window.end)
    assert counting.number == 1
    later = end + timedelta(days=1)
    collect_labels.run(running.use_case, later, running.ports, "test")
    assert measure.run(running.use_case, later, running.ports, "test").windows == 1
    assert [(entry.revision, entry.rows) for entry in ledger.performance_of("parcels", window)] == [
        (1, ROWS - 20),
        (2, ROWS),
    ]


def test_rows_of_a_window_that_was_empty_when_it_was_due_are_not_lost(world: World) -> None:
    world = with_spec(world, late_data=timedelta(days=3), allow_empty=True)
    first_model(world)
    everything = world.parcels.table
    world.parcels.table = without(world, 32, ROWS)
    for day in (31, 33):
        predict(world, day)
    with pytest.raises(EmptyWindow):
        ingest.run(world.use_case, world.day(32), world.ports, "test")
    ingest.note_empty(world.use_case, world.day(32), world.ports, "test")
    done = look(world)
    assert (done.windows, done.changed_windows, done.failed) == (3, (), ())
    world.parcels.table = everything
    done = look(world, run_id="later still")
    window = world.day(32)
    assert (done.windows, done.changed_windows) == (3, (window.key,))
    assert (done.new, done.gone, done.predictions_changed) == (ROWS, 0, ROWS)
    assert world.ports.published.read("parcels", window).num_rows == ROWS
    assert len(world.ports.ledger.drift_of("parcels", window)) == 1
    (entry,) = world.ports.ledger.late_rows_between("parcels", window.start, window.end)
    assert (entry.rows_before, entry.rows, entry.revision) == (0, ROWS, 1)
    assert look(world, run_id="once more").changed_windows == ()


def test_a_window_that_fails_holds_no_other_back_and_is_told(running: World) -> None:
    running.change(31, "weight", 500.0)
    done = look(running)
    assert done.changed_windows == (running.day(32).key,)
    assert len(done.failed) == 1
    assert "ValidationFailed" in done.failed[0]
    assert running.ports.published.read("parcels", running.day(31)).num_rows == ROWS


def test_what_came_late_is_counted_from_what_was_scored_last(running: World) -> None:
    everything = running.parcels.table
    running.change(32, "weight", 500.0)
    assert "ValidationFailed" in look(running).failed[0]
    running.parcels.table = everything
    done = look(running)
    assert (done.new, done.changed, done.predictions_changed, done.failed) == (20, 0, 20, ())
    (entry,) = running.ports.ledger.late_rows_between("parcels", running.day(32).start, running.day(32).end)
    assert (entry.version - entry.version_before > 1, entry.rows_before, entry.rows) == (True, ROWS - 20, ROWS)


@pytest.mark.parametrize("step", ["validate", "score", "measure_drift", "record"])
def test_a_run_that_was_killed_is_finished_by_the_next(
    running: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*given: object, **named: object) -> None:
        raise LeaseLost("killed")

    with monkeypatch.context() as patch:
        places = {
            "validate": (late.validate, "run"),
            "score": (late.score, "run"),
            "measure_drift": (late, "measure_drift"),
            "record": (running.ports.ledger, "record_late_rows"),
        }
        patch.setattr(*places[step], killed)
        with pytest.raises(LeaseLost):
            look(running)
    done = look(running)
    assert (done.changed_windows, done.new, done.predictions_changed) == ((running.day(32).key,), 20, 20)
    assert look(running).changed_windows == ()


def test_rows_that_come_and_go_and_come_again_are_three_snapshots(running: World) -> None:
    everything = running.parcels.table
    look(running)
    running.parcels.table = without(running, 32, 20)
    assert look(running).gone == 20
    running.parcels.table = everything
    assert look(running).new == 20
    live = running.ports.ledger.latest_batch("parcels", running.day(32))
    assert live is not None
    assert (live.revision, live.rows) == (4, ROWS)


def test_differences_count_each_entity_once() -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    before = pa.table({"id": ["a", "b", "c", None, "c"], "x": [1.0, math.nan, None, 1.0, 9.0], "at": [at] * 5})
    after = pa.table({"id": ["b", "c", "a", "d"], "x": [math.nan, None, 1.0, 5.0], "extra": [1, 2, 3, 4]})
    assert late.differences(before, after, "id") == late.Differences(new=1, gone=0, changed=0)
    after = after.set_column(1, "x", pa.array([1.0, 2.0, 3.0, 4.0]))
    assert late.differences(before, after, "id") == late.Differences(new=1, gone=0, changed=3)
    other_kind = after.set_column(1, "x", pa.array([1, 2, 3, 4]))
    assert late.differences(before, other_kind, "id").changed == 3
    assert late.differences(before, after.slice(0, 0), "id") == late.Differences(new=0, gone=3, changed=0)


def test_drift_is_measured_again_where_rules_changed_and_recorded_once_where_nothing_did(running: World) -> None:
    ledger, window = running.ports.ledger, running.day(33)
    monitor.run(running.use_case, window, running.ports, "again")
    assert [report.number for report in ledger.drift_of("parcels", window)] == [0]
    quality = running.use_case.spec.quality.model_copy(update={"max_quarantined_share": 0.2})
    changed = with_spec(running, quality=quality)
    predict(changed, 33)
    monitor.run(changed.use_case, window, running.ports, "other rules")
    reports = ledger.drift_of("parcels", window)
    assert [report.number for report in reports] == [0, 1]
    assert reports[0].basis_digest != reports[1].basis_digest
    predict(running, 33)
    monitor.run(running.use_case, window, running.ports, "the old rules")
    reports = ledger.drift_of("parcels", window)
    assert [(report.number, report.run_id) for report in reports][-1] == (2, "the old rules")
    assert reports[2].basis_digest == reports[0].basis_digest


def test_an_alarm_is_a_warning(running: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    predict(running, 45)
    found = monitor.run(running.use_case, running.day(45), running.ports, "test")
    assert found.verdict is Verdict.FAIL
    said = [record for record in caplog.records if record.name == monitor.log.name]
    assert {record.levelname for record in said} == {"WARNING"}
    assert not score.run(running.use_case, running.day(45), running.ports, "x", model=late.ModelChoice()).changed
