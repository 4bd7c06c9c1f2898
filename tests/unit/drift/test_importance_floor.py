"""Columns that the model hardly uses have no say in retraining."""

import pytest

from perennial.drift.importance_floor import latest_shares, that_matter


@pytest.mark.parametrize(
    ("importances", "floor", "expected"),
    [
        ({"dest": 0.7, "temp": 0.01, "seats": 0.009}, 0.01, ("dest", "temp")),
        ({"dest": 0.7, "seats": 0.0, "all numbers": None}, 0.01, ("dest", "all numbers")),
        ({"dest": 0.7, "seats": 0.0}, 0.0, ("dest", "seats")),
        ({"dest": 0.0, "seats": 0.0, "all numbers": None}, 0.01, ("dest", "seats", "all numbers")),
        ({"dest": None, "seats": None}, 0.01, ("dest", "seats")),
        ({}, 0.01, ()),
    ],
)
def test_a_column_matters_from_the_floor_on_or_where_its_share_is_not_known(
    importances: dict[str, float | None], floor: float, expected: tuple[str, ...]
) -> None:
    assert that_matter(importances, floor) == expected


def test_the_share_of_the_newest_window_counts() -> None:
    assert latest_shares([{"dest": None, "temp": 0.2}, {"dest": 0.5}]) == {"dest": 0.5, "temp": 0.2}
