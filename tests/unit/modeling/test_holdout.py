from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from perennial.errors import NotEnoughData
from perennial.modeling.holdout import split
from perennial.spec.names import Task
from perennial.window import parse_instant

BINARY = Task.BINARY_CLASSIFICATION
START = parse_instant("2013-01-01")
END = START + timedelta(hours=1_500)


def test_parts_are_cut_by_event_time_and_share_no_row(problems: Any) -> None:
    problem = problems[BINARY]
    training, holdout = split(problem.spec, problem.rows, END)
    assert holdout.num_rows == 14 * 24
    assert training.num_rows + holdout.num_rows == problem.rows.num_rows
    assert pc.max(training["at"]).as_py() == END - timedelta(days=14, hours=1)
    assert pc.min(holdout["at"]).as_py() == END - timedelta(days=14)
    assert not set(training["id"].to_pylist()) & set(holdout["id"].to_pylist())


def test_the_order_of_rows_does_not_matter(problems: Any) -> None:
    problem = problems[BINARY]
    backwards = problem.rows.take(pa.array(range(problem.rows.num_rows - 1, -1, -1)))
    for one, other in zip(split(problem.spec, problem.rows, END), split(problem.spec, backwards, END), strict=True):
        assert one.sort_by("id").equals(other.sort_by("id"))


def test_rows_from_the_future_are_in_neither_part(problems: Any) -> None:
    problem = problems[BINARY]
    as_of = END - timedelta(days=10)
    training, holdout = split(problem.spec, problem.rows, as_of)
    assert training.num_rows + holdout.num_rows == 1_500 - 240
    assert pc.max(holdout["at"]).as_py() < as_of


@pytest.mark.parametrize("task", list(Task))
def test_too_few_training_rows(task: Task, problems: Any) -> None:
    with pytest.raises(NotEnoughData, match=r"training set .* has 199 labelled rows and needs 200"):
        split(problems[task].spec, problems[task].rows, START + timedelta(hours=199) + timedelta(days=14))


def test_too_few_holdout_rows(problems: Any) -> None:
    with pytest.raises(NotEnoughData, match=r"holdout .* has 99 labelled rows and needs 100"):
        split(problems[BINARY].spec, problems[BINARY].rows, END + timedelta(days=14) - timedelta(hours=99))


@pytest.mark.parametrize(("part", "late_from"), [("holdout", 0), ("training set", 1_500 - 14 * 24)])
def test_one_class_is_not_enough(part: str, late_from: int, problems: Any) -> None:
    problem = problems[BINARY]
    late = problem.rows["late"].to_numpy().copy()
    if part == "holdout":
        late[1_500 - 14 * 24 :] = 1
    else:
        late[:late_from] = 1
    rows = problem.rows.set_column(problem.rows.column_names.index("late"), "late", pa.array(late))
    with pytest.raises(NotEnoughData, match=f"labels of the {part} .* are 1"):
        split(problem.spec, rows, END)


def test_a_regression_does_not_mind_a_constant_holdout(problems: Any) -> None:
    problem = problems[Task.REGRESSION]
    rows = problem.rows.set_column(problem.rows.column_names.index("late"), "late", pa.array([1.0] * 1_500))
    assert split(problem.spec, rows, END)[1].num_rows == 336
