"""A column that gives the outcome away is named; one that is merely good is not."""

from typing import Any

import numpy as np
import pytest

from perennial.modeling.leakage import given_away
from perennial.spec.names import Task


def found(problem: Any, **columns: Any) -> dict[str, str]:
    frame = problem.frame.assign(**columns)
    half = len(frame) // 2
    return dict(given_away(problem.spec, frame[:half], problem.truth[:half], frame[half:], problem.truth[half:]))


@pytest.mark.parametrize("task", list(Task))
def test_ordinary_features_are_not_suspected(task: Task, problems: Any) -> None:
    assert found(problems[task]) == {}


@pytest.mark.parametrize("task", list(Task))
def test_the_outcome_itself_in_any_disguise_is_named(task: Task, problems: Any) -> None:
    problem = problems[task]
    title = "ROC AUC" if task is Task.BINARY_CLASSIFICATION else "R²"
    assert found(problem, noise=problem.truth) == {"noise": f"{title} 1.000"}
    assert found(problem, noise=-np.exp(problem.truth)) == {"noise": f"{title} 1.000"}


def test_a_value_that_is_there_only_when_it_happened_is_named(problems: Any) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    assert "noise" in found(problem, noise=np.where(problem.truth == 1, 7.0, np.nan))


def test_a_category_that_stands_for_the_outcome_is_named(problems: Any) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    names = np.where(problem.truth == 1, "refunded", "paid").astype(object)
    assert found(problem, carrier=names) == {"carrier": "ROC AUC 1.000"}


def test_without_two_outcomes_nothing_is_said(problems: Any) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    ones = np.ones(len(problem.truth))
    assert dict(given_away(problem.spec, problem.frame, ones, problem.frame, ones)) == {}
