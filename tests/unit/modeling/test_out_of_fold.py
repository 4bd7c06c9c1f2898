"""Predictions by models that did not see the rows, also where one outcome is crowded into few windows."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from perennial.errors import NotEnoughData
from perennial.modeling.out_of_fold import out_of_fold_predictions
from perennial.spec.names import Task

WINDOWS = [f"w{number}" for number in range(9)]


def rows_with_positives_in(problem: Any, windows: list[str]) -> pa.Table:
    names = np.repeat(WINDOWS, 20)
    late = np.isin(names, windows) & (np.arange(len(names)) % 2 == 0)
    table = problem.rows.slice(0, len(names)).drop_columns(["late"])
    return table.append_column("late", pa.array(late.astype(float))).append_column("window", pa.array(names))


@pytest.mark.parametrize("positives", [["w0", "w4", "w8"], ["w0", "w1"], ["w7", "w8"]])
def test_every_window_is_predicted_also_where_one_outcome_is_crowded(
    positives: list[str], problems: Any, make_candidate: Any
) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    rows = rows_with_positives_in(problem, positives)
    found = out_of_fold_predictions(problem.spec, make_candidate("linear"), rows, "window", WINDOWS)
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(WINDOWS, 20)


def test_an_outcome_in_a_single_window_is_refused_by_name(problems: Any, make_candidate: Any) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    rows = rows_with_positives_in(problem, ["w4"])
    with pytest.raises(NotEnoughData, match=r"one of the two outcomes occurs in too few of the 9 training windows"):
        out_of_fold_predictions(problem.spec, make_candidate("linear"), rows, "window", WINDOWS)
