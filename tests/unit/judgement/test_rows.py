import numpy as np
import pytest

from perennial.judgement.rows import Scored, Unit, units_of


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
    scored = Scored.of(np.arange(3.0), np.arange(3.0) + 10, np.arange(3.0) + 20, ["x", "y", "z"])
    part = scored.where(np.array([True, False, True]))
    assert (part.truth.tolist(), part.challenger.tolist(), part.windows.tolist()) == ([0, 2], [20, 22], ["x", "z"])
