import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial.errors import NotEnoughData
from perennial.modeling.importance import permutation_importance
from perennial.modeling.train import fit
from perennial.spec.names import Task


@pytest.mark.parametrize("task", list(Task))
def test_columns_that_matter_stand_out(task: Task, problems: Any, make_candidate: Any) -> None:
    problem = problems[task]
    model = fit(problem.spec, make_candidate("hist_gradient_boosting"), problem.frame, problem.truth)
    importances = permutation_importance(problem.spec, model, problem.frame, problem.truth)
    assert list(importances) == ["at", "distance", "noise", "carrier"]
    assert min(importances[name] for name in ("at", "distance", "carrier")) > 5 * abs(importances["noise"])


def test_the_same_seed_gives_the_same_numbers(problems: Any, make_candidate: Any) -> None:
    problem = problems[Task.REGRESSION]
    model = fit(problem.spec, make_candidate("linear"), problem.frame, problem.truth)
    first, second = (permutation_importance(problem.spec, model, problem.frame, problem.truth) for _ in range(2))
    assert first == second


def test_a_model_that_uses_nothing_owes_nothing(problems: Any, make_candidate: Any) -> None:
    problem = problems[Task.REGRESSION]
    model = fit(problem.spec, make_candidate("dummy"), problem.frame, problem.truth)
    assert set(permutation_importance(problem.spec, model, problem.frame, problem.truth).values()) == {0.0}


def test_one_class_has_no_importances(problems: Any, make_candidate: Any) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    model = fit(problem.spec, make_candidate("linear"), problem.frame, problem.truth)
    with pytest.raises(NotEnoughData, match="roc_auc is undefined"):
        permutation_importance(problem.spec, model, problem.frame, np.ones(len(problem.frame)))


def test_ten_times_the_rows_cost_little(problems: Any, make_candidate: Any) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    model = fit(problem.spec, make_candidate("hist_gradient_boosting", {"max_iter": 100}), problem.frame, problem.truth)
    frame, truth = pd.concat([problem.frame] * 10, ignore_index=True), np.tile(problem.truth, 10)
    began = time.process_time()
    permutation_importance(problem.spec, model, frame, truth)
    assert time.process_time() - began < 5
