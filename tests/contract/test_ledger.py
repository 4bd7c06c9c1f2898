"""One suite for every ledger: in memory, and in a real PostgreSQL."""

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from tests.waiting import PATIENCE

from perennial.errors import (
    DeploymentConflict,
    DeploymentMoved,
    InvalidWindow,
    LeaseLost,
    SchemaMismatch,
    WindowBusy,
)
from perennial.lease import Lease
from perennial.ledger.entries import (
    Backtest,
    Batch,
    DecisionKind,
    DeployedRole,
    Deployment,
    DriftReport,
    Intervention,
    InterventionKind,
    LateRows,
    LedgerEntry,
    Performance,
    RecordedDecision,
    Snapshot,
    ValidationResult,
)
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.ledger.parts.evidence import DriftOfWindow, Estimate, MetricOfWindow
from perennial.ledger.parts.overview import Span, Status
from perennial.ledger.port import Ledger
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.performance.maturity import Maturity
from perennial.verdict import Verdict
from perennial.window import Window

CHAMPION, CHALLENGER = DeployedRole.CHAMPION, DeployedRole.CHALLENGER
FIRST_RECORDING = datetime(2024, 1, 1, tzinfo=UTC)


class TickingClock:
    """A minute passes between two looks at it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = FIRST_RECORDING

    def __call__(self) -> datetime:
        with self._lock:
            now = self._next
            self._next += timedelta(minutes=1)
            return now


@pytest.fixture(params=["memory", "postgres"])
def make_ledger(request: pytest.FixtureRequest) -> Iterator[Callable[[float], Ledger]]:
    """Makes a ledger of a given lock timeout, in seconds."""
    opened: list[PostgresLedger] = []

    def make(lock_timeout: float) -> Ledger:
        if request.param == "memory":
            return InMemoryLedger(TickingClock(), lock_timeout)
        opened.append(PostgresLedger(request.getfixturevalue("shared_ledger_url"), TickingClock(), lock_timeout))
        return opened[-1]

    yield make
    for real in opened:
        real.close()


@pytest.fixture
def ledger(make_ledger: Callable[[float], Ledger]) -> Ledger:
    return make_ledger(PATIENCE)


@pytest.fixture
def use_case() -> str:
    """A name of the test's own: tests share the database."""
    return f"flights_{uuid4().hex[:8]}"


def instant(day: int, month: int = 3) -> datetime:
    return datetime(2013, month, day, tzinfo=UTC)


def day_window(day: int) -> Window:
    return Window(instant(day), instant(day) + timedelta(days=1))


def snapshot(use_case: str, day: int = 1, version: int = 0, **changes: Any) -> Snapshot:
    made = Snapshot(
        use_case, day_window(day), f"raw/{use_case}", version, f"s{day}.{version}", 900, {"hour": "integer"},
        "SELECT 1", "run-1",
    )  # fmt: skip
    return replace(made, **changes)


def validation(use_case: str, day: int = 1, verdict: Verdict = Verdict.PASS, **changes: Any) -> ValidationResult:
    made = ValidationResult(
        use_case, day_window(day), f"s{day}.0", "suite", verdict, ("all is well",), 900, 3, {"checks": [1, 2]}, "run-1"
    )
    return replace(made, **changes)


def batch(use_case: str, day: int = 1, revision: int = 1, **changes: Any) -> Batch:
    made = Batch(
        use_case, day_window(day), revision, f"s{day}.0", "suite", "scoring", "1", "m1", f"predictions/{use_case}",
        revision, f"p{day}.{revision}", 900, "as_was", 7, "0.1.0+abc", "lock", "run-1",
    )  # fmt: skip
    return replace(made, **changes)


def drift(use_case: str, day: int = 1, verdict: Verdict = Verdict.PASS, **changes: Any) -> DriftReport:
    made = DriftReport(
        use_case,
        day_window(day),
        f"s{day}.0",
        "m1",
        verdict,
        0.25,
        59,
        ("temp",),
        {"temp": {"p_value": 0.25, "missing": True}},
        ("near",),
        {"columns": {}},
        {"rows": 900},
        "run-1",
    )
    return replace(made, **changes)


def performance(use_case: str, day: int = 1, as_of: datetime | None = None, **changes: Any) -> Performance:
    made = Performance(
        use_case, day_window(day), 1, "1", "m1", as_of or instant(5), Maturity.PARTIAL, 900, 450, 0.5, Verdict.PASS,
        {"roc_auc": 0.705}, {"roc_auc": {"low": 0.6}}, {"roc_auc": {"value": 0.7}}, (0.0, 0.5), {"p_value": 0.1},
        4, "run-1",
    )  # fmt: skip
    return replace(made, **changes)


def decision(use_case: str, subject: str = "2013-03-01", day: int = 1, **changes: Any) -> RecordedDecision:
    made = RecordedDecision(
        use_case, DecisionKind.RETRAIN_ON_DRIFT, subject, instant(day), "hold", ("quiet",), {"alarms": 1}, "run-1"
    )
    return replace(made, **changes)


def deployment(
    use_case: str, version: int = 1, supersedes: Deployment | None = None, day: int = 1, **changes: Any
) -> Deployment:
    made = Deployment(
        use_case, CHAMPION, str(version), f"m{version}", instant(day), supersedes.id if supersedes else None, "alice",
        "better", {"snapshot": "t1"}, {"roc_auc": 0.7}, None, "0.1.0+abc", "lock", f"run-{version}",
    )  # fmt: skip
    return replace(made, **changes)


def record_batch(ledger: Ledger, entry: Batch) -> Batch:
    return ledger.record_batch(entry, expected=None)


def intervention(use_case: str, subject: str = "champion", **changes: Any) -> Intervention:
    made = Intervention(
        use_case, InterventionKind.ALIAS_RESTORED, subject, "alice", "moved by hand", {"found": "3"}, "run-1"
    )
    return replace(made, **changes)


def late(use_case: str, day: int = 1, version: int = 2, **changes: Any) -> LateRows:
    made = LateRows(use_case, day_window(day), version, 1, instant(day + 2), 900, 950, 60, 10, 5, 2, 75, "run-1")
    return replace(made, **changes)


def backtest(use_case: str, run_id: str = "run-1", **changes: Any) -> Backtest:
    results = ({"policy": "never", "regret": 0.027, "months": {"2013-03": {"roc_auc": 0.6}}, "retrainings": []},)
    made = Backtest(use_case, instant(1), instant(9), 8, "roc_auc", {"never": {"triggers": []}}, results, run_id)
    return replace(made, **changes)


Record = Callable[[Ledger, Any], LedgerEntry]
Make = Callable[..., LedgerEntry]
RECORDINGS: dict[str, tuple[Record, Make]] = {
    "snapshot": (lambda ledger, entry: ledger.record_snapshot(entry), snapshot),
    "validation": (lambda ledger, entry: ledger.record_validation(entry), validation),
    "batch": (record_batch, batch),
    "drift": (lambda ledger, entry: ledger.record_drift(entry), drift),
    "performance": (lambda ledger, entry: ledger.record_performance(entry), performance),
    "decision": (lambda ledger, entry: ledger.record_decision(entry), decision),
    "deployment": (lambda ledger, entry: ledger.deploy(entry), deployment),
    "intervention": (lambda ledger, entry: ledger.record_intervention(entry), intervention),
    "late": (lambda ledger, entry: ledger.record_late_rows(entry), late),
    "backtest": (lambda ledger, entry: ledger.record_backtest(entry), backtest),
}
every_kind = pytest.mark.parametrize(("record", "make"), RECORDINGS.values(), ids=RECORDINGS)


# --- recording ---------------------------------------------------------------------------------------------------


@every_kind
def test_an_entry_comes_back_whole_with_id_and_recording_time(
    ledger: Ledger, use_case: str, record: Record, make: Make
) -> None:
    stored = record(ledger, make(use_case))
    assert stored == replace(make(use_case), id=stored.id, recorded_at=FIRST_RECORDING)
    assert isinstance(stored.id, int)


@pytest.mark.parametrize("remarks", [("2 of 4 files are empty.", "7 rows were left out."), (), None])
def test_what_was_left_out_of_a_snapshot_is_not_mistaken_for_nothing(
    ledger: Ledger, use_case: str, remarks: tuple[str, ...] | None
) -> None:
    ledger.record_snapshot(snapshot(use_case, remarks=remarks))
    found = ledger.latest_snapshot(use_case, day_window(1))
    assert found is not None
    assert found.remarks == remarks


@every_kind
def test_recording_the_same_again_returns_the_entry_that_is_there(
    ledger: Ledger, use_case: str, record: Record, make: Make
) -> None:
    first = record(ledger, make(use_case))
    assert record(ledger, make(use_case)) == first
    status = ledger.status(use_case)
    assert status.windows_ingested <= 1
    assert status.windows_scored <= 1


@pytest.mark.parametrize(
    ("kind", "rival"),
    [
        ("snapshot", {"digest": "other", "rows": 7}),
        ("validation", {"verdict": Verdict.FAIL}),
        ("drift", {"p_value": 0.001, "verdict": Verdict.FAIL}),
        ("performance", {"metrics": {"roc_auc": 0.1}}),
        ("late", {"new": 61}),
        ("decision", {"action": "retrain", "as_of": instant(9)}),
    ],
)
def test_of_rivals_under_one_natural_key_the_first_stands(
    ledger: Ledger, use_case: str, kind: str, rival: dict[str, Any]
) -> None:
    record, make = RECORDINGS[kind]
    first = record(ledger, make(use_case))
    assert record(ledger, replace(make(use_case), run_id="run-2", **rival)) == first


def test_the_id_and_recording_time_that_a_caller_gives_are_not_believed(ledger: Ledger, use_case: str) -> None:
    stored = ledger.record_snapshot(replace(snapshot(use_case), id=10**9, recorded_at=instant(1, month=1)))
    assert stored.recorded_at == FIRST_RECORDING
    assert stored.id != 10**9


def test_one_rival_of_eight_decides(ledger: Ledger, use_case: str) -> None:
    start = threading.Barrier(8)

    def decide(number: int) -> RecordedDecision:
        start.wait()
        return ledger.record_decision(decision(use_case, action=f"action-{number}", run_id=f"run-{number}"))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(decide, range(8)))
    assert ledger.decisions(use_case, DecisionKind.RETRAIN_ON_DRIFT) == [answers[0]]
    assert all(answer == answers[0] for answer in answers)


def test_of_rivals_about_different_windows_each_knows_what_was_decided_before(ledger: Ledger, use_case: str) -> None:
    start = threading.Barrier(8)

    def decide(number: int) -> str:
        start.wait()
        with ledger.deciding(use_case):
            action = "wait" if ledger.decisions(use_case, DecisionKind.RETRAIN_ON_DRIFT) else "retrain"
            return ledger.record_decision(decision(use_case, str(number), action=action)).action

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(decide, range(8))) == ["retrain", *["wait"] * 7]


@pytest.mark.parametrize(
    "text",
    ["it's", '"quoted"', "back\\slash", "Zürich ✈ 東京", "%s %(x)s :name", "'; DROP TABLE ledger.batches; --", ""],
)
def test_text_comes_back_as_it_was(ledger: Ledger, use_case: str, text: str) -> None:
    entry = snapshot(use_case, query=text, columns={text: [text, {"deep": text}]})
    assert replace(ledger.record_snapshot(entry), id=None, recorded_at=None) == entry
    verdict = ledger.record_validation(validation(use_case, reasons=(text, text), snapshot_digest=text))
    assert verdict.reasons == (text, text)
    assert ledger.validation_of(use_case, day_window(1), text, "suite") == verdict


def test_text_that_postgresql_cannot_hold_is_replaced(ledger: Ledger, use_case: str) -> None:
    stored = ledger.record_snapshot(snapshot(use_case, query="a\x00b", columns={"c\x00": "d\ud800e"}))
    assert stored.query == "a\ufffdb"
    assert stored.columns == {"c\ufffd": "d\ufffde"}


def test_numbers_that_are_not_finite_become_none(ledger: Ledger, use_case: str) -> None:
    measured = ledger.record_performance(performance(use_case, metrics={"auc": math.nan, "gain": math.inf, "f1": 0.5}))
    assert measured.metrics == {"auc": None, "gain": None, "f1": 0.5}
    report = ledger.record_drift(drift(use_case, p_value=math.nan, report={"deep": [-math.inf, {"x": math.nan}]}))
    assert report.p_value is None
    assert report.report == {"deep": [None, {"x": None}]}


@pytest.mark.parametrize("number", [0.1, 1e-300, 5e-324, 1e16, 1.2345678901234567e17, 1e23, 1.7e308, -1e22])
def test_floats_come_back_exactly_and_as_floats(ledger: Ledger, use_case: str, number: float) -> None:
    found = ledger.record_drift(drift(use_case, profile={"sum": number})).profile["sum"]
    assert found == number
    assert type(found) is float


def test_instants_come_back_in_utc_to_the_microsecond(ledger: Ledger, use_case: str) -> None:
    abroad = datetime(2013, 3, 5, 7, 0, 0, 123456, tzinfo=timezone(timedelta(hours=-5)))
    stored = ledger.record_performance(performance(use_case, as_of=abroad))
    assert stored.as_of == abroad
    assert stored.as_of.tzinfo is UTC
    assert stored.recorded_at is not None
    assert stored.recorded_at.tzinfo is UTC


def test_instants_without_time_zone_are_refused(ledger: Ledger, use_case: str) -> None:
    naive = datetime(2013, 3, 1)  # noqa: DTZ001
    with pytest.raises(InvalidWindow, match="as_of=2013-03-01 00:00:00 without a time zone"):
        ledger.record_performance(performance(use_case, as_of=naive))
    with pytest.raises(InvalidWindow, match="without a time zone"):
        ledger.batches_between(use_case, naive, instant(2))
    with pytest.raises(InvalidWindow, match="without a time zone"):
        ledger.deployment_at(use_case, CHAMPION, naive)
    with pytest.raises(InvalidWindow, match="without a time zone"):
        ledger.decisions(use_case, DecisionKind.PROMOTE, naive)


def test_values_that_json_cannot_hold_are_refused_by_path(ledger: Ledger, use_case: str) -> None:
    with pytest.raises(TypeError, match=r"report\.columns\[1\]: set has no form in JSON"):
        ledger.record_drift(drift(use_case, report={"columns": [1, {2}]}))
    assert ledger.drift_between(use_case, instant(1), instant(9)) == []


def test_a_caller_that_changes_an_answer_changes_no_fact(ledger: Ledger, use_case: str) -> None:
    given = {"hour": "integer"}
    ledger.record_snapshot(snapshot(use_case, columns=given)).columns["hour"] = "changed"
    given["hour"] = "changed"
    for _ in range(2):
        found = ledger.latest_snapshot(use_case, day_window(1))
        assert found is not None
        assert found.columns == {"hour": "integer"}
        found.columns["hour"] = "changed"


# --- reading windows ---------------------------------------------------------------------------------------------


def test_nothing_recorded_is_found_as_nothing(ledger: Ledger, use_case: str) -> None:
    window, ends = day_window(1), (instant(1), instant(9))
    assert ledger.latest_snapshot(use_case, window) is None
    assert ledger.validation_of(use_case, window, "s", "suite") is None
    assert ledger.latest_batch(use_case, window) is None
    assert ledger.current_deployment(use_case, CHAMPION) is None
    assert ledger.deployment_at(use_case, CHAMPION, instant(1)) is None
    assert ledger.last_backtest(use_case) is None
    for found in (
        ledger.snapshots_between(use_case, *ends),
        ledger.batches(use_case, window),
        ledger.batches_between(use_case, *ends),
        ledger.validations_between(use_case, *ends),
        ledger.drift_between(use_case, *ends),
        ledger.performance_between(use_case, *ends),
        ledger.metric_between(use_case, *ends, "auc", as_of=instant(9)),
        ledger.drift_of_model_between(use_case, *ends, "m1"),
        ledger.last_final(use_case, instant(9), 5),
        ledger.batches_without_truth(use_case, instant(9)),
        ledger.decisions(use_case, DecisionKind.PROMOTE),
        ledger.deployments(use_case),
    ):
        assert list(found) == []
    assert ledger.status(use_case) == Status(use_case, 0, 0, 0, 0, 0, 0)


def test_a_verdict_counts_again_when_its_rows_are_put_back(ledger: Ledger, use_case: str) -> None:
    first, broken, again = (snapshot(use_case, version=number, digest=f"s1.{number % 2}") for number in range(3))
    passed = validation(use_case)
    failed = validation(use_case, verdict=Verdict.FAIL, snapshot_digest="s1.1")
    for each in (first, broken):
        ledger.record_snapshot(each)
    for verdict in (passed, failed):
        ledger.record_validation(verdict)
    ends = (instant(1), instant(3))

    def counting() -> tuple[Verdict, Verdict | None, int]:
        (verdict,) = ledger.validations_between(use_case, *ends)
        (facts,) = ledger.facts_of([Span(use_case, *ends)])[use_case]
        return verdict.verdict, facts.validation, ledger.status(use_case).windows_failed

    assert counting() == (Verdict.FAIL, Verdict.FAIL, 1)
    ledger.record_snapshot(again)
    assert ledger.record_validation(passed).verdict is Verdict.PASS
    assert counting() == (Verdict.PASS, Verdict.PASS, 0)
    ledger.record_snapshot(snapshot(use_case, version=3, digest="s1.3"))  # which waits for a verdict
    assert counting() == (Verdict.FAIL, Verdict.FAIL, 1)


def test_a_verdict_counts_again_when_its_rules_are_put_back(ledger: Ledger, use_case: str) -> None:
    ledger.record_snapshot(snapshot(use_case))
    window, ends = day_window(1), (instant(1), instant(3))

    def counts(recorded: ValidationResult) -> bool:
        assert ledger.counting_verdict(use_case, window) == recorded
        assert list(ledger.validations_between(use_case, *ends)) == [replace(recorded, result={})]
        (facts,) = ledger.facts_of([Span(use_case, *ends)])[use_case]
        failed = ledger.status(use_case).windows_failed
        return (facts.validation, facts.run_id, failed) == (
            recorded.verdict, recorded.run_id, recorded.verdict is Verdict.FAIL
        )  # fmt: skip

    these = validation(use_case)
    those = validation(use_case, suite_digest="those", verdict=Verdict.FAIL, run_id="run-2")
    again = replace(these, number=1, run_id="run-3", quarantine_digest="q")
    assert ledger.counting_verdict(use_case, window) is None
    recorded = [ledger.record_validation(each) for each in (these, those)]
    assert counts(recorded[1])
    assert ledger.record_validation(these) == recorded[0]
    assert counts(recorded[1])
    recorded.append(ledger.record_validation(again))
    assert counts(recorded[2])
    assert ledger.record_validation(again) == recorded[2]
    assert ledger.validations(use_case, window) == recorded
    assert ledger.validation_of(use_case, window, "s1.0", "suite") == recorded[2]
    assert ledger.validation_of(use_case, window, "s1.0", "those") == recorded[1]
    recorded.append(ledger.record_validation(replace(those, number=1, run_id="run-4")))
    assert counts(recorded[3])


def test_the_verdict_that_counts_is_of_exactly_this_window(ledger: Ledger, use_case: str) -> None:
    ledger.record_validation(validation(use_case, 2))
    ledger.record_validation(validation(f"{use_case}_too"))
    ledger.record_validation(validation(use_case, window=Window(instant(1), instant(3))))
    assert ledger.counting_verdict(use_case, day_window(1)) is None


def test_the_latest_snapshot_is_the_one_recorded_last(ledger: Ledger, use_case: str) -> None:
    ledger.record_snapshot(snapshot(use_case, version=7))
    last = ledger.record_snapshot(snapshot(use_case, version=3))
    ledger.record_snapshot(snapshot(use_case, day=2))
    ledger.record_snapshot(snapshot(f"{use_case}_too"))
    assert ledger.latest_snapshot(use_case, day_window(1)) == last
    assert ledger.latest_snapshot(use_case, Window(instant(1), instant(3))) is None


def test_a_verdict_is_found_only_for_its_snapshot_and_rules(ledger: Ledger, use_case: str) -> None:
    passed = ledger.record_validation(validation(use_case))
    failed = ledger.record_validation(validation(use_case, suite_digest="stricter", verdict=Verdict.FAIL))
    window = day_window(1)
    assert ledger.validation_of(use_case, window, "s1.0", "suite") == passed
    assert ledger.validation_of(use_case, window, "s1.0", "stricter") == failed
    assert ledger.validation_of(use_case, window, "s1.1", "suite") is None
    assert ledger.validation_of(use_case, day_window(2), "s1.0", "suite") is None


def test_the_live_revision_is_the_highest(ledger: Ledger, use_case: str) -> None:
    second = record_batch(ledger, batch(use_case, revision=2))
    first = record_batch(ledger, batch(use_case, revision=1))
    assert list(ledger.batches(use_case, day_window(1))) == [first, second]
    assert ledger.latest_batch(use_case, day_window(1)) == second
    assert list(ledger.batches_between(use_case, instant(1), instant(2))) == [second]


def test_between_takes_windows_wholly_inside_a_half_open_interval_in_order(ledger: Ledger, use_case: str) -> None:
    for day in (4, 2, 3, 1):
        for kind in ("snapshot", "validation", "batch", "drift", "performance"):
            record, make = RECORDINGS[kind]
            record(ledger, make(use_case, day))
    half_day = timedelta(hours=12)
    for between in (
        ledger.snapshots_between,
        ledger.batches_between,
        ledger.validations_between,
        ledger.drift_between,
        ledger.performance_between,
    ):
        cases = [
            (instant(2), instant(4), [2, 3]),
            (instant(2) + half_day, instant(4), [3]),
            (instant(2), instant(4) - half_day, [2]),
            (instant(1), instant(9), [1, 2, 3, 4]),
            (instant(3), instant(3), []),
            (instant(4), instant(2), []),
        ]
        for start, end, days in cases:
            assert [entry.window for entry in between(use_case, start, end)] == [day_window(day) for day in days]


def test_of_each_window_the_latest_is_taken(ledger: Ledger, use_case: str) -> None:
    ends = (instant(1), instant(3))
    ledger.record_drift(drift(use_case, model_digest="z"))
    second = ledger.record_drift(drift(use_case, model_digest="a"))
    other = ledger.record_drift(drift(use_case, day=2))
    light = [replace(report, report={}, profile={}) for report in (second, other)]
    assert list(ledger.drift_between(use_case, *ends)) == light
    ledger.record_validation(validation(use_case, suite_digest="z", result={"gates": []}))
    verdict = ledger.record_validation(validation(use_case, suite_digest="a", result={"gates": [1]}))
    assert list(ledger.validations_between(use_case, *ends)) == [replace(verdict, result={})]
    ledger.record_snapshot(snapshot(use_case, version=9))
    again = ledger.record_snapshot(snapshot(use_case, version=2))
    assert list(ledger.snapshots_between(use_case, *ends)) == [again]


def test_performance_is_taken_by_as_of_then_revision_not_by_recording(ledger: Ledger, use_case: str) -> None:
    ledger.record_performance(performance(use_case, as_of=instant(8), revision=1))
    newest = ledger.record_performance(performance(use_case, as_of=instant(8), revision=2))
    ledger.record_performance(performance(use_case, as_of=instant(6), revision=3))
    assert list(ledger.performance_between(use_case, instant(1), instant(2))) == [newest]


def test_of_measurements_one_metric_is_read(ledger: Ledger, use_case: str) -> None:
    told = {
        "metrics": {"auc": 0.1 + 0.2, "brier": 0.2},
        "intervals": {"auc": {"low": 0.6, "standard_error": 1e-17}},
        "estimates": {
            "auc": {"value": 1 / 3, "standard_error": None, "bias_correction": -2.5e-300, "error_sd": 5},
            "mae": {"value": 1, "standard_error": 0.5, "usual_gap": 0.125, "usual_spread": 2 / 3},
            "rmse": {"value": None, "standard_error": 0.5, "bias_correction": 0.125, "error_sd": 0.25},
        },
    }
    whole = ledger.record_performance(replace(performance(use_case, maturity=Maturity.FINAL, labelled=7), **told))
    other = ledger.record_performance(performance(use_case, 3, model_digest="m2"))
    ends, then = (instant(1), instant(4)), instant(9)
    for metric, value, error, estimate in (
        ("auc", 0.1 + 0.2, 1e-17, Estimate(1 / 3, None, -2.5e-300, 5)),
        ("brier", 0.2, None, None),
        ("mae", None, None, Estimate(1, 0.5, 0.125, 2 / 3)),
        ("rmse", None, None, None),
        ('it\'s %s: "?"', None, None, None),
    ):
        found = ledger.metric_between(use_case, *ends, metric, as_of=then)
        expected = MetricOfWindow(whole.window, "m1", Maturity.FINAL, whole.rows, 7, value, error, estimate)
        assert list(found) == [expected, MetricOfWindow.of(other, metric)]
        assert MetricOfWindow.of(whole, metric) == expected
    assert list(ledger.metric_between(use_case, instant(1), instant(3), "auc", as_of=then)) == [
        MetricOfWindow.of(whole, "auc")
    ]
    later = ledger.record_performance(performance(use_case, as_of=then, model_digest="m3"))
    for moment, counts in ((then, later), (whole.as_of, whole)):
        assert ledger.metric_between(use_case, *ends, "auc", as_of=moment)[0] == MetricOfWindow.of(counts, "auc")
    assert list(ledger.metric_between("another", *ends, "auc", as_of=then)) == []


def test_of_drift_reports_those_of_a_model_are_read_with_the_rows_of_live_revisions(
    ledger: Ledger, use_case: str
) -> None:
    columns = {"temp": {"p_value": 1 / 3, "missing": True, "importance": None}, "wind": {"p_value": 0.5}}
    hidden = ledger.record_drift(drift(use_case, 1))
    ledger.record_drift(drift(use_case, 1, model_digest="m2"))  # it counts, and is about another model
    second = ledger.record_drift(drift(use_case, 2, columns=columns, missing=("temp",), p_value=None))
    ledger.record_drift(drift(use_case, 3, Verdict.FAIL, number=0))
    third = ledger.record_drift(drift(use_case, 3, number=1, basis_digest="b", p_value=0.1 + 0.2))
    record_batch(ledger, batch(use_case, 2))
    record_batch(ledger, replace(batch(use_case, 2, revision=2), rows=7))

    ends = (instant(1), instant(4))
    found = ledger.drift_of_model_between(use_case, *ends, hidden.model_digest)
    assert list(found) == [DriftOfWindow.of(second, 7), DriftOfWindow.of(third, 0)]
    assert [(each.columns, each.missing, each.p_value) for each in found] == [
        (columns, ("temp",), None),
        (third.columns, third.missing, 0.1 + 0.2),
    ]
    assert list(ledger.drift_of_model_between(use_case, instant(1), instant(3), second.model_digest)) == found[:1]
    assert list(ledger.drift_of_model_between(use_case, *ends, "unknown")) == []
    assert list(ledger.drift_of_model_between("another", *ends, second.model_digest)) == []


def test_labels_collected_later_make_a_measurement_of_their_own_as_of_the_same_moment(
    ledger: Ledger, use_case: str
) -> None:
    absent = ledger.record_performance(performance(use_case, labels_version=None))
    assert ledger.record_performance(performance(use_case, labels_version=None)) == absent
    ledger.record_performance(performance(use_case, labels_version=9))
    last = ledger.record_performance(performance(use_case, labels_version=7, maturity=Maturity.FINAL))
    record_batch(ledger, batch(use_case))
    assert [entry.labels_version for entry in ledger.performance_of(use_case, day_window(1))] == [None, 9, 7]

    assert list(ledger.performance_between(use_case, instant(1), instant(2))) == [last]
    assert list(ledger.last_final(use_case, instant(9), 1)) == [last]
    assert list(ledger.batches_without_truth(use_case, instant(9))) == []
    ledger.record_performance(performance(use_case, labels_version=8))
    assert [entry.window for entry in ledger.batches_without_truth(use_case, instant(9))] == [last.window]


def test_all_measurements_of_some_windows_are_read_by_window_and_as_of(ledger: Ledger, use_case: str) -> None:
    for day in (3, 2, 1):
        for hours in (9, 5):
            at = day_window(day).end + timedelta(hours=hours)
            ledger.record_performance(performance(use_case, day, at))
    found = ledger.measurements_between(use_case, day_window(1).start, day_window(2).end)
    assert [(entry.window, (entry.as_of - entry.window.end) / timedelta(hours=1)) for entry in found] == [
        (day_window(day), hours) for day in (1, 2) for hours in (5, 9)
    ]
    assert ledger.measurements_between("another", day_window(1).start, day_window(2).end) == []


def test_the_last_final_windows_are_those_whose_newest_measurement_is_final(ledger: Ledger, use_case: str) -> None:
    final = [
        ledger.record_performance(performance(use_case, day, as_of=instant(9), maturity=Maturity.FINAL))
        for day in (3, 1, 2, 4)
    ]
    ledger.record_performance(performance(use_case, 4, as_of=instant(10), maturity=Maturity.OVERDUE))
    assert list(ledger.last_final(use_case, instant(11), 2)) == [final[2], final[0]]
    assert list(ledger.last_final(use_case, instant(9), 1)) == [final[3]]
    assert list(ledger.last_final(use_case, instant(8), 5)) == []


def test_batches_wait_for_their_truth_until_it_is_final_or_given_up(ledger: Ledger, use_case: str) -> None:
    for day in range(1, 8):
        record_batch(ledger, batch(use_case, day))
    newest = record_batch(ledger, batch(use_case, 7, revision=2))
    states = {1: Maturity.FINAL, 2: Maturity.GIVEN_UP, 3: Maturity.OVERDUE, 4: Maturity.PARTIAL, 7: Maturity.FINAL}
    for day, maturity in states.items():
        ledger.record_performance(performance(use_case, day, as_of=instant(9), maturity=maturity))
    ledger.record_performance(performance(use_case, 5, as_of=instant(9), maturity=Maturity.FINAL, labelled=0))
    record_batch(ledger, batch(use_case, 8))
    none = performance(use_case, 8, as_of=instant(9), maturity=Maturity.FINAL, labelled=0, without_outcome=5)
    assert ledger.record_performance(none).without_outcome == 5

    def waiting(as_of: datetime) -> list[Window]:
        return [entry.window for entry in ledger.batches_without_truth(use_case, as_of)]

    assert waiting(instant(9)) == [day_window(day) for day in (3, 4, 5, 6, 7)]
    assert list(ledger.batches_without_truth(use_case, instant(9)))[-1] == newest
    ledger.record_performance(performance(use_case, 3, as_of=instant(10), maturity=Maturity.FINAL))
    ledger.record_performance(performance(use_case, 1, as_of=instant(10), maturity=Maturity.OVERDUE))
    assert waiting(instant(10)) == [day_window(day) for day in (1, 4, 5, 6, 7)]
    assert waiting(instant(5)) == [day_window(day) for day in (1, 2, 3, 4)]


def test_whatever_was_measured_when_a_batch_waits_unless_its_newest_measurement_settles_it(
    ledger: Ledger, use_case: str
) -> None:
    random = Random(27)
    settling = (
        {"maturity": Maturity.FINAL},
        {"maturity": Maturity.FINAL, "rows": 0, "labelled": 0},
        {"maturity": Maturity.GIVEN_UP},
    )
    kinds: tuple[dict[str, Any], ...] = (
        *settling,
        {},
        {"maturity": Maturity.OVERDUE},
        {"maturity": Maturity.FINAL, "labelled": 0},
    )
    measured: dict[tuple[int, int], list[tuple[int, int, bool]]] = {}
    live: dict[int, int] = {}
    for number in range(150):
        day, revision, as_of = random.randint(1, 9), random.randint(1, 2), random.randint(2, 14)
        kind = random.choice(kinds)
        if random.random() < 0.2:
            record_batch(ledger, batch(use_case, day, revision))
            live[day] = max(revision, live.get(day, 0))
        ledger.record_performance(
            performance(use_case, day, instant(as_of), revision=revision, labels_version=number, **kind)
        )
        measured.setdefault((day, revision), []).append((as_of, number, kind in settling))
        now = random.randint(2, 14)
        waiting = []
        for each in sorted(day for day in live if day < now):
            known = max((one for one in measured.get((each, live[each]), []) if one[0] <= now), default=None)
            waiting += [(day_window(each), live[each])] if known is None or not known[-1] else []
        found = ledger.batches_without_truth(use_case, instant(now))
        assert [(entry.window, entry.revision) for entry in found] == waiting, (number, now)


def test_a_newer_measurement_does_not_hide_what_was_known_before(ledger: Ledger, use_case: str) -> None:
    early = ledger.record_performance(performance(use_case, as_of=instant(5)))
    later = ledger.record_performance(performance(use_case, as_of=instant(8)))
    ends = (instant(1), instant(9))
    assert list(ledger.performance_between(use_case, *ends)) == [later]
    assert list(ledger.performance_between(use_case, *ends, as_of=instant(8))) == [later]
    assert list(ledger.performance_between(use_case, *ends, as_of=instant(7))) == [early]
    assert list(ledger.performance_between(use_case, *ends, as_of=instant(4))) == []
    assert list(ledger.performance_between(use_case, *ends, known_at=early.recorded_at)) == [early]
    assert list(ledger.performance_between(use_case, *ends, known_at=later.recorded_at)) == [later]
    assert list(ledger.performance_between(use_case, *ends, as_of=instant(7), known_at=later.recorded_at)) == [early]
    naive = datetime(2013, 3, 1)  # noqa: DTZ001
    for moment in ({"as_of": naive}, {"known_at": naive}):
        with pytest.raises(InvalidWindow, match="without a time zone"):
            ledger.performance_between(use_case, *ends, **moment)


def test_drift_is_measured_again_and_the_last_measurement_counts_except_for_what_was_known(
    ledger: Ledger, use_case: str
) -> None:
    first = ledger.record_drift(drift(use_case, basis_digest="a", number=0))
    changed = ledger.record_drift(drift(use_case, verdict=Verdict.FAIL, basis_digest="b", number=1))
    again = ledger.record_drift(drift(use_case, basis_digest="a", number=2))
    assert ledger.drift_of(use_case, day_window(1)) == [first, changed, again]
    ends = (instant(1), instant(2))
    for known_at, counts in (
        (None, again),
        (again.recorded_at, again),
        (changed.recorded_at, changed),
        (first.recorded_at, first),
    ):
        (found,) = ledger.drift_between(use_case, *ends, known_at=known_at)
        assert found == replace(counts, report={}, profile={})
    assert list(ledger.drift_between(use_case, *ends, known_at=FIRST_RECORDING - timedelta(seconds=1))) == []
    assert ledger.status(use_case).alarms == 0


def test_late_rows_are_found_by_window_in_the_order_they_came(ledger: Ledger, use_case: str) -> None:
    other = ledger.record_late_rows(late(use_case, day=2))
    first = ledger.record_late_rows(late(use_case, version=7))
    second = ledger.record_late_rows(late(use_case, version=3))
    ledger.record_late_rows(late(use_case, day=3))
    ledger.record_late_rows(late(f"{use_case}_too"))
    assert list(ledger.late_rows_between(use_case, instant(1), instant(3))) == [first, second, other]


def test_the_first_snapshot_of_each_window_is_the_one_recorded_first(ledger: Ledger, use_case: str) -> None:
    first = ledger.record_snapshot(snapshot(use_case, version=9))
    ledger.record_snapshot(snapshot(use_case, version=2))
    other = ledger.record_snapshot(snapshot(use_case, day=2))
    ledger.record_snapshot(snapshot(use_case, day=3))
    assert list(ledger.first_snapshots_between(use_case, instant(1), instant(3))) == [first, other]


def test_the_intervals_between_scored_windows_are_found(ledger: Ledger, use_case: str) -> None:
    assert list(ledger.unscored_between(use_case, instant(1), instant(9))) == [(instant(1), instant(9))]
    for day in (1, 2, 2, 5):
        record_batch(ledger, batch(use_case, day))
    record_batch(ledger, batch(f"{use_case}_too", 3))
    cases = [
        (1, 6, [(3, 5)]),
        (1, 9, [(3, 5), (6, 9)]),
        (3, 4, [(3, 4)]),
        (1, 3, []),
        (9, 9, []),
        (5, 1, []),
    ]
    for start, end, expected in cases:
        found = ledger.unscored_between(use_case, instant(start), instant(end))
        assert list(found) == [(instant(begun), instant(ended)) for begun, ended in expected]


def test_the_windows_that_are_known_to_be_empty_are_found(ledger: Ledger, use_case: str) -> None:
    for day in (0, 3, 5, 6):
        window = Window(instant(1) + timedelta(days=day - 1), instant(1) + timedelta(days=day))
        ledger.record_intervention(intervention(use_case, window.key, kind=InterventionKind.WINDOW_EMPTY))
    ledger.record_intervention(intervention(use_case, day_window(4).key))
    assert ledger.windows_noted_empty(use_case, instant(1), instant(6)) == {day_window(3), day_window(5)}
    assert ledger.windows_noted_empty(use_case, instant(2), instant(3)) == frozenset()


def test_the_last_window_that_was_ingested_is_found(ledger: Ledger, use_case: str) -> None:
    assert ledger.last_ingested(use_case) is None
    for day in (2, 4, 3):
        ledger.record_snapshot(snapshot(use_case, day=day))
    ledger.record_snapshot(snapshot(f"{use_case}_too", day=7))
    assert ledger.last_ingested(use_case) == day_window(4)


def test_decisions_are_found_by_kind_and_since_in_order_of_as_of(ledger: Ledger, use_case: str) -> None:
    later = ledger.record_decision(decision(use_case, "b", day=5))
    earlier = ledger.record_decision(decision(use_case, "a", day=2))
    promotion = ledger.record_decision(decision(use_case, "a", day=3, kind=DecisionKind.PROMOTE))
    drifted = DecisionKind.RETRAIN_ON_DRIFT
    assert list(ledger.decisions(use_case, drifted)) == [earlier, later]
    assert list(ledger.decisions(use_case, drifted, instant(2))) == [earlier, later]
    assert list(ledger.decisions(use_case, drifted, instant(2) + timedelta(microseconds=1))) == [later]
    assert list(ledger.decisions(use_case, drifted, instant(2), instant(5))) == [earlier, later]
    assert list(ledger.decisions(use_case, drifted, None, instant(5) - timedelta(microseconds=1))) == [earlier]
    assert list(ledger.decisions(use_case, DecisionKind.PROMOTE)) == [promotion]
    assert list(ledger.decisions(use_case, drifted, action=earlier.action)) == [earlier, later]
    assert list(ledger.decisions(use_case, drifted, action="another")) == []


def test_labels_are_counted_where_the_last_measurement_is_final(ledger: Ledger, use_case: str) -> None:
    ledger.record_performance(performance(use_case, 1, as_of=instant(5), maturity=Maturity.FINAL, labelled=7))
    ledger.record_performance(performance(use_case, 2, as_of=instant(5), maturity=Maturity.PARTIAL, labelled=3))
    ledger.record_performance(performance(use_case, 2, as_of=instant(6), maturity=Maturity.FINAL, labelled=4))
    ledger.record_performance(performance(f"{use_case}_too", 2, as_of=instant(5), maturity=Maturity.FINAL))
    ends = (instant(1), instant(4))
    assert ledger.labelled_between(use_case, *ends, as_of=instant(6)) == (2, 11)
    assert ledger.labelled_between(use_case, *ends, as_of=instant(5)) == (2, 7)
    assert ledger.labelled_between(use_case, instant(2), instant(4), as_of=instant(6)) == (1, 4)
    assert ledger.labelled_between(use_case, *ends, as_of=instant(4)) == (0, 0)


# --- batches under a deployment ----------------------------------------------------------------------------------


def test_a_batch_is_recorded_under_the_deployment_in_force(ledger: Ledger, use_case: str) -> None:
    champion = ledger.deploy(deployment(use_case))
    stored = ledger.record_batch(batch(use_case), expected=champion)
    assert ledger.latest_batch(use_case, day_window(1)) == stored


def test_a_batch_of_a_deployment_that_was_replaced_is_refused_and_leaves_nothing(ledger: Ledger, use_case: str) -> None:
    first = ledger.deploy(deployment(use_case))
    second = ledger.deploy(deployment(use_case, 2, first, actor="bob"))
    with pytest.raises(DeploymentMoved, match=r"scored with version 1 .*now version 2 by bob.*score the window again"):
        ledger.record_batch(batch(use_case), expected=first)
    assert ledger.latest_batch(use_case, day_window(1)) is None
    assert ledger.record_batch(batch(use_case), expected=second).revision == 1


def test_a_deployment_that_begins_after_the_window_does_not_move_it(ledger: Ledger, use_case: str) -> None:
    first = ledger.deploy(deployment(use_case))
    ledger.deploy(deployment(use_case, 2, first, day=2))
    assert ledger.record_batch(batch(use_case), expected=first).revision == 1


def test_a_batch_before_every_deployment_is_refused(ledger: Ledger, use_case: str) -> None:
    champion = ledger.deploy(deployment(use_case, day=2))
    with pytest.raises(DeploymentMoved, match="now no deployment is in force at its start"):
        ledger.record_batch(batch(use_case), expected=champion)


def test_a_challenger_is_not_the_deployment_that_a_batch_expects(ledger: Ledger, use_case: str) -> None:
    challenger = ledger.deploy(deployment(use_case, role=CHALLENGER))
    with pytest.raises(DeploymentMoved):
        ledger.record_batch(batch(use_case), expected=challenger)


def test_a_repeated_batch_is_returned_whichever_run_repeats_it(ledger: Ledger, use_case: str) -> None:
    champion = ledger.deploy(deployment(use_case))
    first = ledger.record_batch(batch(use_case), expected=champion)
    assert ledger.record_batch(batch(use_case, run_id="run-2"), expected=champion) == first


def test_other_content_under_a_recorded_revision_means_two_runs_raced(ledger: Ledger, use_case: str) -> None:
    first = record_batch(ledger, batch(use_case))
    with pytest.raises(WindowBusy, match=r"Revision 1 of window 2013-03-01.* recorded by run run-1 .*two runs"):
        record_batch(ledger, batch(use_case, digest="other", run_id="run-2"))
    assert list(ledger.batches(use_case, day_window(1))) == [first]


# --- deployments -------------------------------------------------------------------------------------------------


def test_deployments_follow_each_other_in_a_line(ledger: Ledger, use_case: str) -> None:
    first = ledger.deploy(deployment(use_case))
    rival = ledger.deploy(deployment(use_case, 9, role=CHALLENGER))
    second = ledger.deploy(deployment(use_case, 2, first))
    assert ledger.current_deployment(use_case, CHAMPION) == second
    assert ledger.current_deployment(use_case, CHALLENGER) == rival
    assert list(ledger.deployments(use_case)) == [first, rival, second]
    assert second.supersedes == first.id


def test_a_late_rival_is_told_who_was_first(ledger: Ledger, use_case: str) -> None:
    first = ledger.deploy(deployment(use_case))
    winner = ledger.deploy(deployment(use_case, 2, first, actor="bob", reason="it drifted"))
    with pytest.raises(DeploymentConflict) as told:
        ledger.deploy(deployment(use_case, 3, first))
    message = str(told.value)
    assert f"Version 3 was not made champion of {use_case}" in message
    assert f"held by version 2 (deployment {winner.id}), deployed by bob at 2024-01-01 00:01:00" in message
    assert "it drifted" in message
    assert list(ledger.deployments(use_case)) == [first, winner]


def test_a_second_first_deployment_and_one_after_nothing_are_refused(ledger: Ledger, use_case: str) -> None:
    with pytest.raises(DeploymentConflict, match="never held"):
        ledger.deploy(deployment(use_case, supersedes=deployment(use_case, id=10**9)))
    ledger.deploy(deployment(use_case))
    with pytest.raises(DeploymentConflict, match="it was to supersede nothing, but the role is held by version 1"):
        ledger.deploy(deployment(use_case, 2))


def test_eight_rivals_for_a_role_have_one_winner_each_round(ledger: Ledger, use_case: str) -> None:
    current: Deployment | None = None
    for round_number in range(3):
        start = threading.Barrier(8)

        def attempt(number: int, after: Deployment | None = current, start: threading.Barrier = start) -> object:
            start.wait()
            try:
                return ledger.deploy(deployment(use_case, number, after))
            except DeploymentConflict as conflict:
                return conflict

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(attempt, range(8 * round_number, 8 * round_number + 8)))
        winners = [answer for answer in answers if isinstance(answer, Deployment)]
        losers = [answer for answer in answers if isinstance(answer, DeploymentConflict)]
        assert (len(winners), len(losers)) == (1, 7)
        assert all(f"held by version {winners[0].model_version} " in str(loser) for loser in losers)
        current = winners[0]
        assert ledger.current_deployment(use_case, CHAMPION) == current
    assert len(ledger.deployments(use_case)) == 3


def test_a_deployment_tried_again_by_its_run_is_the_one_recorded(ledger: Ledger, use_case: str) -> None:
    record_batch(ledger, batch(use_case, day=3))
    first = ledger.deploy(deployment(use_case))
    assert ledger.deploy(deployment(use_case)) == first  # though its effective time was moved forward
    ledger.deploy(deployment(use_case, 2, first))
    with pytest.raises(DeploymentConflict, match="held by version 2"):
        ledger.deploy(deployment(use_case))


def test_the_same_version_by_another_run_is_a_rival(ledger: Ledger, use_case: str) -> None:
    ledger.deploy(deployment(use_case))
    with pytest.raises(DeploymentConflict):
        ledger.deploy(deployment(use_case, run_id="run-other"))


@pytest.mark.parametrize(
    ("scored", "current_day", "wanted", "effective"),
    [((), None, 4, 4), ((2, 5), None, 4, 6), ((2,), 5, 4, 5), ((2,), 1, 9, 9), ((7,), 5, 4, 8)],
)
def test_a_champion_begins_after_what_is_scored_and_not_before_its_predecessor(
    ledger: Ledger, use_case: str, *, scored: tuple[int, ...], current_day: int | None, wanted: int, effective: int
) -> None:
    current = None if current_day is None else ledger.deploy(deployment(use_case, day=current_day))
    for day in scored:
        record_batch(ledger, batch(use_case, day=day))
    record_batch(ledger, batch(f"{use_case}_too", day=20))
    stored = ledger.deploy(deployment(use_case, 2, current, day=wanted))
    assert stored.effective_from == instant(effective)


def test_a_challenger_begins_when_asked_whatever_is_scored(ledger: Ledger, use_case: str) -> None:
    record_batch(ledger, batch(use_case, day=5))
    first = ledger.deploy(deployment(use_case, day=2, role=CHALLENGER))
    assert first.effective_from == instant(2)
    second = ledger.deploy(deployment(use_case, 2, first, day=1, role=CHALLENGER))
    assert second.effective_from == instant(2)


def test_an_old_window_is_resolved_as_it_was(ledger: Ledger, use_case: str) -> None:
    first = ledger.deploy(deployment(use_case, day=1))
    second = ledger.deploy(deployment(use_case, 2, first, day=4))
    third = ledger.deploy(deployment(use_case, 3, second, day=4))  # of two that begin together, the later one
    just_before = timedelta(microseconds=1)
    assert ledger.deployment_at(use_case, CHAMPION, instant(1) - just_before) is None
    assert ledger.deployment_at(use_case, CHAMPION, instant(1)) == first
    assert ledger.deployment_at(use_case, CHAMPION, instant(4) - just_before) == first
    assert ledger.deployment_at(use_case, CHAMPION, instant(4)) == third
    assert ledger.deployment_at(use_case, CHAMPION, instant(4, month=12)) == third
    assert ledger.deployment_at(use_case, CHALLENGER, instant(4)) is None


# --- status ------------------------------------------------------------------------------------------------------


def test_status_counts_what_is_live(ledger: Ledger, use_case: str) -> None:
    for day in (1, 2, 3):
        ledger.record_snapshot(snapshot(use_case, day))
        record_batch(ledger, batch(use_case, day, rows=100 * day))
    ledger.record_snapshot(snapshot(use_case, 1, version=1))
    record_batch(ledger, batch(use_case, 1, revision=3, rows=7))
    record_batch(ledger, batch(use_case, 1, revision=2, rows=8))
    ledger.record_validation(validation(use_case, 1, Verdict.FAIL))
    ledger.record_validation(validation(use_case, 1, Verdict.PASS, suite_digest="mended"))
    ledger.record_validation(validation(use_case, 2, Verdict.FAIL))
    ledger.record_validation(validation(use_case, 3, Verdict.WARN))
    ledger.record_drift(drift(use_case, 1, Verdict.PASS))
    ledger.record_drift(drift(use_case, 1, Verdict.FAIL, model_digest="m2"))
    ledger.record_drift(drift(use_case, 2, Verdict.WARN))
    ledger.record_drift(drift(use_case, 3, Verdict.FAIL))
    first = ledger.deploy(deployment(use_case))
    second = ledger.deploy(deployment(use_case, 2, first))
    champion = ledger.deploy(deployment(use_case, 3, second))
    ledger.deploy(deployment(use_case, 4, role=CHALLENGER))
    RECORDINGS["snapshot"][0](ledger, snapshot(f"{use_case}_too", 9))
    assert ledger.status(use_case) == Status(
        use_case,
        windows_ingested=3,
        windows_scored=3,
        rows_scored=507,
        windows_failed=1,
        alarms=2,
        retrains=2,
        last_window=day_window(3),
        champion=champion,
    )


def test_a_rollback_is_no_retraining_and_rejected_ones_are_counted_apart(ledger: Ledger, use_case: str) -> None:
    first = ledger.deploy(deployment(use_case))
    second = ledger.deploy(deployment(use_case, 2, first))
    ledger.deploy(deployment(use_case, 1, second, day=3, run_id="back"))
    for day, action in ((2, "promote"), (3, "reject"), (4, "reject")):
        ledger.record_decision(decision(use_case, f"t{day}", day, kind=DecisionKind.PROMOTE, action=action))
    status = ledger.status(use_case)
    assert (status.retrains, status.retrains_rejected) == (1, 2)


def test_status_counts_the_windows_whose_labels_are_overdue(ledger: Ledger, use_case: str) -> None:
    for day in (1, 2):
        ledger.record_performance(performance(use_case, day, as_of=instant(5), maturity=Maturity.OVERDUE))
    ledger.record_performance(performance(use_case, 2, as_of=instant(6), maturity=Maturity.FINAL))
    assert ledger.status(use_case).windows_overdue == 1


def test_a_first_champion_is_no_retraining(ledger: Ledger, use_case: str) -> None:
    ledger.deploy(deployment(use_case))
    assert ledger.status(use_case).retrains == 0


# --- holding a window --------------------------------------------------------------------------------------------


def test_a_held_window_is_busy_to_others_until_it_is_let_go(
    make_ledger: Callable[[float], Ledger], use_case: str
) -> None:
    ledger, window = make_ledger(0.15), day_window(1)
    with ledger.working_on(use_case, window, "run-1"):
        with (
            pytest.raises(WindowBusy, match=rf"Window 2013-03-01.* of {use_case} was held .*longer than 0.15 s.*Wait"),
            ledger.working_on(use_case, window, "run-1"),
        ):
            pytest.fail("two held one window")
        with ledger.working_on(use_case, day_window(2), "run-1"), ledger.working_on(f"{use_case}_too", window, "run-1"):
            pass
    with ledger.working_on(use_case, window, "run-1"):
        pass


def test_a_window_is_let_go_when_the_work_fails(ledger: Ledger, use_case: str) -> None:
    with pytest.raises(ZeroDivisionError), ledger.working_on(use_case, day_window(1), "run-1"):
        raise ZeroDivisionError
    with ledger.working_on(use_case, day_window(1), "run-1"):
        pass


def test_who_waits_for_a_window_gets_it_next(ledger: Ledger, use_case: str) -> None:
    order: list[str] = []
    held, about_to_wait = threading.Event(), threading.Event()

    def second() -> None:
        held.wait()
        about_to_wait.set()
        with ledger.working_on(use_case, day_window(1), "run-1"):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        with ledger.working_on(use_case, day_window(1), "run-1"):
            held.set()
            about_to_wait.wait()
            order.append("first")
        waiting.result()
    assert order == ["first", "second"]


def test_a_held_window_does_not_stop_its_holder_from_recording(ledger: Ledger, use_case: str) -> None:
    with ledger.working_on(use_case, day_window(1), "run-1"):
        ledger.record_snapshot(snapshot(use_case))
        record_batch(ledger, batch(use_case))
    assert ledger.status(use_case).windows_scored == 1


# --- holds -------------------------------------------------------------------------------------------------------


def test_tokens_grow_and_only_a_lease_that_was_not_given_back_is_contested(ledger: Ledger, use_case: str) -> None:
    def take() -> Lease:
        with ledger.working_on(use_case, day_window(1), "run") as lease:
            return lease

    first, second = take(), take()
    with pytest.raises(ZeroDivisionError), ledger.working_on(use_case, day_window(1), "run"):
        raise ZeroDivisionError
    third = take()
    with pytest.raises(SchemaMismatch), ledger.working_on(use_case, day_window(1), "run"):
        raise SchemaMismatch("the rows don't fit: nothing was under way")
    fourth = take()
    assert first.fencing_token < second.fencing_token < third.fencing_token < fourth.fencing_token
    assert [each.contested for each in (first, second, third, fourth)] == [False, False, True, False]


def test_what_comes_with_a_passed_hold_is_refused_and_leaves_nothing(ledger: Ledger, use_case: str) -> None:
    with ledger.working_on(use_case, day_window(1), "late") as passed:
        pass
    with ledger.working_on(use_case, day_window(1), "next") as lease:
        recordings = (
            lambda: ledger.record_snapshot(snapshot(use_case), passed),
            lambda: ledger.record_validation(validation(use_case), passed),
            lambda: ledger.record_batch(batch(use_case), passed, expected=None),
        )
        for record in recordings:
            with pytest.raises(LeaseLost, match=rf"2013-03-01.* of {use_case} was taken over .*in the ledger"):
                record()
        assert ledger.snapshots(use_case, day_window(1)) == []
        assert ledger.validations(use_case, day_window(1)) == []
        assert ledger.batches(use_case, day_window(1)) == []
        ledger.record_snapshot(snapshot(use_case), lease)
        ledger.record_validation(validation(use_case), lease)
        assert ledger.record_batch(batch(use_case), lease, expected=None).revision == 1


def test_windows_and_subjects_have_fencing_tokens_of_their_own(ledger: Ledger, use_case: str) -> None:
    with ledger.working_on(use_case, day_window(1), "a") as lease:
        with (
            ledger.working_on(f"{use_case}/labels", day_window(1), "b"),
            ledger.working_on(use_case, day_window(2), "c"),
        ):
            pass
        assert ledger.record_snapshot(snapshot(use_case), lease).digest == "s1.0"


# --- the second time axis, and what was recorded about a window ---------------------------------------------------


def test_the_deployment_at_a_time_can_be_asked_for_as_it_was_known(ledger: Ledger, use_case: str) -> None:
    first = ledger.deploy(deployment(use_case))
    second = ledger.deploy(deployment(use_case, 2, first))
    assert first.recorded_at is not None
    assert second.recorded_at is not None
    assert ledger.deployment_at(use_case, CHAMPION, instant(9)) == second
    assert ledger.deployment_at(use_case, CHAMPION, instant(9), known_at=second.recorded_at) == second
    between = first.recorded_at + (second.recorded_at - first.recorded_at) / 2
    assert ledger.deployment_at(use_case, CHAMPION, instant(9), known_at=between) == first
    before = first.recorded_at - timedelta(seconds=1)
    assert ledger.deployment_at(use_case, CHAMPION, instant(9), known_at=before) is None


def test_everything_recorded_about_a_window_comes_back_in_order(ledger: Ledger, use_case: str) -> None:
    window = day_window(1)
    shots = [ledger.record_snapshot(snapshot(use_case, version=version)) for version in (4, 2)]
    verdicts = [ledger.record_validation(validation(use_case, suite_digest=name)) for name in ("b", "a")]
    reports = [ledger.record_drift(drift(use_case, model_digest=name)) for name in ("m2", "m1")]
    measured = [ledger.record_performance(performance(use_case, as_of=instant(day))) for day in (7, 5)]
    ledger.record_snapshot(snapshot(use_case, day=2))
    assert ledger.snapshots(use_case, window) == shots
    assert ledger.validations(use_case, window) == verdicts
    assert ledger.drift_of(use_case, window) == reports
    assert ledger.performance_of(use_case, window) == measured[::-1]


def test_interventions_come_back_in_order(ledger: Ledger, use_case: str) -> None:
    made = [ledger.record_intervention(intervention(use_case, subject)) for subject in ("challenger", "champion")]
    ledger.record_intervention(intervention(f"{use_case}_too"))
    assert ledger.interventions(use_case) == made
    assert ledger.interventions(use_case, made[0].kind, subject="champion") == made[1:]
    assert ledger.interventions(use_case, subject="nobody") == []


def test_the_last_backtest_is_the_one_recorded_last(ledger: Ledger, use_case: str) -> None:
    first = ledger.record_backtest(backtest(use_case))
    assert ledger.record_backtest(backtest(use_case, windows=9)) == first  # of one run the first stands
    last = ledger.record_backtest(backtest(use_case, "run-2", since=instant(2)))
    ledger.record_backtest(backtest(f"{use_case}_too", "run-3"))
    assert ledger.last_backtest(use_case) == last


def test_interventions_on_a_window_are_those_whose_details_name_it(ledger: Ledger, use_case: str) -> None:
    kind = InterventionKind.REPLAY_ASKED
    about = {"window": day_window(1).key}
    made = [
        ledger.record_intervention(intervention(use_case, "x", kind=kind, details=about, run_id=run))
        for run in ("page__2", "page__1")
    ]
    for other in (
        intervention(use_case, "x", kind=InterventionKind.ROWS_ACCEPTED, details=about),
        intervention(use_case, "y", kind=kind, details={"window": day_window(2).key}),
        intervention(use_case, "z", kind=kind, details={}),
        intervention(f"{use_case}_too", "x", kind=kind, details=about),
    ):
        ledger.record_intervention(other)
    assert ledger.interventions_on(use_case, kind, [day_window(1)]) == made


def test_interventions_on_several_windows_are_found_at_once_in_order(ledger: Ledger, use_case: str) -> None:
    kind = InterventionKind.ROWS_ACCEPTED
    made = [
        ledger.record_intervention(
            intervention(use_case, f"on {day}", kind=kind, details={"window": day_window(day).key})
        )
        for day in (3, 1, 2)
    ]
    for other in (
        intervention(use_case, "nothing said", kind=kind, details={}),  # as somebody may have recorded it before
        intervention(use_case, "on 1", kind=InterventionKind.REPLAY_ASKED, details={"window": day_window(1).key}),
        intervention(f"{use_case}_too", "on 1", kind=kind, details={"window": day_window(1).key}),
    ):
        ledger.record_intervention(other)
    assert ledger.interventions_on(use_case, kind, [day_window(1), day_window(3), day_window(9)]) == made[:2]
    assert list(ledger.interventions_on(use_case, kind, [])) == []


def test_verdicts_between_have_the_parts_of_their_result_that_are_named(ledger: Ledger, use_case: str) -> None:
    result = {"gates": [{"reason": None}], "seen": {"low": 0.5, "high": 2, "reason": None}, "large": [1, 2, 3]}
    ledger.record_validation(validation(use_case, result=result))
    ledger.record_validation(validation(use_case, 2, result={"gates": [], "seen": None}))
    found = ledger.validations_between(use_case, instant(1), instant(4), parts=("gates", "seen", "late"))
    assert [each.result for each in found] == [{name: result[name] for name in ("gates", "seen")}, {"gates": []}]


def test_an_intervention_is_refused_when_another_run_took_the_window_over(ledger: Ledger, use_case: str) -> None:
    with ledger.working_on(use_case, day_window(1), "run-1") as lease:
        ledger.record_intervention(intervention(use_case), lease)
    with ledger.working_on(use_case, day_window(1), "run-2"), pytest.raises(LeaseLost):
        ledger.record_intervention(intervention(use_case, "late"), lease)
    assert [entry.subject for entry in ledger.interventions(use_case)] == ["champion"]


def test_leases_that_were_not_given_back_are_named_until_somebody_does(ledger: Ledger, use_case: str) -> None:
    held = [(use_case, day_window(2)), (f"{use_case}/labels", day_window(1))]
    others = [(f"{use_case}/alerts", day_window(1)), (f"{use_case}_too", day_window(1))]
    with ExitStack() as runs:
        for name in (*held, *others):
            runs.enter_context(ledger.working_on(*name, "run"))
        assert list(ledger.leases_not_given_back(use_case)) == held
    with pytest.raises(ZeroDivisionError), ledger.working_on(use_case, day_window(3), "killed"):
        raise ZeroDivisionError
    assert list(ledger.leases_not_given_back(use_case)) == [(use_case, day_window(3))]
    with ledger.working_on(use_case, day_window(3), "next"):
        pass
    assert list(ledger.leases_not_given_back(use_case)) == []


@pytest.mark.parametrize("kind", list(InterventionKind))
def test_every_kind_of_intervention_is_kept(ledger: Ledger, use_case: str, kind: InterventionKind) -> None:
    ledger.record_intervention(replace(intervention(use_case), kind=kind))
    assert [entry.kind for entry in ledger.interventions(use_case)] == [kind]
