"""Windows that nobody scored are found, whatever stopped them, and named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import World

from perennial import clock
from perennial.errors import ValidationFailed
from perennial.jobs.predict import chain, ingest
from perennial.jobs.upkeep.gaps import Gaps, MissingRange, find, ranges_of
from perennial.records.model_choice import ModelChoice
from perennial.spec.retirement import Retention
from perennial.window import Every, Grid, Window


def found(world: World, now: datetime, **changes: Any) -> tuple[Gaps, list[Window]]:
    schedule = {name: changes.pop(name) for name in list(changes) if name in ("delay", "deadline", "end")}
    spec = world.use_case.spec
    changed = spec.model_copy(update=changes | {"schedule": spec.schedule.model_copy(update=schedule)})
    return find(changed, now, world.ports.ledger)


@pytest.fixture
def stopped(world: World) -> World:
    """Scored daily until day 33, then nothing ran for five days; day 39 was scored again."""
    first_model(world)
    for day in (30, 31, 32, 33, 39):
        predict(world, day)
    return world


def test_after_five_days_of_downtime_everything_missing_is_named(stopped: World) -> None:
    short, missing = found(stopped, stopped.day(39).end + timedelta(hours=3))
    assert missing == [stopped.day(day) for day in range(34, 39)]
    assert (short.expected, short.missing) == (10, 5)
    assert short.ranges == (
        MissingRange(missing[0].start, missing[-1].end, 5, "2024-02-04 to 2024-02-08"),
    )  # fmt: skip
    assert str(short) == "parcels: 5 of 10 windows are missing: 2024-02-04 to 2024-02-08 (5 windows)"
    for window in missing:
        predict(stopped, (window.start - stopped.day(0).start).days)
    short, missing = found(stopped, stopped.day(39).end + timedelta(hours=3))
    assert (missing, str(short)) == ([], "parcels: no window is missing")


def test_months_of_downtime_are_one_range_and_a_window_by_itself_is_named(stopped: World) -> None:
    predict(stopped, 36)
    short, missing = found(stopped, stopped.day(339).start + timedelta(hours=1))
    assert len(missing) == short.missing == 4 + 299
    assert str(short) == (
        "parcels: 303 of 309 windows are missing: 2024-02-04 to 2024-02-05 (2 windows), 2024-02-07 to 2024-02-08 "
        "(2 windows), 2024-02-10 to 2024-12-04 (299 windows)"
    )
    one, _ = found(stopped, stopped.day(39).start + timedelta(hours=1), end=stopped.day(35).start.date())
    assert str(one) == "parcels: 1 of 5 windows is missing: 2024-02-04"


def test_the_ranges_hold_all_that_is_missing_and_nothing_else(stopped: World) -> None:
    predict(stopped, 36)
    short, missing = found(stopped, stopped.day(59).end + timedelta(hours=1))
    grid = stopped.use_case.spec.grid
    assert [window for each in short.ranges for window in grid.between(each.start, each.end)] == missing
    assert sum(each.windows for each in short.ranges) == short.missing


def test_of_many_ranges_the_sentence_names_the_first_and_counts_the_rest() -> None:
    grid = Grid(Every.HOUR)
    hours = list(grid.between(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)))
    ranges = tuple(ranges_of(grid, hours[::2]))
    told = str(Gaps("meters", hours[0].start, hours[-1].end, 24, 12, ranges))
    assert told.startswith("meters: 12 of 24 windows are missing: 2024-01-01T00:00Z, 2024-01-01T02:00Z, ")
    assert told.endswith(", 2024-01-01T18:00Z and 2 more in 2 ranges")


@pytest.mark.parametrize(
    ("hours", "schedule", "last"),
    [
        (0, {}, 40),
        (1, {}, 41),
        (5, {"delay": timedelta(hours=6)}, 40),
        (7, {"delay": timedelta(hours=6)}, 41),
        (7, {"delay": timedelta(hours=6), "deadline": timedelta(hours=30)}, 40),
        (31, {"delay": timedelta(hours=6), "deadline": timedelta(hours=30)}, 41),
    ],
)
def test_a_window_is_missing_once_it_was_due_and_not_waited_for_any_more(
    stopped: World, hours: int, schedule: dict[str, timedelta], last: int
) -> None:
    _, missing = found(stopped, stopped.day(41).end + timedelta(hours=hours), **schedule)
    assert missing[-1] == stopped.day(last)


def test_nothing_is_expected_before_the_first_champion(world: World) -> None:
    assert found(world, world.day(40).end) == (Gaps("parcels", None, None, 0, 0, ()), [])
    first_model(world)
    assert found(world, world.day(29).end)[1] == []
    assert found(world, world.day(31).end)[1] == [world.day(30)]


def test_nothing_is_expected_after_the_last_window_nor_before_the_retention(stopped: World) -> None:
    end = stopped.day(36).start.date()
    assert found(stopped, stopped.day(59).end, end=end)[1] == [stopped.day(34), stopped.day(35)]
    kept = timedelta(days=3)
    assert found(stopped, stopped.day(39).end + timedelta(hours=1), retention=Retention(replaced=kept))[1] == [
        stopped.day(37),
        stopped.day(38),
    ]


def test_a_window_that_failed_is_missing_and_one_that_may_be_empty_is_not(stopped: World) -> None:
    stopped.change(34, "weight", 500.0)
    with pytest.raises(ValidationFailed):
        ingest_and_validate(stopped, 34)
    ingest.note_empty(stopped.use_case, stopped.day(35), stopped.ports, "run")
    _, missing = found(stopped, stopped.day(38).start + timedelta(hours=1))
    assert missing == [stopped.day(34), stopped.day(36), stopped.day(37)]


def test_the_ledger_is_asked_once_whatever_the_number_of_windows(stopped: World, monkeypatch: Any) -> None:
    asked = []
    unscored = stopped.ports.ledger.unscored_between
    monkeypatch.setattr(
        stopped.ports.ledger, "unscored_between", lambda *given: asked.append(given) or unscored(*given)
    )
    find(replace(stopped.use_case).spec, stopped.day(59).end, stopped.ports.ledger)
    assert len(asked) == 1


def test_an_empty_window_that_was_run_by_hand_is_not_missing_once_it_is_waited_for_no_longer(
    stopped: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = stopped.day(34)
    at = stopped.parcels.table.column("sent_at")
    zone = at.type
    outside = pc.or_(pc.less(at, pa.scalar(window.start, zone)), pc.greater_equal(at, pa.scalar(window.end, zone)))
    stopped.parcels.table = stopped.parcels.table.filter(outside)
    schedule = stopped.use_case.spec.schedule.model_copy(update={"deadline": timedelta(hours=6)})
    spec = stopped.use_case.spec.model_copy(update={"allow_empty": True, "schedule": schedule})
    use_case = replace(stopped.use_case, spec=spec)
    for hours, missing in ((5, 5), (7, 4)):
        now = window.end + timedelta(hours=hours)
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        (done,) = chain.run(use_case, [window], stopped.ports, "cli__1", model=ModelChoice(), on_step=lambda *_: None)
        assert done.stopped is not None
        assert done.stopped.empty
        _, left = find(spec, stopped.day(39).end + timedelta(hours=9), stopped.ports.ledger)
        assert len(left) == missing
