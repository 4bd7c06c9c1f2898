"""The search: within its budget, the same for the same seed, never on later windows than it measures on."""

import itertools
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from perennial.errors import InvalidSpec, NotEnoughData
from perennial.modeling.search import MOST_SETTINGS, Found, found_candidate, search, settings
from perennial.modeling.time_splits import time_folds
from perennial.spec.names import Task
from perennial.spec.search import SearchRange
from perennial.spec.training import Candidate


@given(st.lists(st.integers(0, 30), min_size=1, max_size=120), st.integers(1, 5))
@examples(max_examples=200)
def test_i6_folds_learn_from_windows_before_those_they_are_measured_on(days: list[int], folds: int) -> None:
    windows = [f"2024-01-{day + 1:02}T00:00Z" for day in days]
    found = time_folds(windows, folds)
    assert len(found) == min(folds, len(set(windows)) - 1)
    for learnt, measured in found:
        assert len(learnt)
        assert len(measured)
        assert max(windows[row] for row in learnt) < min(windows[row] for row in measured)
        whole = {windows[row] for row in measured}
        assert sorted(measured) == [row for row, window in enumerate(windows) if window in whole]


def rows_of(problem: Any, windows: int = 8) -> pa.Table:
    """The problem's rows, spread over windows in their order."""
    table = problem.rows
    names = [f"2024-01-{1 + row * windows // table.num_rows:02}T00:00Z" for row in range(table.num_rows)]
    return table.append_column("window", pa.array(names))


def searched(
    problem: Any, search_: dict[str, Any], estimator: str = "hist_gradient_boosting", **parameters: Any
) -> Any:
    candidate = Candidate(name="trees", estimator="hist_gradient_boosting", parameters=parameters, search=search_)
    return candidate, rows_of(problem)


def ticking(seconds: float) -> Any:
    """A clock that has moved on by so much whenever it is looked at."""
    moments = itertools.count()
    return lambda: next(moments) * seconds


GRID = {"max_iter": [2, 4, 8], "learning_rate": [0.05, 0.3], "max_leaf_nodes": [3, 15]}


@pytest.mark.parametrize("task", list(Task))
def test_what_is_found_is_the_same_again_and_is_one_of_the_settings(problems: Any, task: Task) -> None:
    problem = problems[task]
    candidate, rows = searched(problem, GRID)
    found = search(problem.spec, candidate, rows, "window")
    assert found == search(problem.spec, candidate, rows, "window")
    assert (found.settings, found.rounds, found.stopped) == (12, 2, False)
    assert found.fits == (12 + 4) * 3, "the best third of the first round go on"
    assert all(found.parameters[name] in values for name, values in GRID.items())
    assert found.parameters["learning_rate"] == 0.3, "so few trees that are so slow have learnt next to nothing"
    assert "of 12 settings in 2 rounds and 48 fits" in str(found)


def test_the_budget_ends_the_search_and_the_last_complete_round_decides(problems: Any, make_use_case: Any) -> None:
    spec = make_use_case(Task.BINARY_CLASSIFICATION, budget="5m")
    candidate, rows = searched(problems[Task.BINARY_CLASSIFICATION], GRID)
    found = search(spec, candidate, rows, "window", ticking(60))
    assert (found.fits, found.rounds, found.stopped) == (3 + 4, 0, True), "three folds, and what five minutes allow"
    assert "training.budget ended it" in str(found)
    later = search(spec, candidate, rows, "window", ticking(8))
    assert (later.fits, later.rounds) == (3 + 37, 1)
    full = search(spec, candidate, rows, "window", ticking(0))
    assert (full.fits, full.rounds, full.stopped) == (48, 2, False)


def test_settings_that_cannot_be_fitted_are_passed_over(problems: Any) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    candidate, rows = searched(problem, {"monotonic_cst": [[1], None]}, max_iter=3)
    assert search(problem.spec, candidate, rows, "window").parameters == {"monotonic_cst": None}
    candidate, rows = searched(problem, {"monotonic_cst": [[1], [1, 1]]}, max_iter=3)
    with pytest.raises(InvalidSpec, match="none of the 2 settings that were searched could be fitted"):
        search(problem.spec, candidate, rows, "window")


def test_where_cost_decides_settings_are_compared_by_their_log_loss(problems: Any) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    by_metric = [
        search(
            problem.spec.model_copy(update={"training": problem.spec.training.model_copy(update={"metric": metric})}),
            *searched(problem, GRID),
            "window",
        )
        for metric in ("cost", "log_loss")
    ]
    assert by_metric[0] == by_metric[1]


def test_one_window_is_too_little_to_search_on(problems: Any) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    candidate, _ = searched(problem, GRID)
    with pytest.raises(NotEnoughData, match=r"trees can't be searched for.*Lengthen training\.history"):
        search(problem.spec, candidate, rows_of(problem, windows=1), "window")


def test_a_large_grid_and_ranges_are_drawn_from_with_the_seed() -> None:
    ranges = {
        "depth": SearchRange(low=1, high=3),
        "rate": SearchRange(low=0.01, high=1, log=True),
        "trees": SearchRange(low=1, high=1_000, log=True),
        "share": SearchRange(low=0.5, high=0.6),
    }
    drawn = settings(ranges, 7)
    assert drawn == settings(ranges, 7) != settings(ranges, 8)
    assert len(drawn) == MOST_SETTINGS
    assert {each["depth"] for each in drawn} == {1, 2, 3}
    assert all(0.01 <= each["rate"] <= 1 and 0.5 <= each["share"] <= 0.6 for each in drawn)
    assert sum(each["rate"] < 0.1 for each in drawn) >= 7, "small ones are as likely as large ones"
    assert all(isinstance(each["trees"], int) and 1 <= each["trees"] <= 1_000 for each in drawn)
    large = {"a": tuple(range(10)), "b": tuple(range(10))}
    assert len({tuple(sorted(each.items())) for each in settings(large, 1)}) == MOST_SETTINGS, "none twice"
    assert len(settings({"a": (1, 2), "b": (3,)}, 1)) == 2


def test_what_was_found_takes_the_place_of_the_search() -> None:
    candidate = Candidate(name="a", estimator="linear", parameters={"tol": 0.1}, search={"C": [1, 2]})
    assert found_candidate(candidate, {"C": 2}) == Candidate(
        name="a", estimator="linear", parameters={"tol": 0.1, "C": 2}
    )
    assert str(Found({"C": 2}, 2, 1, 6, stopped=False)) == "found C 2, of 2 settings in 1 round and 6 fits"


@pytest.mark.parametrize(
    ("search_", "told"),
    [
        ({"C": {"low": 2, "high": 1}}, "must be more than low"),
        ({"C": {"low": 0, "high": 1, "log": True}}, "must be above 0"),
        ({"tol": [0.1, 0.2]}, "is given in parameters"),
        ({"C": []}, "at least 1 item"),
        ({"class_weight": [{0: 1, 1: 2}, None]}, "has a mapping among its values"),
    ],
)
def test_searches_that_make_no_sense_are_refused(search_: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Candidate.model_validate({"name": "a", "estimator": "linear", "parameters": {"tol": 0.1}, "search": search_})
