"""ONNX exports, scored by the real onnxruntime; and one in single precision, which the certificate refuses."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial.errors import NotExportable
from perennial.modeling.exports import onnx_format
from perennial.modeling.exports.parity import certify
from perennial.modeling.exports.plain import Leaf, PlainModel, Split, Trees, double_threshold, plain_model
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.spec.names import Task

EXPORTED = ("hist_gradient_boosting", "random_forest", "extra_trees", "linear")


def strange(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows, and others with what training never saw: other categories, everything missing, numbers at the edges."""
    more = frame.head(200).copy()
    more["carrier"] = pd.Series(["ZZ", float("nan"), "", "ua"] * 50, dtype=object, index=more.index)
    numbers = ["distance", "noise", "at_hour", "at_weekday"]
    more.loc[more.index[::3], numbers] = float("nan")
    more.loc[more.index[1::3], numbers] = [1e30, -1e30, 0.0, -0.0]
    return pd.concat([frame, more], ignore_index=True)


@pytest.mark.parametrize("estimator", EXPORTED)
@pytest.mark.parametrize("task", list(Task))
def test_onnxruntime_predicts_what_the_model_does(
    task: Task, estimator: str, problems: dict[Task, Any], make_candidate: Callable[..., Any]
) -> None:
    problem = problems[task]
    pipeline = fit(problem.spec, make_candidate(estimator), problem.frame, problem.truth)
    frame = strange(problem.frame)
    content = onnx_format.write(plain_model(pipeline))
    assert content == onnx_format.write(plain_model(pipeline))
    export = onnx_format.predict(content, frame, model_inputs(pipeline).categorical)
    own = predict(pipeline, task, frame)
    found = certify(own, export, "onnxruntime", 0.5 if task is Task.BINARY_CLASSIFICATION else None)
    assert found.problems == ()
    assert found.largest_difference is not None
    assert found.largest_difference < 1e-12
    assert len(np.unique(own)) > 100


def test_what_has_no_form_is_refused_with_the_reason(
    problems: dict[Task, Any], make_candidate: Callable[..., Any]
) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    dummy = fit(problem.spec, make_candidate("dummy"), problem.frame, problem.truth)
    with pytest.raises(NotExportable, match="A DummyClassifier is not exported"):
        plain_model(dummy)
    sets = make_candidate("hist_gradient_boosting", {"max_iter": 5, "categorical_features": [0]})
    with pytest.raises(NotExportable, match="sets of categories"):
        plain_model(fit(problem.spec, sets, problem.frame, problem.truth))
    linear = plain_model(fit(problem.spec, make_candidate("linear"), problem.frame, problem.truth))
    (look_up,) = linear.look_ups
    named = replace(look_up, values={**look_up.values, onnx_format.MISSING: 1.0})
    with pytest.raises(NotExportable, match="stands for missing values"):
        onnx_format.write(replace(linear, look_ups=(named,)))


def test_thresholds_in_single_precision_are_refused(make_candidate: Callable[..., Any], make_use_case: Any) -> None:
    """So the usual converter writes gradient boosting (sklearn-onnx#1192): neighbours fall on one side."""
    random = np.random.default_rng(0)
    x = random.integers(0, 40, 3_000) / 100 + 1e6
    columns = ("at_hour", "at_weekday", "distance", "noise", "carrier")
    frame = pd.DataFrame({name: np.zeros(len(x)) for name in columns})
    frame["distance"], frame["carrier"] = x, pd.Series(["UA"] * len(x), dtype=object)
    pipeline = fit(
        make_use_case(Task.REGRESSION), make_candidate("hist_gradient_boosting"), frame, np.sin((x - 1e6) * 20)
    )
    exact = plain_model(pipeline)
    assert isinstance(exact.body, Trees)
    single = tuple(
        tuple(
            replace(node, threshold=float(np.float32(node.threshold))) if isinstance(node, Split) else node
            for node in tree
        )
        for tree in exact.body.trees
    )
    own = predict(pipeline, Task.REGRESSION, frame)

    def certified(model: PlainModel) -> tuple[str, ...]:
        found = onnx_format.predict(onnx_format.write(model), frame, frozenset({"carrier"}))
        return certify(own, found, "onnxruntime", None).problems

    assert certified(exact) == ()
    problems = certified(replace(exact, body=replace(exact.body, trees=single)))
    assert any(each.startswith("Predictions differ by up to") for each in problems)
    assert any("ranked the other way round" in each for each in problems)


def test_a_tree_of_one_leaf_and_a_model_without_categories() -> None:
    plain = PlainModel(("x",), (), Trees(((Leaf(0.25),), (Leaf(0.5),)), 0.0, 2.0), "identity")
    found = onnx_format.predict(onnx_format.write(plain), pd.DataFrame({"x": [1.0, float("nan")]}), frozenset())
    assert list(found) == [0.375, 0.375]


@pytest.mark.parametrize("threshold", [0.1, 0.5, -0.1, 1e-40, 16777217.0, 3.3e38, 0.0])
def test_thresholds_decide_on_doubles_as_on_their_single_precision(threshold: float) -> None:
    found = double_threshold(threshold)
    above = float(np.nextafter(found, np.inf))
    with np.errstate(over="ignore"):
        assert float(np.float32(found)) <= threshold
        assert float(np.float32(above)) > threshold
