import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler
from tests.waiting import PATIENCE

from perennial.encoding import bytes_digest
from perennial.errors import UntrustedModel
from perennial.modeling.artifact import dump, load
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.spec.names import ESTIMATORS, Task

BINARY = Task.BINARY_CLASSIFICATION


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("estimator", list(ESTIMATORS))
def test_a_model_comes_back_as_it_was(estimator: str, task: Task, problems: Any, make_candidate: Any) -> None:
    problem = problems[task]
    model = fit(problem.spec, make_candidate(estimator), problem.frame, problem.truth)
    content = dump(model)
    again = load(content, bytes_digest(content))
    assert predict(again, task, problem.frame).tobytes() == predict(model, task, problem.frame).tobytes()
    assert dump(again) == content


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("estimator", list(ESTIMATORS))
def test_two_fits_on_the_same_data_have_the_same_bytes(
    estimator: str, task: Task, problems: Any, make_candidate: Any
) -> None:
    problem = problems[task]
    contents = set()
    for _ in range(3):
        model = fit(problem.spec, make_candidate(estimator), problem.frame.copy(), problem.truth.copy())
        contents.add(dump(model))
    assert len(contents) == 1


_FIT_ELSEWHERE = """
import sys, importlib.util
spec = importlib.util.spec_from_file_location("problems", sys.argv[1])
problems = importlib.util.module_from_spec(spec)
sys.modules["problems"] = problems
spec.loader.exec_module(problems)
from perennial.encoding import bytes_digest
from perennial.modeling.artifact import dump
from perennial.modeling.train import fit
problem = problems.problem(problems.Task.BINARY_CLASSIFICATION)
for name in ("hist_gradient_boosting", "random_forest", "linear"):
    print(bytes_digest(dump(fit(problem.spec, problems.candidate(name), problem.frame, problem.truth))))
"""


def test_another_process_writes_the_same_bytes(problems: Any, make_candidate: Any) -> None:
    problem = problems[BINARY]
    here = [
        bytes_digest(dump(fit(problem.spec, make_candidate(name), problem.frame, problem.truth)))
        for name in ("hist_gradient_boosting", "random_forest", "linear")
    ]
    run = subprocess.run(
        [sys.executable, "-c", _FIT_ELSEWHERE, str(Path(__file__).parent / "conftest.py")],
        env={**os.environ, "PYTHONHASHSEED": "12345", "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert run.stdout.split() == here


@pytest.mark.parametrize(
    ("estimator", "parameters"),
    [
        (
            "hist_gradient_boosting",
            {"max_iter": 3, "early_stopping": True, "max_features": 0.5, "class_weight": "balanced"},
        ),
        ("hist_gradient_boosting", {"max_iter": 3, "interaction_cst": "no_interactions"}),
        (
            "random_forest",
            {"n_estimators": 2, "class_weight": "balanced", "max_features": None, "criterion": "entropy"},
        ),
        ("extra_trees", {"n_estimators": 2, "max_features": 0.5, "max_samples": 0.5, "bootstrap": True}),
        ("linear", {"solver": "liblinear", "C": 0.5, "class_weight": "balanced"}),
        ("dummy", {"strategy": "stratified"}),
    ],
)
def test_ordinary_parameters_bring_no_foreign_types(
    estimator: str, parameters: dict[str, Any], problems: Any, make_candidate: Any
) -> None:
    problem = problems[BINARY]
    content = dump(fit(problem.spec, make_candidate(estimator, parameters), problem.frame, problem.truth))
    assert load(content, bytes_digest(content)).named_steps["estimator"].get_params().items() >= parameters.items()


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "gamma", "poisson", "quantile"])
def test_every_loss_of_a_regression_can_be_kept(loss: str, problems: Any, make_candidate: Any) -> None:
    problem = problems[Task.REGRESSION]
    parameters = {"loss": loss, "max_iter": 2} | ({"quantile": 0.9} if loss == "quantile" else {})
    model = fit(
        problem.spec, make_candidate("hist_gradient_boosting", parameters), problem.frame, np.exp(problem.truth)
    )
    content = dump(model)
    again = load(content, bytes_digest(content))
    assert (
        predict(again, Task.REGRESSION, problem.frame).tobytes()
        == predict(model, Task.REGRESSION, problem.frame).tobytes()
    )


@pytest.fixture(scope="module")
def content(problems: Any, make_candidate: Any) -> bytes:
    problem = problems[BINARY]
    return dump(fit(problem.spec, make_candidate("hist_gradient_boosting"), problem.frame, problem.truth))


def test_a_single_flipped_bit_anywhere_is_noticed(content: bytes) -> None:
    digest = bytes_digest(content)
    for at in np.random.default_rng(0).integers(0, len(content), 50):
        flipped = bytearray(content)
        flipped[at] ^= 1 << int(at) % 8
        with pytest.raises(UntrustedModel, match="changed or damaged"):
            load(bytes(flipped), digest)


@pytest.mark.parametrize("length", [0, 10, -1])
def test_a_cut_off_model_is_noticed(content: bytes, length: int) -> None:
    with pytest.raises(UntrustedModel, match="changed or damaged"):
        load(content[:length], bytes_digest(content))


@pytest.mark.parametrize("garbage", [b"", b"not a zip", b"PK\x05\x06" + b"\x00" * 18])
def test_garbage_under_its_own_digest_is_no_model(garbage: bytes) -> None:
    with pytest.raises(UntrustedModel, match="not a model that can be read"):
        load(garbage, bytes_digest(garbage))


def assert_refused(content: bytes, named: str) -> None:
    with pytest.raises(UntrustedModel, match=named):
        load(content, bytes_digest(content))


class Foreign(MinMaxScaler):  # type: ignore[misc]
    """An estimator of somebody's own, that would tell on itself."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise AssertionError("a foreign class was constructed")


def pipeline_with(transformer: Any) -> Pipeline:
    return Pipeline([("encode", transformer), ("estimator", HistGradientBoostingClassifier())])


@pytest.mark.parametrize(
    ("transformer", "named"),
    [
        (FunctionTransformer(func=os.system), "posix.system"),
        (FunctionTransformer(func=np.log1p), "log1p"),
        (FunctionTransformer(func=eval), "builtins.eval"),
        (Foreign(), "Foreign"),
        (MinMaxScaler(), "MinMaxScaler"),
        (ColumnTransformer([("inner", FunctionTransformer(func=os.system), ["carrier"])]), "posix.system"),
    ],
)
def test_foreign_types_are_refused_when_saving_and_when_loading(transformer: Any, named: str) -> None:
    pipeline = pipeline_with(transformer)
    with pytest.raises(UntrustedModel, match=named):
        dump(pipeline)
    assert_refused(skops.io.dumps(pipeline), named)


def forged(content: bytes, change: Any) -> bytes:
    """The artefact with a schema that an attacker changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "schema.json":
                schema = json.loads(data)
                change(schema)
                data = json.dumps(schema).encode()
            new.writestr(name, data)
    return out.getvalue()


def test_a_call_hidden_in_the_schema_is_not_made(content: bytes, tmp_path: Path) -> None:
    witness = tmp_path / "executed"

    def add_call(schema: dict[str, Any]) -> None:
        argument = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
        schema["content"]["content"]["memory"] = {
            "__class__": "system",
            "__module__": "os",
            "__loader__": "ConstructorFromReduceNode",
            "content": {
                "__class__": "tuple",
                "__module__": "builtins",
                "__loader__": "TupleNode",
                "content": [argument | {"content": json.dumps(f"touch {witness}")}],
            },
        }

    assert_refused(forged(content, add_call), "os.system")
    assert not witness.exists()


@pytest.mark.parametrize("loader", ["MethodNode", "OperatorFuncNode", "PartialNode", "FunctionNode", "NodeOfTomorrow"])
def test_nodes_that_could_call_something_are_refused_whatever_they_name(content: bytes, loader: str) -> None:
    def add_node(schema: dict[str, Any]) -> None:
        schema["content"]["content"]["memory"] = {"__class__": "dict", "__module__": "builtins", "__loader__": loader}

    assert_refused(forged(content, add_node), "builtins.dict")


def test_a_trusted_object_that_is_no_pipeline_is_refused() -> None:
    assert_refused(skops.io.dumps({"a": 1}), "not a pipeline")
