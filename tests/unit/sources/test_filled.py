"""Which files a window reads: those of every hour that it touches."""

import pytest

from perennial.sources.naming import filled
from perennial.window import Every, Grid


@pytest.mark.parametrize(
    ("every", "zone", "start", "pattern", "expected"),
    [
        (Every.WEEK, "UTC", "2024-01-01", "%d", ["01", "02", "03", "04", "05", "06", "07"]),
        (Every.WEEK, "Europe/Berlin", "2024-01-01", "%d", ["31", "01", "02", "03", "04", "05", "06", "07"]),
        (
            Every.SIX_HOURS,
            "Europe/Berlin",
            "2024-01-01",
            "%d/%H",
            ["31/23", "01/00", "01/01", "01/02", "01/03", "01/04"],
        ),
        (Every.SIX_HOURS, "UTC", "2024-01-01T06:00", "%d", ["01"]),
        (Every.MONTH, "UTC", "2024-02-01", "%Y", ["2024"]),
    ],
)
def test_a_pattern_is_filled_in_for_every_hour_of_the_window(
    every: Every, zone: str, start: str, pattern: str, expected: list[str]
) -> None:
    window = Grid(every, zone).starting_at(start)
    assert filled(pattern, window.start, window.end) == expected
