"""What counts as evidence: each window once, as first measured; and what does not, with the reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from perennial.errors import InvalidWindow
from perennial.judgement.window_gains import WindowGain, evidence
from perennial.window import Window

START, DAY = datetime(2013, 3, 1, tzinfo=UTC), timedelta(days=1)


def gain(day: int, value: float | None = 0.01, rows: int = 100, matured: int | None = None) -> WindowGain:
    window = Window(START + day * DAY, START + (day + 1) * DAY)
    return WindowGain(window, START + (day + 3 if matured is None else matured) * DAY, value, rows)


def test_windows_count_in_the_order_in_which_they_matured() -> None:
    early, late = gain(0, 0.1, 10, matured=9), gain(4, 0.2, 20, matured=6)
    found = evidence([early, late])
    assert found.windows == (late, early)
    assert (found.gains, found.rows) == ((0.2, 0.1), (20, 10))


def test_the_order_in_which_they_are_given_makes_no_difference() -> None:
    together = [gain(day, day / 100, matured=12) for day in range(5)]
    assert evidence(reversed(together)) == evidence(together)
    assert evidence(together).windows == tuple(together)


def test_a_window_that_is_measured_again_counts_as_first_measured() -> None:
    first, again, last = gain(0, 0.1, 90), gain(0, 0.2, 95, matured=8), gain(0, 0.3, 100, matured=9)
    found = evidence([last, gain(1), first, again])
    assert found.windows == (first, gain(1))
    assert found.remeasured == (last,)
    assert found.with_newest().windows == (last, gain(1))
    assert found.with_newest().remeasured == ()


def test_of_two_measurements_at_one_time_the_one_with_more_rows_counts_then_the_less_flattering() -> None:
    few, many, flattering = gain(0, 0.5, 10), gain(0, 0.1, 90), gain(0, 0.2, 90)
    for order in ([few, many, flattering], [flattering, many, few]):
        assert evidence(order).windows == (many,)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_window_whose_metric_is_undefined_is_left_out_and_told(value: float | None) -> None:
    found = evidence([gain(0), gain(1, value)])
    assert found.windows == (gain(0),)
    assert found.left_out == (
        "1 window had labels that leave the metric undefined and does not count: 2013-03-02T00:00Z.",
    )


def test_windows_without_labelled_rows_are_left_out_and_told() -> None:
    found = evidence([gain(day, None, rows=0) for day in range(5)])
    assert found.windows == ()
    assert found.left_out == (
        "5 windows had no labelled rows and do not count: 2013-03-01T00:00Z, 2013-03-02T00:00Z, 2013-03-03T00:00Z and "
        "2 more.",
    )


def test_a_window_that_was_empty_at_first_counts_once_it_is_measured() -> None:
    measured = gain(0, 0.1, matured=9)
    found = evidence([gain(0, None, rows=0), measured])
    assert (found.windows, found.remeasured, found.left_out) == ((measured,), (), ())


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (gain(0, rows=-1), "-1 rows"),
        (gain(2, matured=2), "before it ended"),
        (replace(gain(0), matured_at=datetime(2013, 3, 4)), "without a time zone"),  # noqa: DTZ001
    ],
)
def test_what_can_not_be_is_refused(wrong: WindowGain, text: str) -> None:
    with pytest.raises(InvalidWindow, match=text):
        evidence([gain(5), wrong])
