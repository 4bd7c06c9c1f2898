from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial.errors import NotEnoughData
from perennial.features.build import feature_groups
from perennial.modeling import importance
from perennial.modeling.importance import REPEATS, SAMPLE_ROWS, permutation_importance
from perennial.modeling.predict import predict
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


def test_ten_times_the_rows_are_a_sample_of_the_same_size(
    problems: Any, make_candidate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    model = fit(problem.spec, make_candidate("hist_gradient_boosting", {"max_iter": 100}), problem.frame, problem.truth)
    frame, truth = pd.concat([problem.frame] * 10, ignore_index=True), np.tile(problem.truth, 10)
    predicted: list[int] = []

    def counted(pipeline: Any, task: Task, rows: pd.DataFrame) -> Any:
        predicted.append(len(rows))
        return predict(pipeline, task, rows)

    monkeypatch.setattr(importance, "predict", counted)
    permutation_importance(problem.spec, model, frame, truth)
    assert len(frame) > SAMPLE_ROWS
    assert predicted == [SAMPLE_ROWS] * (1 + REPEATS * len(feature_groups(problem.spec)))
