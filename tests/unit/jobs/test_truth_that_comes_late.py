"""Labels that come late, too few, under other keys, or not at all: nothing is final before its truth is known."""

from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.jobs.test_learning_path import retrained
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import ROWS, World

from perennial.errors import SourceRejected
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.evaluate.measure import Measured
from perennial.jobs.retrain import rollback
from perennial.lake.port import labels_table
from perennial.ledger.entries import DecisionKind, DeployedRole, Performance
from perennial.performance.maturity import Maturity
from perennial.progress import WindowsDone
from perennial.records.retraining import gather
from perennial.review import performance as performance_overview


def evaluated(world: World, as_of: datetime) -> Measured:
    collect_labels.run(world.use_case, as_of, world.ports, "test")
    return measure.run(world.use_case, as_of, world.ports, "test")


def last(world: World, day: int) -> Performance:
    return world.ports.ledger.performance_of("parcels", world.day(day))[-1]


def without_labels(world: World, days: range, keep: float = 0.0) -> pa.Table:
    """Take the labels of these days out of the source, but for a share; what there was before."""
    before = world.outcomes.table
    lacking = [position for day in days for position in world.rows_of(day)[round(keep * ROWS) :]]
    gone = pa.array(set(lacking), pa.int64())
    world.outcomes.table = before.filter(pc.invert(pc.is_in(before.column("parcel"), value_set=gone)))
    return before


def with_labels(world: World, **changes: object) -> World:
    spec = world.use_case.spec
    labels = spec.labels.model_copy(update=changes)
    return replace(world, use_case=replace(world.use_case, spec=spec.model_copy(update={"labels": labels})))


def demanding(world: World) -> World:
    """The same world, where no challenger is good enough."""
    spec = world.use_case.spec
    training = spec.training.model_copy(update={"min_gain": 0.5})
    return replace(world, use_case=replace(world.use_case, spec=spec.model_copy(update={"training": training})))


def test_no_label_at_all_is_never_final_and_what_comes_after_all_is_measured(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first_model(world, 30)
    predict(world, 31)
    predict(world, 32)
    before = without_labels(world, range(31, 33))
    found = evaluated(world, world.day(35).start)
    assert (found.windows, found.final, found.overdue) == (2, 0, 2)
    assert "labels of 2 windows are overdue (0 of 360 rows have a label" in found.outcome
    assert "0 of 180 rows have a label" in caplog.text
    assert last(world, 31).maturity is Maturity.OVERDUE
    assert world.ports.ledger.status("parcels").windows_overdue == 2
    world.outcomes.table = before
    found = evaluated(world, world.day(54).start)  # an outage of three weeks
    assert (found.windows, found.final, found.overdue) == (2, 2, 0)
    assert (last(world, 31).maturity, last(world, 31).completeness) == (Maturity.FINAL, 1.0)
    assert world.ports.ledger.status("parcels").windows_overdue == 0
    assert [entry.maturity for entry in world.ports.ledger.performance_of("parcels", world.day(31))] == [
        Maturity.OVERDUE,
        Maturity.FINAL,
    ]


def test_after_an_outage_of_a_part_of_the_labels_all_its_windows_are_reopened(world: World) -> None:
    """Four fifths of the labels are no outage for sure, so that such windows are final; more than a week of them."""
    outage = range(31, 51)
    first_model(world, 30)
    for number in range(31, 53):
        predict(world, number)
    before = without_labels(world, outage, keep=0.8)
    found = evaluated(world, world.day(54).start)
    assert (found.final, found.overdue, last(world, 31).completeness) == (22, 0, 0.8)
    world.outcomes.table = before
    found = evaluated(world, world.day(55).start)
    assert found.reopened == len(outage)
    assert [last(world, number).completeness for number in outage] == [1.0] * len(outage)
    world.outcomes.asked.clear()
    assert evaluated(world, world.day(56).start).reopened == 0
    assert world.outcomes.asked == []  # all is known


def with_an_unreadable_label(world: World, day: int) -> None:
    """One label of the day is neither true nor false."""
    table = world.outcomes.table
    bad = pc.equal(table.column("parcel"), pa.scalar(world.rows_of(day)[0], pa.int64()))
    values = pc.if_else(bad, 2, table.column("late").cast(pa.int64()))
    world.outcomes.table = table.set_column(table.column_names.index("late"), "late", values)


def test_labels_that_can_not_be_used_do_not_keep_other_windows_from_theirs(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first_model(world, 30)
    for number in (31, 32, 33):
        predict(world, number)
    before = world.outcomes.table
    with_an_unreadable_label(world, 32)
    as_of = world.day(36).start
    collected = collect_labels.run(world.use_case, as_of, world.ports, "test")
    measured = measure.run(world.use_case, as_of, world.ports, "test")
    assert (collected.windows, collected.labels, len(collected.refused)) == (2, 2 * ROWS, 1)
    assert f"{world.day(32)}: The labels of parcels can't be used" in caplog.text
    assert (measured.windows, measured.final, measured.overdue) == (3, 2, 1)
    with pytest.raises(SourceRejected, match=rf"(?s)labels of 1 window can't be used.*- {world.day(32)}: "):
        collect_labels.require_all(world.use_case, collected.refused)
    world.outcomes.table = before
    collect_labels.require_all(world.use_case, collect_labels.run(world.use_case, as_of, world.ports, "test").refused)
    assert measure.run(world.use_case, as_of, world.ports, "test").final == 1


def test_windows_of_few_rows_have_their_labels_collected_by_one_commit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_model(world, 30)
    for number in (31, 32, 33):
        predict(world, number)
    as_of, table, lake = world.day(36).start, labels_table(world.use_case.name), world.ports.lake
    before = lake.version(table) or 0
    heard: list[WindowsDone] = []
    collected = collect_labels.run(world.use_case, as_of, world.ports, "test", heard.append)
    assert (collected.windows, collected.new, lake.version(table)) == (3, 3 * ROWS, before + 1)
    assert heard == [WindowsDone(done, 3, done * ROWS) for done in (1, 2, 3)]
    assert collect_labels.run(world.use_case, as_of, world.ports, "again").new == 0
    assert lake.version(table) == before + 1
    for number in (34, 35):
        predict(world, number)
    monkeypatch.setattr(collect_labels, "ROWS_AT_ONCE", ROWS)
    assert collect_labels.run(world.use_case, world.day(38).start, world.ports, "test").new == 2 * ROWS
    assert lake.version(table) == before + 3, "of many rows, a window is done alone"


def test_far_fewer_labels_than_usual_are_overdue_and_say_how_many_were_expected(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first_model(world, 30)
    for day in range(30, 37):
        predict(world, day)
    before = without_labels(world, range(36, 37), keep=0.5)
    found = evaluated(world, world.day(38).start)
    assert (found.final, found.overdue) == (6, 1)
    assert "90 of 180 rows have a label, where about 180 were expected" in caplog.text
    shown = performance_overview.run(world.use_case, [world.day(day) for day in range(30, 37)], world.ports)
    assert shown.windows[-1].maturity is Maturity.OVERDUE
    assert shown.trailing is not None
    world.outcomes.table = before
    assert evaluated(world, world.day(45).start).final == 1


def test_labels_that_come_after_a_window_was_final_reopen_it(world: World) -> None:
    first_model(world, 30)
    predict(world, 31)
    before = without_labels(world, range(31, 32), keep=0.5)
    assert evaluated(world, world.day(33).start).final == 1  # one window teaches nothing about what is usual
    assert evaluated(world, world.day(34).start).windows == 0
    world.outcomes.table = before
    found = evaluated(world, world.day(40).start)
    assert (found.windows, found.reopened, found.final) == (1, 1, 1)
    assert "more labels arrived for 1 window that had been final" in found.outcome
    assert (last(world, 31).as_of, last(world, 31).completeness) == (world.day(40).start, 1.0)
    assert evaluated(world, world.day(41).start).windows == 0
    then = world.ports.ledger.performance_between(
        "parcels", world.day(31).start, world.day(31).end, as_of=world.day(39).start
    )
    assert [entry.completeness for entry in then] == [0.5]


def test_what_never_comes_is_given_up_once_and_not_asked_for_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world = with_labels(world, give_up_after=timedelta(days=5))
    first_model(world, 30)
    predict(world, 31)
    without_labels(world, range(31, 32))
    assert evaluated(world, world.day(37).start).overdue == 1
    found = evaluated(world, world.day(38).start)
    assert (found.overdue, found.given_up) == (0, 1)
    assert "labels of 1 window never came and are given up" in found.outcome
    assert "labels.give_up_after" in caplog.text
    asked = len(world.outcomes.asked)
    assert evaluated(world, world.day(39).start).windows == 0
    assert len(world.outcomes.asked) == asked


def test_windows_that_0_1_0_called_final_without_a_label_are_asked_about_again(world: World) -> None:
    first_model(world, 30)
    predict(world, 31)
    before = without_labels(world, range(31, 32))
    evaluated(world, world.day(33).start)
    old = replace(last(world, 31), maturity=Maturity.FINAL, as_of=world.day(34).start)
    world.ports.ledger.record_performance(old)
    world.outcomes.table = before
    assert evaluated(world, world.day(40).start).final == 1


def test_labels_whose_keys_match_no_row_are_counted_and_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    first_model(world, 30)
    predict(world, 31)
    strange = pc.add(world.outcomes.table.column("parcel"), 1_000_000)
    world.outcomes.table = world.outcomes.table.set_column(0, "parcel", strange)
    found = evaluated(world, world.day(33).start)
    assert (found.overdue, found.unmatched) == (1, ROWS)
    assert "180 of 180 labels match no row by their key (a label's is '1005580', a row's '5580')" in found.outcome
    assert "match no row" in caplog.text


def test_labels_of_quarantined_rows_do_match(world: World) -> None:
    first_model(world, 30)
    world.put("weight", {world.rows_of(31)[0]: -99.0})
    predict(world, 31)
    assert evaluated(world, world.day(33).start).unmatched == 0


def test_evaluating_again_as_of_the_same_moment_decides_on_what_is_known_by_then(world: World) -> None:
    first_model(world, 30)
    as_of = world.day(45).end
    first = evaluated(world, as_of)
    assert (first.windows, first.decision.numbers["windows"]) == (0, 0)
    for day in range(40, 44):
        predict(world, day)
    again = evaluated(world, as_of)
    assert (again.windows, again.decision.numbers["windows"], again.decision.action) == (4, 3, "retrain")
    assert evaluated(world, as_of).decision == again.decision  # nothing is new, and it has been decided
    decisions = world.ports.ledger.decisions("parcels", DecisionKind.RETRAIN_ON_PERFORMANCE)
    assert [each.action for each in decisions] == ["wait", "retrain"]


def test_labels_collected_later_count_also_as_of_the_same_moment(world: World) -> None:
    first_model(world, 30)
    predict(world, 31)
    before = without_labels(world, range(31, 32))
    assert evaluated(world, world.day(35).start).overdue == 1
    world.outcomes.table = before
    assert evaluated(world, world.day(35).start).final == 1
    assert last(world, 31).maturity is Maturity.FINAL
    assert evaluated(world, world.day(35).start).windows == 0


def test_after_a_rejection_and_a_rollback_age_and_new_labels_are_those_of_the_model_in_force(world: World) -> None:
    def known() -> tuple[datetime | None, int | None]:
        champion = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
        evidence = gather(world.use_case.spec, world.day(59).start, world.ports.ledger, champion)
        return evidence.last_trained_as_of, evidence.new_labels

    first_model(world, 30)
    predict(world, 31)
    evaluated(world, world.day(34).start)
    assert retrained(demanding(world), 33).deployed is None
    assert known() == (world.day(30).start, ROWS)
    second = retrained(world, 58)
    assert second.deployed is not None
    assert known() == (world.day(58).start, None)
    rollback.run(world.use_case, "1", world.ports, "test", actor="ann", reason="worse on Mondays")
    assert known() == (world.day(30).start, ROWS)
    status = world.ports.ledger.status("parcels")
    assert (status.retrains, status.retrains_rejected) == (1, 1)
