"""Decisions about retraining: golden cases, and what holds for all of them."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from perennial.errors import InvalidSpec
from perennial.policy.retraining import DriftPoint, PerformancePoint, decide_on_drift, decide_on_performance
from perennial.spec.models import Monitoring, Persistence
from perennial.verdict import Decision, Verdict
from perennial.window import Window

GOLDEN = yaml.safe_load((Path(__file__).parents[2] / "golden" / "retraining.yaml").read_text())
FIRST = datetime(2013, 3, 1, tzinfo=UTC)
SIGNS = {"A": Verdict.FAIL, ".": Verdict.PASS, "?": Verdict.INSUFFICIENT, "w": Verdict.WARN}


def day(number: int) -> Window:
    return Window(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


def moment(value: date | None) -> datetime | None:
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if value else None


def drift(signs: str) -> list[DriftPoint]:
    return [DriftPoint(day(i), SIGNS[sign]) for i, sign in enumerate(signs)]


def on_performance(case: dict[str, Any]) -> Decision:
    points = [PerformancePoint(day(i), value, labelled) for i, (value, labelled) in enumerate(case["windows"])]
    return decide_on_performance(
        Monitoring(persistence=Persistence(alarms=2, of=3), max_metric_loss=case.get("max_metric_loss", 0.02)),
        moment(case.get("as_of")) or points[-1].window.end,
        case["metric"],
        at_deployment=case["at_deployment"],
        recent=points,
        last_deployment_at=moment(case.get("last_deployment_at")),
        last_retrain_at=moment(case.get("last_retrain_at")),
    )


@pytest.mark.parametrize("case", GOLDEN["drift"], ids=lambda case: case["name"])
def test_golden_drift(case: dict[str, Any]) -> None:
    points = drift(case["windows"])
    as_of = moment(case.get("as_of")) or points[-1].window.end
    last_deployment, last_retrain = moment(case.get("last_deployment_at")), moment(case.get("last_retrain_at"))
    decision = decide_on_drift(Monitoring(), as_of, points, last_deployment, last_retrain)
    assert (decision.action, list(decision.reasons)) == (case["action"], case["reasons"])
    assert decision == decide_on_drift(Monitoring(), as_of, points[::-1], last_deployment, last_retrain)
    json.dumps(decision.numbers, allow_nan=False)


@pytest.mark.parametrize("case", GOLDEN["performance"], ids=lambda case: case["name"])
def test_golden_performance(case: dict[str, Any]) -> None:
    decision = on_performance(case)
    assert (decision.action, list(decision.reasons)) == (case["action"], case["reasons"])
    json.dumps(decision.numbers, allow_nan=False)


def test_the_numbers_behind_a_decision_on_drift() -> None:
    decision = decide_on_drift(Monitoring(), day(7).start, drift("AAA.?.."), day(0).start, None)
    assert decision.numbers == {
        "alarms": 3,
        "alarms_needed": 4,
        "windows": 7,
        "windows_considered": 7,
        "windows_insufficient": 1,
        "quiet_until": "2013-03-15T00:00:00+00:00",
    }


def test_the_numbers_behind_a_decision_on_performance() -> None:
    case = {"metric": "mae", "at_deployment": 10.0, "windows": [[11.0, 300]] * 3}
    decision = on_performance(case)
    assert decision.numbers == {
        "metric": "mae",
        "at_deployment": 10.0,
        "now": 11.0,
        "loss": 1.0,
        "max_metric_loss": 0.02,
        "windows": 3,
        "windows_needed": 3,
        "labelled_rows": 900,
        "quiet_until": None,
    }


def test_a_metric_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="'accuraccy' decides about retraining, but is not known; known are roc_auc"):
        on_performance({"metric": "accuraccy", "at_deployment": 1.0, "windows": [[1.0, 900]] * 3})


@pytest.mark.parametrize("unknown", [float("nan"), float("inf")])
def test_a_deployment_metric_that_is_no_number_waits_and_stays_json(unknown: float) -> None:
    decision = on_performance({"metric": "roc_auc", "at_deployment": unknown, "windows": [[0.5, 900]] * 3})
    assert decision.action == "wait"
    json.dumps(decision.numbers, allow_nan=False)
