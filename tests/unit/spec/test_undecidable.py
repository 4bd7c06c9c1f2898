"""What can never be decided is said by `check`, with its line, and stops nothing."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.spec.test_spec_errors import write

from perennial.drift.reference import MIN_WINDOWS
from perennial.modeling.holdout import MIN_HOLDOUT_ROWS
from perennial.spec import undecidable
from perennial.spec.load import check_all, remarks_on_all, use_case_names

DAILY = {"every: month": "every: day", "name: churn": "name: churn"}


def remarks(folder: Path, changes: dict[str, str]) -> list[str]:
    case: dict[str, Any] = {"name": "remarks", "change": {"use_case.yaml": changes}}
    write(folder, case)
    assert check_all(folder) == []
    return [str(remark).removeprefix(f"{folder}/churn/use_case.yaml:") for remark in remarks_on_all(folder)]


def test_the_numbers_are_those_that_drift_and_judging_hold_to() -> None:
    assert (undecidable.MIN_WINDOWS, undecidable.MIN_HOLDOUT_ROWS) == (MIN_WINDOWS, MIN_HOLDOUT_ROWS)


def test_nothing_is_said_where_everything_can_be_decided(tmp_path: Path) -> None:
    assert remarks(tmp_path, DAILY) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "26: training.history '360d': holds about 12 windows, and drift needs 20 to compare with"),
        (
            {**DAILY, "owner: marketing": "owner: marketing\nmonitoring: {season: weekday}", "360d": "100d"},
            "27: training.history '100d': holds about 14 windows of one weekday",
        ),
        (
            {**DAILY, "owner: marketing": "owner: marketing\nmonitoring: {false_alarms: 1 per year}", "360d": "300d"},
            "4: monitoring.false_alarms '1 per year': 1 per year can't be told from chance with about 300 windows in "
            "training.history: it takes 365",
        ),
        (
            {**DAILY, "owner: marketing": "owner: marketing\nlimits: {max_rows: 24}\nmonitoring: {min_rows: 30}"},
            "5: monitoring.min_rows '30': limits.max_rows allows 24 rows a window: no window will ever be compared",
        ),
        (
            {
                **DAILY,
                "owner: marketing": "owner: marketing\nlimits: {max_rows: 24}\nmonitoring: {min_labelled_rows: 500}",
            },
            "5: monitoring.min_labelled_rows '500': limits.max_rows allows 24 rows a window: 7 trailing windows never",
        ),
        (
            {**DAILY, "owner: marketing": "owner: marketing\nlimits: {max_rows: 24}", "holdout: 60d": "holdout: 3d"},
            "28: training.holdout '3d': limits.max_rows allows 24 rows a window: the holdout never has the 100 rows",
        ),
        (
            {**DAILY, "owner: marketing": "owner: marketing\nlimits: {max_rows: 3}"},
            "26: training.min_rows: limits.max_rows allows 3 rows a window: a history of about 360 windows never has",
        ),
    ],
)
def test_what_can_never_be_decided_is_named(changes: dict[str, str], expected: str, tmp_path: Path) -> None:
    found = remarks(tmp_path, changes)
    assert any(text.startswith(expected) for text in found), found


def test_our_own_use_cases_ask_for_nothing_impossible(repository: Path) -> None:
    root = repository / "include" / "use_cases"
    assert use_case_names(root)
    assert remarks_on_all(root) == []
