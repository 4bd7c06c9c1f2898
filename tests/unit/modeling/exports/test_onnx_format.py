"""ONNX exports: what has no form is refused, and one in single precision is refused by the certificate."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial.errors import NotExportable
from perennial.modeling.exports import onnx_format
from perennial.modeling.exports.parity import certify
from perennial.modeling.exports.plain import Leaf, PlainModel, Split, Trees, double_threshold, plain_model
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.spec.names import Task


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


SCORE_ONE_ROW = """
import pandas as pd
from onnx import TensorProto, helper
from perennial.modeling.exports import onnx_format
given, found = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, 1]) for name in ("x", "prediction"))
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["prediction"])], "same", [given], [found])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
print(onnx_format.predict(model.SerializeToString(), pd.DataFrame({"x": [1.5]}), frozenset()))
"""


def test_scoring_tells_the_makers_of_onnxruntime_nothing(tmp_path: Path) -> None:
    """Its telemetry would begin with an id of this machine, kept in the user's home."""
    clean = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}  # not CI
    done = subprocess.run(
        [sys.executable, "-c", SCORE_ONE_ROW], env={**clean, "HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "[1.5]\n"
    assert list(tmp_path.rglob("*onnx*")) == []
