from typing import Any

import numpy as np
import pytest

from perennial.encoding import bytes_digest
from perennial.modeling.artifact import dump, load
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.spec.names import ESTIMATORS, Task

BINARY = Task.BINARY_CLASSIFICATION


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("estimator", list(ESTIMATORS))
def test_chunks_give_the_same_bytes_as_the_whole(
    estimator: str, task: Task, problems: Any, make_candidate: Any
) -> None:
    problem = problems[task]
    model = fit(problem.spec, make_candidate(estimator), problem.frame, problem.truth)
    frame = problem.frame.head(400)
    whole = predict(model, task, frame)
    assert whole.dtype == np.float64
    assert whole.shape == (400,)
    for size in (1, 7, 333):
        starts = range(0, 400 if size > 1 else 20, size)
        chunks = np.concatenate([predict(model, task, frame.iloc[at : at + size]) for at in starts])
        assert chunks.tobytes() == whole[: len(chunks)].tobytes(), size


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("estimator", ["linear", "hist_gradient_boosting"])
def test_predictions_are_those_of_the_pipeline(estimator: str, task: Task, problems: Any, make_candidate: Any) -> None:
    problem = problems[task]
    model = fit(problem.spec, make_candidate(estimator), problem.frame, problem.truth)
    expected = model.predict_proba(problem.frame)[:, 1] if task is BINARY else model.predict(problem.frame)
    np.testing.assert_allclose(predict(model, task, problem.frame), expected, rtol=1e-12, atol=1e-14)


def test_threads_change_nothing(problems: Any, make_candidate: Any) -> None:
    problem = problems[BINARY]
    one, two = (
        fit(
            problem.spec,
            make_candidate("random_forest", {"n_estimators": 12, "n_jobs": jobs}),
            problem.frame,
            problem.truth,
        )
        for jobs in (1, 2)
    )
    assert two.named_steps["estimator"].n_jobs is None
    assert predict(one, BINARY, problem.frame).tobytes() == predict(two, BINARY, problem.frame).tobytes()


def test_no_rows_give_no_predictions(problems: Any, make_candidate: Any) -> None:
    problem = problems[BINARY]
    model = fit(problem.spec, make_candidate("dummy"), problem.frame, problem.truth)
    assert predict(model, BINARY, problem.frame[:0]).shape == (0,)


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("estimator", list(ESTIMATORS))
def test_one_number_too_large_spoils_its_own_row_at_most(
    estimator: str, task: Task, problems: Any, make_candidate: Any
) -> None:
    problem = problems[task]
    model = fit(problem.spec, make_candidate(estimator), problem.frame, problem.truth)
    frame = problem.frame.head(5).copy()
    before = predict(model, task, frame)
    frame.loc[2, "noise"] = 1.7e308
    after = predict(model, task, frame)
    assert np.delete(after, 2).tobytes() == np.delete(before, 2).tobytes()
    assert np.isfinite(after[2]) or estimator in ("linear", "random_forest", "extra_trees")


def test_a_model_knows_its_inputs_also_after_it_was_stored(problems: Any, make_candidate: Any) -> None:
    problem = problems[BINARY]
    model = fit(problem.spec, make_candidate("linear"), problem.frame, problem.truth)
    content = dump(model)
    inputs = model_inputs(load(content, bytes_digest(content)))
    assert inputs.features == ("at_hour", "at_weekday", "distance", "noise", "carrier")
    assert inputs.categorical == {"carrier"}
    assert (
        predict(model, BINARY, inputs.frame(problem.rows)).tobytes() == predict(model, BINARY, problem.frame).tobytes()
    )
    columns = {"at": "timestamp[us, tz=UTC]", "distance": "double", "carrier": "int64"}
    assert inputs.unavailable(columns) == {
        "noise": "noise is not among the columns",
        "carrier": "carrier was a category and is now a number",
    }
