"""A window that waits for its labels makes an entry in the ledger when something about it is new, not at every run."""

from datetime import timedelta

import pytest
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.test_truth_that_comes_late import evaluated, last, with_labels, without_labels
from tests.unit.jobs.world import World

from perennial.errors import StoreUnavailable
from perennial.jobs.evaluate import measure
from perennial.ledger.entries import Performance
from perennial.performance.maturity import Maturity
from perennial.review import explain

HOUR = timedelta(hours=1)


def waiting(world: World) -> World:
    """A world in which a window was predicted whose labels came, but may still be corrected for days."""
    world = with_labels(world, mature_after=timedelta(days=5))
    first_model(world, 30)
    predict(world, 31)
    return world


def entries(world: World) -> list[Performance]:
    return list(world.ports.ledger.performance_of("parcels", world.day(31)))


def test_while_no_label_comes_no_entry_is_made_and_that_is_told(world: World) -> None:
    world = waiting(world)
    begin = world.day(34).start
    found = evaluated(world, begin)
    assert (found.windows, found.unchanged, found.outcome) == (1, 0, "1 window measured, 0 of them final")
    for hour in (1, 2, 24):
        found = evaluated(world, begin + hour * HOUR)
    assert (found.windows, found.unchanged, found.outcome) == (0, 1, "nothing new is known about 1 window")
    assert found.newest is not None
    assert found.newest.window == world.day(31)
    assert [entry.as_of for entry in entries(world)] == [begin]


def test_a_window_of_which_nothing_is_new_is_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = waiting(world)
    evaluated(world, world.day(34).start)

    def unread(*_: object) -> None:
        raise StoreUnavailable("the predictions were read")

    monkeypatch.setattr(measure, "ordered_live_rows", unread)
    assert evaluated(world, world.day(35).start).unchanged == 1
    with pytest.raises(StoreUnavailable):
        evaluated(world, world.day(37).start)  # it is final by now


def test_a_correction_that_changes_no_count_makes_an_entry(world: World) -> None:
    world = waiting(world)
    first = evaluated(world, world.day(34).start)
    (position, *_) = world.rows_of(31)
    arrived = world.outcomes.table.column("delivered_at")[position].as_py()
    table = world.outcomes.table
    late = [not each if at == position else each for at, each in enumerate(table.column("late").to_pylist())]
    times = table.column("delivered_at").to_pylist()
    times[position] = arrived + HOUR
    table = table.set_column(table.column_names.index("late"), table.field("late"), [late])
    world.outcomes.table = table.set_column(
        table.column_names.index("delivered_at"), table.field("delivered_at"), [times]
    )
    found = evaluated(world, world.day(35).start)
    assert (first.windows, found.windows, found.unchanged) == (1, 1, 0)
    before, after = entries(world)
    assert (before.labelled, before.rows) == (after.labelled, after.rows)
    assert before.metrics != after.metrics


def test_an_entry_is_made_when_the_same_labels_are_all_that_is_waited_for(world: World) -> None:
    world = waiting(world)
    evaluated(world, world.day(34).start)
    found = evaluated(world, world.day(37).start)
    assert (found.windows, found.final, found.unchanged) == (1, 1, 0)
    partial, final = entries(world)
    assert (partial.maturity, final.maturity) == (Maturity.PARTIAL, Maturity.FINAL)
    assert (final.metrics, final.labels_digest) == (partial.metrics, partial.labels_digest)
    assert (partial.arrivals, len(final.arrivals) > 0) == ((), True)


def test_labels_that_stay_overdue_are_told_at_every_run(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world = waiting(world)
    without_labels(world, range(31, 32))
    evaluated(world, world.day(37).start)
    caplog.clear()
    found = evaluated(world, world.day(38).start)
    assert (found.windows, found.overdue, found.unchanged) == (0, 1, 1)
    assert "labels of 1 window are overdue (0 of 180 rows have a label" in found.outcome
    assert "as of 2024-02-08T00:00Z, 0 of 180 rows have a label. They are asked for again until 2024-" in caplog.text
    assert [entry.maturity for entry in entries(world)] == [Maturity.OVERDUE]
    given_up = world.day(32).start + world.use_case.spec.labels.mature_after + world.use_case.spec.labels.give_up_after
    assert evaluated(world, given_up).given_up == 1
    assert last(world, 31).maturity is Maturity.GIVEN_UP


def test_a_run_that_is_repeated_says_the_same(world: World) -> None:
    world = waiting(world)
    first, again = (evaluated(world, world.day(34).start) for _ in range(2))
    assert (again.windows, again.outcome, again.unchanged) == (first.windows, first.outcome, 0)
    assert len(entries(world)) == 1


def test_another_revision_is_measured_though_the_labels_are_the_same(world: World) -> None:
    world = waiting(world)
    evaluated(world, world.day(34).start)
    world.change(31, "weight", 11.0)
    assert predict(world, 31).revision == 2
    assert evaluated(world, world.day(35).start).windows == 1
    assert [entry.revision for entry in entries(world)] == [1, 2]


def test_explain_says_when_labels_were_collected_last_also_if_none_was_new(world: World) -> None:
    world = waiting(world)
    without_labels(world, range(31, 32))
    for day in (33, 34):
        evaluated(world, world.day(day).start)
    key = str(world.parcels.table.column("parcel")[world.rows_of(31)[0]].as_py())
    found = explain.run(world.use_case, key, world.day(31), world.day(34).end, world.ports, airflow_url=None)
    assert found.labels_as_of == world.day(34).start
