"""One suite for every ledger: what a page over all use cases asks is what the ledger answers about each of them."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.contract.test_ledger import (
    FIRST_RECORDING,
    batch,
    day_window,
    decision,
    deployment,
    drift,
    instant,
    intervention,
    late,
    ledger,
    make_ledger,
    performance,
    record_batch,
    snapshot,
    validation,
)

from perennial.ledger.entries import IN_SERVICE, DecisionKind, DeployedRole, InterventionKind
from perennial.ledger.parts.overview import REMEMBERED, Span, WindowFacts
from perennial.ledger.port import Ledger
from perennial.performance.maturity import Maturity
from perennial.verdict import Verdict

__all__ = ["ledger", "make_ledger"]


@pytest.fixture
def names() -> tuple[str, str, str]:
    """Two use cases with records and one without."""
    return (f"one_{uuid4().hex[:8]}", f"two_{uuid4().hex[:8]}", f"none_{uuid4().hex[:8]}")


def of_march(name: str, until: int = 9, metric: str = "roc_auc") -> Span:
    return Span(name, instant(1), instant(until), metric)


def test_the_last_window_of_each(ledger: Ledger, names: tuple[str, str, str]) -> None:
    one, two, _ = names
    for day in (1, 3, 2):
        ledger.record_snapshot(snapshot(one, day))
    ledger.record_snapshot(snapshot(two, 7))
    assert ledger.last_ingested_of(names) == {one: day_window(3), two: day_window(7)}
    assert ledger.last_ingested_of([]) == {}


def test_the_challengers_and_the_last_decisions_of_each(ledger: Ledger, names: tuple[str, str, str]) -> None:
    one, two, _ = names
    assert ledger.challengers_of(names) == ledger.last_decisions_of(names, DecisionKind.ROLLOUT) == {}
    ledger.deploy(deployment(one, 1))
    shadow = ledger.deploy(deployment(one, 2, role=DeployedRole.CHALLENGER, share=0))
    five = ledger.deploy(replace(shadow, supersedes=shadow.id, share=5, run_id="five", id=None, recorded_at=None))
    ended = ledger.deploy(deployment(two, 3, role=DeployedRole.CHALLENGER, share=5, ends=True))
    assert ledger.challengers_of(names) == {one: five, two: ended}
    assert ledger.challengers_of([]) == {}
    late = ledger.record_decision(decision(one, "late", kind=DecisionKind.ROLLOUT, as_of=instant(9)))
    ledger.record_decision(decision(one, "early", kind=DecisionKind.ROLLOUT, as_of=instant(3)))
    ledger.record_decision(decision(one, "other", kind=DecisionKind.STANDBY, as_of=instant(12)))
    last = [ledger.record_decision(decision(two, text, kind=DecisionKind.ROLLOUT, as_of=instant(4))) for text in "ab"]
    assert ledger.last_decisions_of(names, DecisionKind.ROLLOUT) == {one: late, two: last[-1]}
    assert ledger.last_decisions_of([one], DecisionKind.STANDBY)[one].subject == "other"


def test_the_champions_of_each(ledger: Ledger, names: tuple[str, str, str]) -> None:
    one, two, _ = names
    first = ledger.deploy(deployment(one, 1, day=1, metrics={"roc_auc": 0.6}))
    by_windows = {IN_SERVICE: {"roc_auc": 0.75}}
    second = ledger.deploy(
        deployment(one, 2, first, day=3, metrics={"roc_auc": 0.8, "brier": 0.1}, training=by_windows)
    )
    third = ledger.deploy(deployment(one, 1, second, day=5, metrics={"roc_auc": 0.61}))
    ledger.deploy(deployment(one, 9, day=6, role=DeployedRole.CHALLENGER))
    ledger.deploy(deployment(two, 4, day=2))
    found = ledger.champions_of(names)
    assert set(found) == {one, two}
    assert (found[one].first_from, found[one].version) == (instant(1), "1")
    assert (found[one].effective_from, found[one].recorded_at) == (instant(5), third.recorded_at)
    assert found[one].metrics == {"1": {"roc_auc": 0.61}, "2": {"roc_auc": 0.75, "brier": 0.1}}
    assert (second.expected("roc_auc"), third.expected("roc_auc"), third.expected("brier")) == (0.75, 0.61, None)
    assert (found[two].first_from, found[two].version) == (instant(2), "4")


def test_of_many_deployments_the_metrics_of_the_last_are_told(ledger: Ledger, names: tuple[str, str, str]) -> None:
    one, _, _ = names
    last = None
    for version in range(REMEMBERED + 2):
        last = ledger.deploy(deployment(one, version, last, day=1 + version // 9))
    found = ledger.champions_of([one])[one]
    assert found.first_from == instant(1)
    assert set(found.metrics) == {str(version) for version in range(2, REMEMBERED + 2)}


def test_what_counts_of_each_window(ledger: Ledger, names: tuple[str, str, str]) -> None:
    one, two, _ = names
    ledger.record_validation(validation(one, 2, Verdict.FAIL))
    ledger.record_validation(validation(one, 2, Verdict.WARN, suite_digest="newer", rows=901, rows_quarantined=4))
    record_batch(ledger, batch(one, 2, 1))
    second = record_batch(ledger, batch(one, 2, 2, model_version="7", run_id="scored"))
    ledger.record_drift(drift(one, 3, Verdict.FAIL))
    newest = ledger.record_drift(drift(one, 3, Verdict.PASS, number=1, p_value=None, run_id="monitored"))
    ledger.record_performance(performance(two, 2, instant(5)))
    ledger.record_performance(
        performance(
            two, 2, instant(6), maturity=Maturity.FINAL, completeness=1.0, metrics={"roc_auc": 0.9, "brier": 0.1},
            intervals={"roc_auc": {"low": 0.8, "high": 0.95}},
        )
    )  # fmt: skip
    ledger.record_late_rows(late(two, 2, 2))
    ledger.record_late_rows(late(two, 2, 3))
    found = ledger.facts_of([of_march(name) for name in names])
    assert list(found[one]) == [
        WindowFacts(
            day_window(2), validation=Verdict.WARN, rows=901, rows_quarantined=4, revision=2, model_version="7",
            run_id="scored", recorded_at=second.recorded_at,
        ),
        WindowFacts(day_window(3), drift=Verdict.PASS, run_id="monitored", recorded_at=newest.recorded_at),
    ]  # fmt: skip
    assert list(found[two]) == [
        WindowFacts(
            day_window(2), performance=Verdict.PASS, maturity=Maturity.FINAL, completeness=1.0, value=0.9, low=0.8,
            high=0.95, rows_late=150,
        )
    ]  # fmt: skip
    assert set(found) == {one, two}
    brier = ledger.facts_of([of_march(two, metric="brier")])[two]
    assert [(each.value, each.low, each.high) for each in brier] == [(0.1, None, None)]


def test_the_run_that_wrote_last_is_the_one_that_is_named(ledger: Ledger, names: tuple[str, str, str]) -> None:
    record_batch(ledger, batch(names[0], 2, run_id="scored"))
    last = ledger.record_validation(validation(names[0], 2, run_id="validated again"))
    found = ledger.facts_of([of_march(names[0])])[names[0]]
    assert [(each.run_id, each.recorded_at) for each in found] == [("validated again", last.recorded_at)]
    assert last.recorded_at == FIRST_RECORDING + timedelta(minutes=1)


def test_each_use_case_has_an_interval_of_its_own(ledger: Ledger, names: tuple[str, str, str]) -> None:
    one, two, _ = names
    for name in (one, two):
        for day in (1, 2, 3):
            ledger.record_validation(validation(name, day))
    found = ledger.facts_of([Span(one, instant(2), instant(4)), Span(two, instant(1), instant(2))])
    assert [each.window for each in found[one]] == [day_window(2), day_window(3)]
    assert [each.window for each in found[two]] == [day_window(1)]
    assert not ledger.facts_of([])


def test_gaps_and_empty_windows_are_what_each_use_case_alone_is_answered(
    ledger: Ledger, names: tuple[str, str, str]
) -> None:
    one, two, none = names
    for day in (1, 2, 5):
        record_batch(ledger, batch(one, day))
    record_batch(ledger, batch(one, 5, 2))
    for day in (1, 2, 3):
        record_batch(ledger, batch(two, day))
    for day in (3, 12):
        ledger.record_intervention(intervention(one, day_window(day).key, kind=InterventionKind.WINDOW_EMPTY))
    ledger.record_intervention(intervention(two, day_window(3).key, kind=InterventionKind.ALIAS_RESTORED))
    spans = [of_march(one), of_march(two, until=4), of_march(none)]
    gaps, empty = ledger.unscored_of(spans), ledger.noted_empty_of(spans)
    assert dict(gaps) == {
        one: [(instant(3), instant(5)), (instant(6), instant(9))],
        none: [(instant(1), instant(9))],
    }
    for span in spans:
        ends = (span.use_case, span.start, span.end)
        assert list(gaps.get(span.use_case, [])) == list(ledger.unscored_between(*ends))
        assert empty.get(span.use_case, frozenset()) == ledger.windows_noted_empty(*ends)
    assert dict(empty) == {one: {day_window(3)}}
    assert not ledger.unscored_of([replace(of_march(one), end=instant(1))])


def test_a_window_says_which_challenger_predicted_which_share(ledger: Ledger, names: tuple[str, str, str]) -> None:
    one, *_ = names
    parts = [
        {"role": "champion", "model_version": "1", "model_digest": "m1", "rows": 675},
        {"role": "challenger", "model_version": "2", "model_digest": "m2", "rows": 225, "share": 25},
    ]
    record_batch(ledger, batch(one, day=2, parts=tuple(parts)))
    failed = {**parts[1], "rows": 0, "failed": "gone"}
    record_batch(ledger, batch(one, day=3, parts=({**parts[0], "rows": 900}, failed)))
    record_batch(ledger, batch(one, day=4))
    found = ledger.facts_of([of_march(one)])[one]
    assert [(each.model_version, each.challenger, each.challenger_share) for each in found] == [
        ("1", "2", 0.25),
        ("1", None, None),
        ("1", None, None),
    ]
