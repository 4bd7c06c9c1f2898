"""ONNX: a plain model as a graph of standard operators, all in double precision, and its predictions by onnxruntime.

Inputs: each number is a double tensor (rows, 1) with NaN for missing, each category a string tensor (rows, 1) with
`MISSING` for missing. Output: `prediction`, a double tensor (rows, 1).
"""

from typing import Any

import numpy as np
import pandas as pd

from perennial.arrays import Floats
from perennial.errors import NotExportable
from perennial.modeling.exports.plain import LOG, LOGIT, Leaf, PlainModel, Split, Trees, WeightedSum

MISSING = "__missing__"
_OPSET, _ML_OPSET, _IR = 18, 5, 10  # TreeEnsemble in double precision came with ai.onnx.ml 5


def write(model: PlainModel) -> bytes:
    """The model as an ONNX file: the same model gives the same bytes.

    Errors: `NotExportable` when a category is called like `MISSING`, ImportError where onnx is not installed.
    """
    from onnx import TensorProto, checker, helper

    categories = {each.feature: each for each in model.look_ups}
    nodes, inputs = [], []
    columns: dict[str, str] = {}
    for name in model.features:
        kind = TensorProto.STRING if name in categories else TensorProto.DOUBLE
        inputs.append(helper.make_tensor_value_info(name, kind, [None, 1]))
        columns[name] = name
        if name not in categories:
            continue
        look_up = categories[name]
        if MISSING in look_up.values:
            raise NotExportable(f"{name} has the category {MISSING!r}, which stands for missing values in the export.")
        values = {**look_up.values, MISSING: look_up.missing}
        columns[name] = f"{name}/looked_up"
        keys: Any = [text.encode() for text in values]
        nodes.append(
            helper.make_node(
                "LabelEncoder",
                [name],
                [columns[name]],
                domain="ai.onnx.ml",
                keys_tensor=helper.make_tensor("keys", TensorProto.STRING, [len(keys)], keys),
                values_tensor=_doubles("values", list(values.values())),
                default_tensor=_doubles("other", [look_up.other]),
            )
        )
    body = _trees if isinstance(model.body, Trees) else _weighted_sum
    constants: list[Any] = []
    nodes += body(model, columns, constants)
    last = {LOGIT: "Sigmoid", LOG: "Exp"}.get(model.link, "Identity")
    nodes.append(helper.make_node(last, ["/raw"], ["prediction"]))
    output = helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, [None, 1])
    graph = helper.make_graph(nodes, "perennial", inputs, [output], constants)
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=_IR, producer_name="perennial")
    checker.check_model(proto)
    return bytes(proto.SerializeToString())


def predict(content: bytes, frame: pd.DataFrame, categorical: frozenset[str]) -> Floats:
    """What onnxruntime predicts for the rows, shape (rows,)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    given = {
        each.name: frame[[each.name]].fillna(MISSING).to_numpy(dtype=object)
        if each.name in categorical
        else frame[[each.name]].to_numpy(dtype=np.float64)
        for each in session.get_inputs()
    }
    (found,) = session.run(["prediction"], given)
    return np.asarray(found, dtype=np.float64).ravel()


def _trees(model: PlainModel, columns: dict[str, str], constants: list[Any]) -> list[Any]:
    from onnx import TensorProto, helper

    assert isinstance(model.body, Trees)
    splits: list[Split] = []
    leaves: list[float] = []
    places: list[list[int]] = []  # of each tree's nodes among all splits, or all leaves
    for tree in model.body.trees:
        own = []
        for node in tree if len(tree) > 1 else _as_split(tree):
            if isinstance(node, Leaf):
                own.append(len(leaves))
                leaves.append(node.value)
            else:
                own.append(len(splits))
                splits.append(node)
        places.append(own)
    sides: dict[str, tuple[list[int], list[int]]] = {"true": ([], []), "false": ([], [])}
    roots = []
    for tree, own in zip(model.body.trees, places, strict=True):
        nodes = tree if len(tree) > 1 else _as_split(tree)
        roots.append(own[0])
        for node in nodes:
            if isinstance(node, Split):
                for side, child in (("true", node.left), ("false", node.right)):
                    sides[side][0].append(own[child])
                    sides[side][1].append(int(isinstance(nodes[child], Leaf)))
    constants.append(_doubles("/base", [model.body.base]))
    constants.append(_doubles("/divisor", [model.body.divisor]))
    return [
        helper.make_node("Concat", [columns[name] for name in model.features], ["/table"], axis=1),
        helper.make_node(
            "TreeEnsemble",
            ["/table"],
            ["/votes"],
            domain="ai.onnx.ml",
            n_targets=1,
            aggregate_function=1,  # the sum
            post_transform=0,
            tree_roots=roots,
            nodes_featureids=[each.feature for each in splits],
            nodes_modes=helper.make_tensor("modes", TensorProto.UINT8, [len(splits)], [0] * len(splits)),  # <=
            nodes_splits=_doubles("splits", [each.threshold for each in splits]),
            nodes_missing_value_tracks_true=[int(each.missing_left) for each in splits],
            nodes_truenodeids=sides["true"][0],
            nodes_trueleafs=sides["true"][1],
            nodes_falsenodeids=sides["false"][0],
            nodes_falseleafs=sides["false"][1],
            leaf_targetids=[0] * len(leaves),
            leaf_weights=_doubles("weights", leaves),
        ),
        helper.make_node("Add", ["/votes", "/base"], ["/sum"]),
        helper.make_node("Div", ["/sum", "/divisor"], ["/raw"]),
    ]


def _as_split(tree: tuple[Leaf | Split, ...]) -> tuple[Leaf | Split, ...]:
    """A tree that is one leaf, as a split whose sides are alike: a root must be a split."""
    return Split(0, 0.0, True, 1, 2), tree[0], tree[0]


def _weighted_sum(model: PlainModel, columns: dict[str, str], constants: list[Any]) -> list[Any]:
    from onnx import helper

    assert isinstance(model.body, WeightedSum)
    constants.append(_doubles("/intercept", [model.body.intercept]))
    parts, nodes = ["/intercept", *(columns[each.feature] for each in model.look_ups)], []
    for each in model.body.terms:
        made = {what: f"{each.feature}/{what}" for what in ("absent", "filled", "centred", "scaled", "part")}
        for what in ("missing", "mean", "scale", "weight"):
            made[what] = f"{each.feature}/{what}"
            constants.append(_doubles(made[what], [getattr(each, what)]))
        nodes += [
            helper.make_node("IsNaN", [each.feature], [made["absent"]]),
            helper.make_node("Where", [made["absent"], made["missing"], each.feature], [made["filled"]]),
            helper.make_node("Sub", [made["filled"], made["mean"]], [made["centred"]]),
            helper.make_node("Div", [made["centred"], made["scale"]], [made["scaled"]]),
            helper.make_node("Mul", [made["scaled"], made["weight"]], [made["part"]]),
        ]
        parts.append(made["part"])
    for position, part in enumerate(parts[1:], 1):
        sums = "/raw" if position == len(parts) - 1 else f"/sum/{position}"
        nodes.append(helper.make_node("Add", [parts[0] if position == 1 else f"/sum/{position - 1}", part], [sums]))
    return nodes


def _doubles(name: str, values: list[float]) -> Any:
    from onnx import TensorProto, helper

    return helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values)
