"""Decisions about retraining: golden cases, and what holds for all of them."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from perennial.errors import InvalidSpec
from perennial.performance.audit import Trust
from perennial.policy.evidence import Awaited, ColumnPoint, DriftPoint, PerformancePoint, RetrainingEvidence
from perennial.policy.retraining import decide
from perennial.spec.monitoring import Monitoring, Persistence, Trigger
from perennial.verdict import Decision, Verdict
from perennial.window import Every, Window

GOLDEN_FILE = Path(__file__).parents[2] / "golden" / "retraining.yaml"
GOLDEN = yaml.safe_load(GOLDEN_FILE.read_text())
FIRST = datetime(2013, 3, 1, tzinfo=UTC)
SIGNS = {"A": Verdict.FAIL, ".": Verdict.PASS, "?": Verdict.INSUFFICIENT, "w": Verdict.WARN}
STANDARD_ERROR = 0.001
LEVEL = 0.05


def day(number: int) -> Window:
    return Window(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


def moment(value: date | None) -> datetime | None:
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if value else None


def evidence(case: dict[str, Any], **points: Any) -> RetrainingEvidence:
    count = max((len(each) for each in points.values()), default=0)
    return RetrainingEvidence(
        as_of=moment(case.get("as_of")) or day(count).start,
        every=Every.DAY,
        metric=case.get("metric", "roc_auc"),
        at_deployment=case.get("at_deployment"),
        reference_windows=case.get("reference_windows", 59),
        trust=Trust(case.get("trust", "unproven")),
        last_trained_as_of=moment(case.get("trained_until")),
        deployed_at=moment(case.get("deployed_at")),
        retrains=tuple(filter(None, map(moment, case.get("retrains", ())))),
        rejected_at=moment(case.get("rejected_at")),
        new_labels=case.get("new_labels"),
        failed=day(case["failed"]) if "failed" in case else None,
        awaited=awaited(case["awaited"]) if "awaited" in case else None,
        **{name: tuple(each) for name, each in points.items()},
    )


def awaited(values: list[Any]) -> Awaited:
    needed, had, come, until = values
    return Awaited(needed, had, come, moment(until) or FIRST)


def policy(case: dict[str, Any], **defaults: Any) -> Monitoring:
    return Monitoring(**defaults | case.get("policy", {}))


def on_alarms(case: dict[str, Any]) -> tuple[Monitoring, RetrainingEvidence, Trigger]:
    points = [
        DriftPoint(day(i), SIGNS[sign], None, rows=900, learnable=learnable(case, i))
        for i, sign in enumerate(case["windows"])
    ]
    return policy(case, persistence=Persistence(alarms=4, of=7)), evidence(case, drift=points), Trigger.DRIFT


def on_evidence(case: dict[str, Any]) -> tuple[Monitoring, RetrainingEvidence, Trigger]:
    missing = tuple(case.get("missing", ()))
    points = [
        DriftPoint(day(i), verdict_of(p), p, missing, columns_of(case, i, missing), 900, learnable(case, i))
        for i, p in enumerate(case["p_values"])
    ]
    return policy(case), evidence(case, drift=points), Trigger.DRIFT


def learnable(case: dict[str, Any], number: int) -> bool | None:
    """Whether a window is mature: `mature` of a case says how many are, the oldest first."""
    return number < case["mature"] if "mature" in case else None


def columns_of(case: dict[str, Any], number: int, missing: tuple[str, ...]) -> dict[str, ColumnPoint]:
    return {
        name: ColumnPoint(values[number], name in missing, case.get("importances", {}).get(name))
        for name, values in case.get("columns", {}).items()
        if values[number] is not None
    }


def on_blockers(case: dict[str, Any]) -> tuple[Monitoring, RetrainingEvidence, Trigger]:
    return on_alarms({**case, "windows": "AAAA"})


def on_age(case: dict[str, Any]) -> tuple[Monitoring, RetrainingEvidence, Trigger]:
    return policy(case), evidence({"as_of": FIRST + timedelta(days=9), **case}), Trigger.AGE


def on_performance(case: dict[str, Any]) -> tuple[Monitoring, RetrainingEvidence, Trigger]:
    spec = policy(case, trailing_windows=3, max_metric_loss=case.get("max_metric_loss", 0.02))
    return spec, evidence(case, performance=measured(case)), Trigger.PERFORMANCE


def on_estimate(case: dict[str, Any]) -> tuple[Monitoring, RetrainingEvidence, Trigger]:
    spec = policy(case, trailing_windows=3, max_metric_loss=0.02, triggers=("estimate",))
    return spec, evidence(case, estimates=measured(case)), Trigger.ESTIMATE


def measured(case: dict[str, Any]) -> list[PerformancePoint]:
    windows = [(*each, STANDARD_ERROR)[:3] for each in case["windows"]]
    return [PerformancePoint(day(i), value, error, rows) for i, (value, rows, error) in enumerate(windows)]


def verdict_of(p: float | None) -> Verdict:
    if p is None:
        return Verdict.INSUFFICIENT
    return Verdict.FAIL if p <= LEVEL else Verdict.PASS


KINDS: dict[str, Callable[[dict[str, Any]], tuple[Monitoring, RetrainingEvidence, Trigger]]] = {
    "alarms": on_alarms,
    "evidence": on_evidence,
    "blockers": on_blockers,
    "age": on_age,
    "performance": on_performance,
    "estimate": on_estimate,
}
CASES = [pytest.param(kind, case, id=f"{kind}: {case['name']}") for kind in KINDS for case in GOLDEN[kind]]


def decided(kind: str, case: dict[str, Any]) -> Decision:
    spec, known, trigger = KINDS[kind](case)
    return decide(spec, known, [trigger])


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_golden(kind: str, case: dict[str, Any]) -> None:
    decision = decided(kind, case)
    assert (decision.action, list(decision.reasons)) == (case["action"], case["reasons"])
    json.dumps(decision.numbers, allow_nan=False)


@pytest.mark.parametrize("kind", ["alarms", "evidence"])
def test_the_order_in_which_evidence_is_given_does_not_matter(kind: str) -> None:
    for case in GOLDEN[kind]:
        spec, known, trigger = KINDS[kind](case)
        backwards = RetrainingEvidence(**{**vars(known), "drift": known.drift[::-1]})
        assert decide(spec, known, [trigger]) == decide(spec, backwards, [trigger])


def test_the_numbers_behind_a_decision_on_alarms() -> None:
    decision = decided("alarms", {"windows": "AAA.?.."})
    assert decision.numbers == {
        "trigger": None,
        "new_labels": None,
        "estimate_trust": "unproven",
        "concept_drift": False,
        "alarms": 3,
        "alarms_needed": 4,
        "windows": 7,
        "windows_considered": 7,
        "windows_insufficient": 1,
    }


def test_the_numbers_behind_a_decision_on_evidence_hold_the_alarms_expected() -> None:
    numbers = decided("evidence", {"p_values": [0.5, 0.02, None, 0.3]}).numbers
    assert numbers["windows"] == 3
    assert numbers["alarms"] == 1
    assert numbers["alarms_expected"] == pytest.approx(0.15)
    assert 0 <= numbers["evidence"] < numbers["evidence_needed"]


def test_the_numbers_behind_a_decision_on_performance() -> None:
    case = {"metric": "mae", "at_deployment": 10.0, "windows": [[11.0, 300, 0.3]] * 3}
    numbers = decided("performance", case).numbers
    assert {name: numbers[name] for name in ("trigger", "metric", "now", "loss", "rows", "windows")} == {
        "trigger": "performance",
        "metric": "mae",
        "now": 11.0,
        "loss": 1.0,
        "rows": 900,
        "windows": 3,
    }
    error = 0.3 / 3**0.5
    assert numbers["low"] == pytest.approx(11 - 1.96 * error, abs=1e-3)
    assert numbers["loss_at_least"] == pytest.approx(1 - 1.96 * error, abs=1e-3)


def test_of_several_triggers_each_that_calls_gives_its_reason_and_the_first_its_name() -> None:
    spec = Monitoring(max_age=timedelta(days=30), persistence=Persistence(alarms=1, of=1))
    known = evidence({"trained_until": date(2013, 1, 1)}, drift=[DriftPoint(day(0), Verdict.FAIL, 0.01)])
    decision = decide(spec, known)
    assert decision.action == "retrain"
    assert decision.numbers["trigger"] == "drift"
    assert len(decision.reasons) == 2


def test_missing_values_do_not_block_what_something_else_calls_for_too() -> None:
    spec = Monitoring(max_age=timedelta(days=30), persistence=Persistence(alarms=1, of=1))
    broken = [DriftPoint(day(0), Verdict.FAIL, 0.01, ("temp",))]
    assert decide(spec, evidence({}, drift=broken)).action == "wait"
    assert decide(spec, evidence({"trained_until": date(2013, 1, 1)}, drift=broken)).action == "retrain"


def test_a_metric_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="'accuraccy' decides about retraining, but is not known; known are roc_auc"):
        decided("performance", {"metric": "accuraccy", "at_deployment": 1.0, "windows": [[1.0, 900]] * 3})


@pytest.mark.parametrize("unknown", [float("nan"), float("inf")])
def test_a_deployment_metric_that_is_no_number_waits_and_stays_json(unknown: float) -> None:
    decision = decided("performance", {"at_deployment": unknown, "windows": [[0.5, 900]] * 3})
    assert decision.action == "wait"
    json.dumps(decision.numbers, allow_nan=False)
