"""The registries say what the libraries have: they are compared with the real ones."""

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from perennial.spec.expectations import EXPECTATION_ARGUMENTS
from perennial.spec.names import ESTIMATORS, METRICS, Task


@pytest.fixture(scope="module")
def implementation() -> Callable[[str], Any]:
    """Great Expectations' own class of an expectation."""
    with warnings.catch_warnings():  # the library's imports, not ours
        warnings.simplefilter("ignore")
        registry = importlib.import_module("great_expectations.expectations.registry")
        importlib.import_module("great_expectations.expectations.core")
    get: Callable[[str], Any] = registry.get_expectation_impl
    return get


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_are_scikit_learn_s(name: str) -> None:
    for task in Task:
        path = ESTIMATORS[name].path(task)
        assert path is not None
        module, _, attribute = path.rpartition(".")
        estimator = getattr(importlib.import_module(module), attribute)()
        assert hasattr(estimator, "predict_proba") == (task is Task.BINARY_CLASSIFICATION)


def test_metrics_are_listed_under_their_own_names_and_every_task_has_one() -> None:
    assert all(name == metric.name for name, metric in METRICS.items())
    assert {task for metric in METRICS.values() for task in metric.tasks} == set(Task)
    assert METRICS["roc_auc"].higher_is_better
    assert not METRICS["mae"].higher_is_better


@pytest.mark.parametrize("name", EXPECTATION_ARGUMENTS)
def test_arguments_are_those_that_great_expectations_takes(name: str, implementation: Callable[[str], Any]) -> None:
    fields = implementation(name).__fields__
    ours = EXPECTATION_ARGUMENTS[name]
    assert set(ours.names) <= set(fields)
    assert {field for field, info in fields.items() if info.required} <= set(ours.required)
