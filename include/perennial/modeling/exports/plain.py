"""A pipeline as plain numbers: look-ups of categories, then a sum of trees or a weighted sum; what exports write.

Read off the fitted pipeline in double precision, so that an export computes as the model does. The usual converter
(skl2onnx 1.20) was tried first: it refuses gradient boosting in double precision, and does not end on forests that
were fitted with missing values.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline

from perennial.errors import NotExportable
from perennial.modeling.inputs import model_inputs

IDENTITY, LOGIT, LOG = "identity", "logit", "log"
_LINKS = {"IdentityLink": IDENTITY, "LogitLink": LOGIT, "LogLink": LOG}
_UNSEEN = "\x00perennial: no category"  # a text that no data has


@dataclass(frozen=True)
class LookUp:
    """What a categorical feature's values become; `other` stands for any that was not seen in training."""

    feature: str
    values: dict[str, float]
    missing: float
    other: float


@dataclass(frozen=True)
class Term:
    """A number's part in a weighted sum: `weight * ((x, or `missing` where there is none) - mean) / scale`."""

    feature: str
    weight: float
    mean: float
    scale: float
    missing: float


@dataclass(frozen=True)
class Leaf:
    """The end of a tree."""

    value: float


@dataclass(frozen=True)
class Split:
    """Left where `x <= threshold`, and where x is missing if `missing_left`; `feature` is a position."""

    feature: int
    threshold: float
    missing_left: bool
    left: int
    right: int


Tree = tuple[Leaf | Split, ...]  # the root first


@dataclass(frozen=True)
class Trees:
    """`(base + sum of the trees) / divisor`."""

    trees: tuple[Tree, ...]
    base: float
    divisor: float


@dataclass(frozen=True)
class WeightedSum:
    """`intercept`, plus what each category was looked up as, plus each term."""

    intercept: float
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class PlainModel:
    """`features` in the order in which trees know them; the prediction is the body through the inverse link."""

    features: tuple[str, ...]
    look_ups: tuple[LookUp, ...]
    body: Trees | WeightedSum
    link: str


def plain_model(pipeline: Pipeline) -> PlainModel:
    """The pipeline of `perennial.modeling.recipe` as numbers. Errors: `NotExportable` for what has no such form."""
    estimator = pipeline.named_steps["estimator"]
    if "prediction" in model_inputs(pipeline).features:
        raise NotExportable("A feature is called prediction, as the export's output is. Give the column another name.")
    if isinstance(estimator, LogisticRegression | Ridge):
        return _linear(pipeline, estimator)
    if isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        body, link = _boosted(estimator), _LINKS[type(estimator._loss.link).__name__]
    elif isinstance(
        estimator, RandomForestClassifier | RandomForestRegressor | ExtraTreesClassifier | ExtraTreesRegressor
    ):
        body, link = _forest(estimator), IDENTITY
    else:
        raise NotExportable(
            f"A {type(estimator).__name__} is not exported; hist_gradient_boosting, random_forest, extra_trees and "
            "linear are."
        )
    encode = pipeline.named_steps["encode"]
    inputs = model_inputs(pipeline)
    categorical = [name for name in inputs.features if name in inputs.categorical]
    names = tuple(map(str, encode.get_feature_names_out()))
    return PlainModel(names, tuple(_ordinals(encode, inputs.features, name) for name in categorical), body, link)


def _ordinals(encode: Any, features: tuple[str, ...], name: str) -> LookUp:
    ordinal = encode.named_transformers_["categorical"]
    known = ordinal.categories_[list(ordinal.feature_names_in_).index(name)]
    texts = [each for each in known if isinstance(each, str)]
    column = list(map(str, encode.get_feature_names_out())).index(name)
    codes = encode.transform(_rows(features, name, [*texts, float("nan"), _UNSEEN]))[:, column].astype(float)
    *values, missing, other = map(float, codes)
    return LookUp(name, dict(zip(texts, values, strict=True)), missing, other)


def _rows(features: tuple[str, ...], name: str, values: list[Any]) -> pd.DataFrame:
    """Rows in which everything is missing but the values of one feature."""
    nothing = pd.Series([float("nan")] * len(values), dtype=object)
    return pd.DataFrame({each: pd.Series(values, dtype=object) if each == name else nothing for each in features})


def _boosted(estimator: Any) -> Trees:
    trees = []
    for (predictor,) in estimator._predictors:
        nodes = predictor.nodes
        if nodes["is_categorical"].any():
            raise NotExportable(
                "The trees split by sets of categories (parameter categorical_features), which exports don't have "
                "(see sklearn-onnx#1051). Leave that parameter out: categories then become ordinals."
            )
        trees.append(
            tuple(
                Leaf(float(each["value"]))
                if each["is_leaf"]
                else Split(
                    int(each["feature_idx"]),
                    float(each["num_threshold"]),
                    bool(each["missing_go_to_left"]),
                    int(each["left"]),
                    int(each["right"]),
                )
                for each in nodes
            )
        )
    return Trees(tuple(trees), float(np.ravel(estimator._baseline_prediction)[0]), 1.0)


def _forest(estimator: Any) -> Trees:
    positive = list(estimator.classes_).index(1) if hasattr(estimator, "classes_") else 0
    trees = []
    for each in estimator.estimators_:
        tree = each.tree_
        trees.append(
            tuple(
                Leaf(float(tree.value[node, 0, positive]))
                if tree.children_left[node] < 0
                else Split(
                    int(tree.feature[node]),
                    double_threshold(float(tree.threshold[node])),
                    bool(tree.missing_go_to_left[node]),
                    int(tree.children_left[node]),
                    int(tree.children_right[node]),
                )
                for node in range(tree.node_count)
            )
        )
    return Trees(tuple(trees), 0.0, float(len(trees)))


def double_threshold(threshold: float) -> float:
    """The largest double that is at most `threshold` once it is rounded to single precision, as forests do.

    >>> double_threshold(0.5) > 0.5
    True
    >>> float(np.float32(double_threshold(0.5)))
    0.5
    >>> float(np.float32(np.nextafter(double_threshold(0.5), 1.0))) > 0.5
    True
    """
    if not np.isfinite(threshold):
        return threshold
    below = np.float32(threshold)
    if float(below) > threshold:
        below = np.nextafter(below, np.float32(-np.inf))
    above = np.nextafter(below, np.float32(np.inf))
    if not np.isfinite(above):
        return float("inf")
    middle = (float(below) + float(above)) / 2
    return middle if np.float32(middle) <= below else float(np.nextafter(middle, -np.inf))


def _linear(pipeline: Pipeline, estimator: Any) -> PlainModel:
    """Each category as the difference that it makes to a row in which all categories are missing."""
    encode, inputs = pipeline.named_steps["encode"], model_inputs(pipeline)
    categorical = [name for name in inputs.features if name in inputs.categorical]
    numeric = [name for name in inputs.features if name not in inputs.categorical]
    weights = np.ravel(estimator.coef_)
    split = len(weights) - len(numeric)  # categories come first (see `recipe`)
    intercept, look_ups = float(np.ravel(estimator.intercept_)[0]), []
    for name in categorical:
        one_hot = encode.named_transformers_["categorical"]
        known = one_hot.categories_[list(one_hot.feature_names_in_).index(name)]
        texts = [each for each in known if isinstance(each, str)]
        rows = _rows(tuple(categorical), name, [*texts, _UNSEEN, float("nan")])
        *scores, other, missing = map(float, one_hot.transform(rows) @ weights[:split])
        values = {text: score - missing for text, score in zip(texts, scores, strict=True)}
        look_ups.append(LookUp(name, values, 0.0, other - missing))
    if categorical:
        nothing = _rows(tuple(categorical), categorical[0], [float("nan")])
        intercept += float((encode.named_transformers_["categorical"].transform(nothing) @ weights[:split])[0])
    terms: list[Term] = []
    if numeric:
        steps = encode.named_transformers_["numeric"].named_steps
        scaled = zip(numeric, weights[split:], steps["scale"].mean_, steps["scale"].scale_, strict=True)
        for (name, weight, mean, scale), missing in zip(scaled, steps["impute"].statistics_, strict=True):
            terms.append(Term(name, float(weight), float(mean), float(scale), float(missing)))
    link = LOGIT if isinstance(estimator, LogisticRegression) else IDENTITY
    return PlainModel((*categorical, *numeric), tuple(look_ups), WeightedSum(intercept, tuple(terms)), link)
