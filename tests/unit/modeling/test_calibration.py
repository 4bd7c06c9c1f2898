"""Calibration: the artefact may hold it, predictions don't depend on chunks, and it is kept only where it helps."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from perennial.encoding import bytes_digest
from perennial.errors import NotExportable
from perennial.modeling.artifact import dump, load
from perennial.modeling.calibration import calibrated_where_it_helps
from perennial.modeling.exports.plain import plain_model
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.performance.metrics import metrics_of
from perennial.spec.names import ESTIMATORS, Task
from perennial.spec.training import Candidate

BINARY = Task.BINARY_CLASSIFICATION


def always(candidate: Candidate) -> Candidate:
    return candidate.model_copy(update={"calibrate": "always"})


@pytest.mark.parametrize("estimator", list(ESTIMATORS))
def test_a_calibrated_model_is_kept_loaded_and_predicts_as_scikit_learn_does(
    estimator: str, problems: Any, make_candidate: Any
) -> None:
    problem = problems[BINARY]
    model = fit(problem.spec, always(make_candidate(estimator)), problem.frame, problem.truth)
    content = dump(model)
    again = load(content, bytes_digest(content))
    frame = problem.frame.head(300)
    whole = predict(again, BINARY, frame)
    assert whole.tobytes() == predict(model, BINARY, frame).tobytes()
    np.testing.assert_allclose(whole, model.predict_proba(frame)[:, 1], rtol=1e-12, atol=1e-14)
    chunks = np.concatenate([predict(model, BINARY, frame.iloc[at : at + 7]) for at in range(0, 300, 7)])
    assert chunks.tobytes() == whole.tobytes()
    assert dump(fit(problem.spec, always(make_candidate(estimator)), problem.frame, problem.truth)) == content


def test_weights_count_and_threads_do_not_show(problems: Any, make_candidate: Any) -> None:
    problem = problems[BINARY]
    forest = {"n_estimators": 6, "max_depth": 4}
    one, two = (
        fit(
            problem.spec,
            always(make_candidate("random_forest", {**forest, "n_jobs": jobs})),
            problem.frame,
            problem.truth,
        )
        for jobs in (1, 2)
    )
    assert dump(one) == dump(two)
    weights = np.where(problem.truth == 1, 5.0, 1.0)
    weighted = fit(problem.spec, always(make_candidate("linear")), problem.frame, problem.truth, weights)
    plain = fit(problem.spec, always(make_candidate("linear")), problem.frame, problem.truth)
    assert predict(weighted, BINARY, problem.frame).mean() > predict(plain, BINARY, problem.frame).mean() + 0.1


def rows_of(problem: Any, windows: int = 24) -> pa.Table:
    table = problem.rows
    days = [1 + row * windows // table.num_rows for row in range(table.num_rows)]
    names = [f"2024-01-{day:02}T00:00Z--2024-01-{day + 1:02}T00:00Z" for day in days]
    return table.append_column("window", pa.array(names))


def test_a_model_that_is_too_sure_of_itself_is_calibrated_and_a_good_one_is_not(
    problems: Any, make_candidate: Any
) -> None:
    problem = problems[BINARY]
    sure = make_candidate("extra_trees", {"n_estimators": 3, "max_depth": 30}).model_copy(update={"calibrate": "auto"})
    found, told = calibrated_where_it_helps(problem.spec, sure, rows_of(problem), "window")
    assert found.calibrate == "always"
    assert told.startswith("calibrated, which is better beyond chance on the last quarter of the training windows (log")
    later, before = problem.frame[1_125:], problem.frame[:1_125]
    losses = [
        metrics_of(
            BINARY,
            problem.truth[1_125:],
            predict(fit(problem.spec, each, before, problem.truth[:1_125]), BINARY, later),
        )["log_loss"]
        for each in (sure.model_copy(update={"calibrate": "never"}), found)
    ]
    assert losses[1] < losses[0] / 2
    good = make_candidate("linear", {"C": 100}).model_copy(update={"calibrate": "auto"})
    kept, told = calibrated_where_it_helps(problem.spec, good, rows_of(problem), "window")
    assert kept.calibrate == "never"
    assert "that it helps is not shown" in told


def test_too_few_windows_to_tell_leave_it_as_it_is(problems: Any, make_candidate: Any) -> None:
    problem = problems[BINARY]
    asked = make_candidate("linear").model_copy(update={"calibrate": "auto"})
    found, told = calibrated_where_it_helps(problem.spec, asked, rows_of(problem, windows=1), "window")
    assert found.calibrate == "never"
    assert told.startswith("not calibrated: ")


def test_too_few_outcomes_to_tell_leave_it_as_it_is_too(problems: Any, make_candidate: Any) -> None:
    problem = problems[BINARY]
    asked = make_candidate("linear").model_copy(update={"calibrate": "auto"})
    rows, name = rows_of(problem), problem.spec.labels.column
    one = pa.array([row % 1_200 == 7 for row in range(rows.num_rows)])  # and another in the last quarter
    rows = rows.set_column(rows.column_names.index(name), name, one.cast(rows.schema.field(name).type))
    found, told = calibrated_where_it_helps(problem.spec, asked, rows, "window")
    assert found.calibrate == "never"
    assert "can't be calibrated on 1,125 rows, of which 1 has the rarer outcome: it takes 3 of each." in told


def test_a_calibrated_model_is_not_exported(problems: Any, make_candidate: Any) -> None:
    problem = problems[BINARY]
    model = fit(problem.spec, always(make_candidate("linear")), problem.frame, problem.truth)
    with pytest.raises(NotExportable, match="A CalibratedClassifierCV is not exported"):
        plain_model(model)


def test_only_probabilities_are_calibrated(make_use_case: Any) -> None:
    wanted = [{"name": "trees", "estimator": "linear", "calibrate": "auto"}]
    with pytest.raises(ValueError, match="only binary_classification predicts"):
        make_use_case(Task.REGRESSION, candidates=wanted)
