from typing import Any

import numpy as np
import pytest

from perennial.errors import InvalidSpec, NotEnoughData
from perennial.modeling.predict import predict
from perennial.modeling.recipe import build_pipeline
from perennial.modeling.train import fit
from perennial.performance.metrics import metrics_of
from perennial.spec.names import ESTIMATORS, Task

BINARY = Task.BINARY_CLASSIFICATION


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("estimator", [name for name in ESTIMATORS if name != "dummy"])
def test_every_estimator_learns(estimator: str, task: Task, problems: Any, make_candidate: Any) -> None:
    problem = problems[task]
    half = len(problem.frame) // 2
    model = fit(problem.spec, make_candidate(estimator), problem.frame[:half], problem.truth[:half])
    measured = metrics_of(task, problem.truth[half:], predict(model, task, problem.frame[half:]))
    assert measured["roc_auc" if task is BINARY else "r2"] > (0.8 if task is BINARY else 0.5)


@pytest.mark.parametrize("estimator", list(ESTIMATORS))
def test_unknown_and_missing_categories_and_numbers_are_scored(
    estimator: str, problems: Any, make_candidate: Any
) -> None:
    problem = problems[BINARY]
    model = fit(problem.spec, make_candidate(estimator), problem.frame, problem.truth)
    strange = problem.frame.head(3).copy()
    strange["carrier"] = ["a carrier never seen", float("nan"), ""]
    strange["distance"] = float("nan")
    assert np.isfinite(predict(model, BINARY, strange)).all()


def test_a_missing_category_is_no_category_of_its_own_name(problems: Any, make_candidate: Any) -> None:
    problem = problems[BINARY]
    model = fit(problem.spec, make_candidate("hist_gradient_boosting"), problem.frame, problem.truth)
    codes = model.named_steps["encode"].transform(problem.frame)[:, 0]
    assert set(codes[problem.frame["carrier"].isna()]) == {-1.0}
    assert set(codes[problem.frame["carrier"].notna()]) == {0.0, 1.0, 2.0, 3.0}


@pytest.mark.parametrize("estimator", ["hist_gradient_boosting", "linear"])
def test_columns_that_are_all_missing_in_training_do_no_harm(
    estimator: str, problems: Any, make_candidate: Any
) -> None:
    problem = problems[BINARY]
    empty = problem.frame.assign(noise=float("nan"), carrier=np.full(len(problem.frame), float("nan"), dtype=object))
    model = fit(problem.spec, make_candidate(estimator), empty, problem.truth)
    assert np.isfinite(predict(model, BINARY, problem.frame)).all()


def test_the_seed_of_the_spec_decides(problems: Any, make_candidate: Any, make_use_case: Any) -> None:
    problem = problems[BINARY]
    frame, truth = problem.frame, problem.truth
    one, same, other = (
        predict(fit(make_use_case(BINARY, seed=seed), make_candidate("random_forest"), frame, truth), BINARY, frame)
        for seed in (1, 1, 2)
    )
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()


def test_candidates_without_a_seed_are_built(problems: Any, make_candidate: Any) -> None:
    spec = problems[Task.REGRESSION].spec
    assert "random_state" not in build_pipeline(spec, make_candidate("dummy")).named_steps["estimator"].get_params()


@pytest.mark.parametrize(
    ("estimator", "parameters", "told"),
    [
        ("hist_gradient_boosting", {"learning_rat": 0.1}, "did you mean 'learning_rate'"),
        ("linear", {"zzz": 1}, "it takes C, class_weight"),
        ("hist_gradient_boosting", {"learning_rate": "fast"}, "learning_rate"),
        ("random_forest", {"n_estimators": 0}, "n_estimators"),
        ("random_forest", {"random_state": 3}, "training.seed"),
    ],
)
def test_wrong_parameters_are_refused(
    estimator: str, parameters: dict[str, Any], told: str, problems: Any, make_candidate: Any
) -> None:
    with pytest.raises(InvalidSpec, match=f"training.candidates.{estimator}.*{told}"):
        build_pipeline(problems[BINARY].spec, make_candidate(estimator, parameters))


def test_one_class_or_no_rows_can_not_be_learnt(problems: Any, make_candidate: Any) -> None:
    problem = problems[BINARY]
    with pytest.raises(NotEnoughData, match="1 distinct outcomes"):
        fit(problem.spec, make_candidate("linear"), problem.frame, np.ones(len(problem.frame)))
    with pytest.raises(NotEnoughData, match="0 rows"):
        fit(problem.spec, make_candidate("linear"), problem.frame[:0], problem.truth[:0])
