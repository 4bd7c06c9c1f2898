"""What counts as independent evidence."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from perennial.errors import InvalidWindow
from perennial.judgement.compare import compare
from perennial.judgement.rows import Scored, Unit, units_of
from perennial.judgement.verdict import judge_gain
from perennial.window import Window


def test_windows_of_equal_size_count_fully() -> None:
    units = units_of(np.repeat(["a", "b", "c", "d", "e"], 7))
    assert (units.unit, units.count, units.windows) == (Unit.WINDOW, 5, 5)
    assert units.degrees_of_freedom == pytest.approx(4)
    assert units.sums(np.ones(35)).tolist() == [7.0] * 5


def test_tiny_windows_beside_a_large_one_are_one_windows_evidence() -> None:
    units = units_of(np.array(["big"] * 1000 + [f"small {k}" for k in range(20)]))
    assert (units.unit, units.count, units.windows) == (Unit.ROW, 1020, 21)
    assert units.degrees_of_freedom == 1019


def test_the_rarer_class_decides_how_much_windows_tell() -> None:
    windows = np.repeat(np.arange(10), 100)
    rare = np.zeros(1000, dtype=bool)
    rare[[3, 5, 7, 103, 207]] = True  # three of five in one window
    units = units_of(windows, [rare, ~rare])
    assert units.unit is Unit.ROW
    assert units.degrees_of_freedom == 4
    assert units_of(windows).unit is Unit.WINDOW


def test_sums_of_rows_that_stand_alone_are_the_rows() -> None:
    values = np.arange(8.0).reshape(4, 2)
    assert units_of(np.array(["a", "a", "b", "b"])).sums(values).tolist() == values.tolist()
    six = units_of(np.array(list("abcdefabcdef")))
    assert six.sums(np.arange(24.0).reshape(12, 2))[1].tolist() == [2 + 14, 3 + 15]


def test_rows_are_chosen_together() -> None:
    scored = Scored(np.arange(3.0), np.arange(3.0) + 10, np.arange(3.0) + 20, np.array(["x", "y", "z"]), Unit.DAY)
    part = scored.where(np.array([True, False, True]))
    assert (part.truth.tolist(), part.challenger.tolist(), part.windows.tolist()) == ([0, 2], [20, 22], ["x", "z"])
    assert part.group is Unit.DAY


def keys(every: timedelta, count: int) -> list[str]:
    start = datetime(2013, 3, 1, tzinfo=UTC)
    return [Window(start + k * every, start + (k + 1) * every).key for k in range(count)]


def scored_by(names: list[str]) -> Scored:
    random = np.random.default_rng(1)
    truth, *models = (random.random(len(names)) for _ in range(3))
    return Scored.of_keys(truth.round(), *models, names)


def test_days_weeks_and_days_on_which_clocks_change_stand_for_themselves() -> None:
    for length in (timedelta(hours=23), timedelta(days=1), timedelta(days=7)):
        names = keys(length, 6)
        scored = scored_by(names)
        assert (scored.group, scored.windows.tolist()) == (Unit.WINDOW, list(range(6)))


def test_shorter_windows_are_put_together_by_their_day() -> None:
    scored = scored_by(keys(timedelta(hours=6), 28) * 10)
    units = scored.units()
    assert (units.unit, units.group, units.count, units.windows) == (Unit.DAY, Unit.DAY, 7, 7)
    assert scored.windows[:5].tolist() == [0] * 4 + [1]  # numbers of days
    found = compare("roc_auc", scored)
    assert found.method == "DeLong, days as clusters"
    assert "on 280 labelled rows of 7 days: " in judge_gain(found).reasons[0]
    few = judge_gain(compare("brier", scored_by(keys(timedelta(hours=6), 8) * 10)))
    assert few.comparison.method == "paired bootstrap of rows"
    assert few.reasons[1].startswith("There are too few days to see")


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(InvalidWindow, match="'March' is not a window"):
        scored_by(["March"] * 3)
