"""The pipelines that a spec's candidates stand for."""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from perennial.errors import InvalidSpec
from perennial.features.build import categorical_features, feature_names
from perennial.spec.models import UseCase
from perennial.spec.names import ESTIMATORS
from perennial.spec.training import Candidate

CALIBRATION_FOLDS = 3


def build_pipeline(spec: UseCase, candidate: Candidate) -> Pipeline:
    """An unfitted pipeline that takes a `feature_frame`: steps `encode` and `estimator`.

    Trees get categories as ordinals (unknown and missing ones -1) and numbers as they are; linear models get
    categories one-hot, numbers imputed by their median and scaled. Errors: `InvalidSpec` when the estimator or a
    parameter is unknown, or a parameter's value is not allowed.
    """
    estimator = _estimator(spec, candidate)
    if candidate.calibrate == "always":
        if "n_jobs" in estimator.get_params():
            # The sigmoid is fitted on predictions, and threads add up the votes of a forest in any order.
            estimator.set_params(n_jobs=None)
        # Folds are stretches of the rows' order, which is that of time, with the same share of each outcome.
        estimator = CalibratedClassifierCV(estimator, method="sigmoid", cv=CALIBRATION_FOLDS, ensemble=False)
    encode = _linear_encoding(spec) if candidate.estimator == "linear" else tree_encoding(spec)
    return Pipeline([("encode", encode), ("estimator", estimator)])


def tree_encoding(spec: UseCase, also: tuple[str, ...] = ()) -> ColumnTransformer:
    """Categories as ordinals, numbers as they are; `also` are numeric columns that a frame has beside the features."""
    ordinal = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1, dtype=np.float64
    )
    return ColumnTransformer(
        [
            ("categorical", ordinal, categorical_features(spec)),
            ("numeric", "passthrough", [*_numeric_features(spec), *also]),
        ],
        verbose_feature_names_out=False,
    )


def _linear_encoding(spec: UseCase) -> ColumnTransformer:
    # Categories that are rare tell a linear model little and would each cost a coefficient.
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20, sparse_output=False)
    numeric = Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scale", StandardScaler()),
        ]
    )
    return ColumnTransformer(
        [("categorical", one_hot, categorical_features(spec)), ("numeric", numeric, _numeric_features(spec))],
        verbose_feature_names_out=False,
    )


def _numeric_features(spec: UseCase) -> list[str]:
    categories = set(categorical_features(spec))
    return [name for name in feature_names(spec) if name not in categories]


def _estimator(spec: UseCase, candidate: Candidate) -> BaseEstimator:
    class_ = _estimator_class(spec, candidate)
    allowed = sorted(set(class_().get_params()) - {"random_state"})
    for name in (*candidate.parameters, *candidate.search):
        if name == "random_state":
            raise InvalidSpec(
                f"{_where(spec, candidate)} sets random_state; the seed of all candidates is training.seed."
            )
        if name not in allowed:
            near = get_close_matches(name, allowed, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(allowed)}."
            raise InvalidSpec(f"{_where(spec, candidate)}: {candidate.estimator} has no parameter {name!r}; {hint}")
    estimator = class_().set_params(**_seeded(class_, spec.training.seed, candidate.parameters))
    try:
        estimator._validate_params()
    except ValueError as error:
        raise InvalidSpec(f"{_where(spec, candidate)}: {error}") from error
    return estimator


def _estimator_class(spec: UseCase, candidate: Candidate) -> Any:
    if candidate.estimator not in ESTIMATORS:
        near = get_close_matches(candidate.estimator, ESTIMATORS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(ESTIMATORS)}."
        raise InvalidSpec(f"{_where(spec, candidate)}: {candidate.estimator!r} is not an estimator; {hint}")
    path = ESTIMATORS[candidate.estimator].path(spec.task)
    if path is None:
        raise InvalidSpec(f"{_where(spec, candidate)}: {candidate.estimator} can't do {spec.task}.")
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _seeded(class_: Any, seed: int, parameters: dict[str, Any]) -> dict[str, Any]:
    return {**parameters, "random_state": seed} if "random_state" in class_().get_params() else parameters


def _where(spec: UseCase, candidate: Candidate) -> str:
    return f"{spec.name}, training.candidates.{candidate.name}"
