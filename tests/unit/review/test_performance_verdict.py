"""A window's performance against what its model promised: surely, perhaps, or not worse than allowed."""

import pytest
import yaml
from tests.unit.jobs.world import SPEC

from perennial.review.performance_verdict import performance_verdict
from perennial.spec.models import UseCase
from perennial.verdict import Verdict


def spec_with(metric: str, most: float | None) -> UseCase:
    document = yaml.safe_load(SPEC)
    document["training"]["metric"] = metric
    document["monitoring"].pop("max_metric_loss")
    if most is not None:
        document["monitoring"]["max_metric_loss"] = most
    return UseCase.model_validate(document)


@pytest.mark.parametrize(
    ("metric", "value", "low", "high", "verdict"),
    [
        ("roc_auc", 0.71, 0.69, 0.73, Verdict.PASS),
        ("roc_auc", 0.65, 0.60, 0.70, Verdict.PASS),  # exactly the limit is not more than it
        ("roc_auc", 0.64, 0.60, 0.68, Verdict.WARN),
        ("roc_auc", 0.60, 0.56, 0.64, Verdict.FAIL),
        ("roc_auc", 0.60, None, None, Verdict.WARN),  # without an interval nothing is sure
        ("log_loss", 0.72, 0.70, 0.74, Verdict.PASS),
        ("log_loss", 0.80, 0.72, 0.88, Verdict.WARN),
        ("log_loss", 0.80, 0.77, 0.83, Verdict.FAIL),
    ],
)
def test_worse_than_at_deployment(
    metric: str, value: float, low: float | None, high: float | None, verdict: Verdict
) -> None:
    assert performance_verdict(spec_with(metric, 0.05), Verdict.PASS, value, low, high, 0.70) is verdict


def test_without_a_limit_or_a_promise_it_stays_what_was_measured() -> None:
    limited, free = spec_with("roc_auc", 0.05), spec_with("roc_auc", None)
    assert performance_verdict(free, Verdict.PASS, 0.1, 0.05, 0.15, 0.7) is Verdict.PASS
    assert performance_verdict(limited, Verdict.PASS, 0.1, 0.05, 0.15, None) is Verdict.PASS
    assert performance_verdict(limited, Verdict.INSUFFICIENT, None, None, None, 0.7) is Verdict.INSUFFICIENT
    assert performance_verdict(limited, None, None, None, None, 0.7) is None
