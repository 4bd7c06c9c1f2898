"""Fitting step by step gives the model that scikit-learn's own pipeline gives, with less beside it in memory."""

import weakref
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from perennial.features.build import feature_frame
from perennial.modeling import train
from perennial.modeling.artifact import dump
from perennial.modeling.recipe import build_pipeline
from perennial.spec.names import Task


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("calibrate", ["never", "always"])
@pytest.mark.parametrize("estimator", ["hist_gradient_boosting", "random_forest", "extra_trees", "linear", "dummy"])
def test_the_model_has_the_bytes_that_the_whole_pipeline_fits(
    estimator: str, calibrate: str, weighted: bool, problems: Any, make_candidate: Any
) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    candidate = make_candidate(estimator).model_copy(update={"calibrate": calibrate})
    weights = np.linspace(0.5, 1.0, len(problem.truth)) if weighted else None
    whole = build_pipeline(problem.spec, candidate)
    whole.fit(problem.frame, problem.truth, **({} if weights is None else {"estimator__sample_weight": weights}))
    train._forget_threads(whole)

    assert dump(train.fit(problem.spec, candidate, problem.frame, problem.truth, weights)) == dump(whole)


def test_the_frame_has_left_the_memory_when_the_estimator_is_fitted(
    problems: Any, make_candidate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problems[Task.BINARY_CLASSIFICATION]
    frames: list[Any] = []
    alive: list[bool] = []
    without_empty, fit = train._without_empty_numbers, HistGradientBoostingClassifier.fit

    def watched(frame: Any) -> Any:
        found = without_empty(frame)
        frames.extend([weakref.ref(frame), weakref.ref(found)])
        return found

    def looking(self: Any, *given: Any, **named: Any) -> Any:
        alive.extend(each() is not None for each in frames)
        return fit(self, *given, **named)

    monkeypatch.setattr(train, "_without_empty_numbers", watched)
    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", looking)
    candidate = make_candidate("hist_gradient_boosting")
    train.fit(problem.spec, candidate, feature_frame(problem.spec, problem.rows), problem.truth)

    assert alive == [False, False]
