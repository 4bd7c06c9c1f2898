"""Every format, scored by somebody else's scorer, predicts what the model does.

ONNX by the real onnxruntime; PMML by PMML4S, on a Java that the development environment brings.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial.modeling.exports import onnx_format, pmml_format
from perennial.modeling.exports.parity import certify
from perennial.modeling.exports.plain import plain_model
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.spec.names import Task


def strange(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows, and others with what training never saw: other categories, everything missing, numbers at the edges."""
    more = frame.head(200).copy()
    more["carrier"] = pd.Series(["ZZ", float("nan"), "", "ua"] * 50, dtype=object, index=more.index)
    numbers = ["distance", "noise", "at_hour", "at_weekday"]
    more.loc[more.index[::3], numbers] = float("nan")
    more.loc[more.index[1::3], numbers] = [1e30, -1e30, 0.0, -0.0]
    return pd.concat([frame, more], ignore_index=True)


@pytest.mark.parametrize(("written", "allowed"), [(onnx_format, 1e-12), (pmml_format, 1e-9)], ids=["onnx", "pmml"])
@pytest.mark.parametrize("estimator", ["hist_gradient_boosting", "random_forest", "extra_trees", "linear"])
@pytest.mark.parametrize("task", list(Task))
def test_another_scorer_predicts_what_the_model_does(
    task: Task,
    estimator: str,
    written: ModuleType,
    allowed: float,
    problems: dict[Task, Any],
    make_candidate: Callable[..., Any],
) -> None:
    problem = problems[task]
    pipeline = fit(problem.spec, make_candidate(estimator), problem.frame, problem.truth)
    frame = strange(problem.frame)
    content = written.write(plain_model(pipeline))
    assert content == written.write(plain_model(pipeline))
    export = written.predict(content, frame, model_inputs(pipeline).categorical)
    own = predict(pipeline, task, frame)
    found = certify(own, export, written.__name__, 0.5 if task is Task.BINARY_CLASSIFICATION else None)
    assert found.problems == ()
    assert found.largest_difference is not None
    assert found.largest_difference < allowed
    assert len(np.unique(own)) > 100
