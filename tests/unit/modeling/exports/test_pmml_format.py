"""PMML exports, scored by an independent scorer: PMML4S, on a Java that the development environment brings."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as Xml

import pandas as pd
import pytest
from tests.unit.modeling.exports.test_onnx_format import EXPORTED, strange

from perennial.errors import NotExportable
from perennial.modeling.exports import pmml_format
from perennial.modeling.exports.parity import certify
from perennial.modeling.exports.plain import Leaf, LookUp, PlainModel, Split, Trees, plain_model
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.spec.names import Task


@pytest.mark.parametrize("estimator", EXPORTED)
@pytest.mark.parametrize("task", list(Task))
def test_pmml4s_predicts_what_the_model_does(
    task: Task, estimator: str, problems: dict[Task, Any], make_candidate: Callable[..., Any]
) -> None:
    problem = problems[task]
    pipeline = fit(problem.spec, make_candidate(estimator), problem.frame, problem.truth)
    frame = strange(problem.frame.head(400))
    content = pmml_format.write(plain_model(pipeline))
    assert content == pmml_format.write(plain_model(pipeline))
    export = pmml_format.predict(content, frame, model_inputs(pipeline).categorical)
    own = predict(pipeline, task, frame)
    found = certify(own, export, "PMML4S", 0.5 if task is Task.BINARY_CLASSIFICATION else None)
    assert found.problems == ()
    assert found.largest_difference is not None
    assert found.largest_difference < 1e-9


@pytest.mark.parametrize("category", ["", " UA", "U  A", "U\nA", "U\x00A"])
def test_categories_that_xml_does_not_keep_are_refused(category: str) -> None:
    plain = PlainModel(
        ("c",), (LookUp("c", {category: 1.0}, -1.0, -1.0),), Trees(((Leaf(0.5),),), 0.0, 1.0), "identity"
    )
    with pytest.raises(NotExportable, match="may not read back"):
        pmml_format.write(plain)
    (look_up,) = plain.look_ups
    assert pmml_format.write(replace(plain, look_ups=(replace(look_up, values={"Ü & <A>": 1.0}),)))


def test_a_threshold_that_is_infinite_parts_missing_values_from_all_others() -> None:
    tree = (Split(0, float("inf"), False, 1, 2), Leaf(1.0), Leaf(2.0))
    content = pmml_format.write(PlainModel(("x",), (), Trees((tree,), 0.5, 1.0), "identity"))
    Xml.fromstring(content)
    found = pmml_format.predict(content, pd.DataFrame({"x": [1e300, -1e300, float("nan")]}), frozenset())
    assert list(found) == [1.5, 1.5, 2.5]
