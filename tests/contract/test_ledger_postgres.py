"""What only a ledger in a real PostgreSQL can do, or fail at: processes, sessions, rights and refusals."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError
from tests.waiting import PATIENCE, wait_until

from perennial.errors import DeploymentConflict, InvalidSettings, StoreUnavailable, WindowBusy
from perennial.ledger.entries import (
    Approval,
    ApprovalRequest,
    Backtest,
    Batch,
    DecisionKind,
    DeployedRole,
    Deployment,
    DriftReport,
    Intervention,
    InterventionKind,
    LateRows,
    PairedGain,
    Performance,
    RecordedDecision,
    ShadowBatch,
    Snapshot,
    ValidationResult,
)
from perennial.ledger.postgres import queries
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.ledger.postgres.schema.tables import TABLES
from perennial.performance.maturity import Maturity
from perennial.verdict import ApprovalAnswer, Verdict
from perennial.window import Window
from perennial_local.postgres import EmbeddedPostgres

WINDOW = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
START, END = WINDOW.start, WINDOW.end
RECORDED = datetime(2024, 1, 1, tzinfo=UTC)
SNAPSHOT = Snapshot("flights", WINDOW, "raw/flights", 0, "s", 9, {}, "SELECT 1", "run")
VALIDATION = ValidationResult("flights", WINDOW, "s", "suite", Verdict.PASS, (), 9, 0, {}, "run")
BATCH = Batch(
    "flights", WINDOW, 1, "s", "suite", "c", "1", "m", "predictions/flights", 0, "p", 9, "as_was", 0, "v", "l", "run"
)
DRIFT = DriftReport("flights", WINDOW, "s", "m", Verdict.PASS, 0.5, 59, (), {}, (), {}, {}, "run")
PERFORMANCE = Performance(
    "flights",
    WINDOW,
    1,
    "1",
    "m",
    END,
    Maturity.FINAL,
    9,
    9,
    1.0,
    Verdict.PASS,
    {"auc": 0.7},
    {},
    {},
    (),
    {},
    None,
    "run",
)
DECISION = RecordedDecision("flights", DecisionKind.PROMOTE, "2", END, "promote", (), {}, "run")
DEPLOYMENT = Deployment(
    "flights", DeployedRole.CHAMPION, "1", "m", START, None, "alice", "first", {}, {}, None, "v", "l", "run"
)

LATE = LateRows("flights", WINDOW, 2, 1, END, 9, 10, 1, 0, 0, 2, 1, "run")
INTERVENTION = Intervention("flights", InterventionKind.ALIAS_RESTORED, "champion", "alice", "drifted", {}, "run")
REQUEST = ApprovalRequest("flights", "s", "t", "m", "e", None, "medium", 1, "alice", {}, "run")
APPROVAL = Approval(
    "flights", "s", "t", "m", "e", None, ApprovalAnswer.APPROVED, "2", "bob", "Approver", "better", "alice", END,
    "approve", "run",
)  # fmt: skip
SHADOW = ShadowBatch(
    "flights", WINDOW, 1, "m", "2", "n", "s", "suite", "c", "shadow/flights", 0, "d", 9, 0, "v", "l", "run"
)
GAIN = PairedGain("flights", WINDOW, 1, "m", "n", "roc_auc", END, 0.1, 0.6, 0.7, 9, "run")
BACKTEST = Backtest("flights", START, END, 1, "auc", {}, (), "run")

CALLS: dict[str, Callable[[PostgresLedger], object]] = {
    "working_on": lambda ledger: ledger.working_on("flights", WINDOW, "run-1").__enter__(),
    "record_snapshot": lambda ledger: ledger.record_snapshot(SNAPSHOT),
    "latest_snapshot": lambda ledger: ledger.latest_snapshot("flights", WINDOW),
    "snapshots_between": lambda ledger: ledger.snapshots_between("flights", START, END),
    "record_validation": lambda ledger: ledger.record_validation(VALIDATION),
    "validation_of": lambda ledger: ledger.validation_of("flights", WINDOW, "s", "suite"),
    "record_batch": lambda ledger: ledger.record_batch(BATCH, expected=None),
    "latest_batch": lambda ledger: ledger.latest_batch("flights", WINDOW),
    "batches": lambda ledger: ledger.batches("flights", WINDOW),
    "batches_between": lambda ledger: ledger.batches_between("flights", START, END),
    "metric_between": lambda ledger: ledger.metric_between("flights", START, END, "auc", as_of=END),
    "drift_of_model_between": lambda ledger: ledger.drift_of_model_between("flights", START, END, "m"),
    "record_drift": lambda ledger: ledger.record_drift(DRIFT),
    "drift_between": lambda ledger: ledger.drift_between("flights", START, END),
    "record_performance": lambda ledger: ledger.record_performance(PERFORMANCE),
    "performance_between": lambda ledger: ledger.performance_between("flights", START, END),
    "labelled_between": lambda ledger: ledger.labelled_between("flights", START, END, as_of=END),
    "last_final": lambda ledger: ledger.last_final("flights", END, 5),
    "batches_without_truth": lambda ledger: ledger.batches_without_truth("flights", END),
    "record_decision": lambda ledger: ledger.record_decision(DECISION),
    "decisions": lambda ledger: ledger.decisions("flights", DecisionKind.PROMOTE),
    "deploy": lambda ledger: ledger.deploy(DEPLOYMENT),
    "current_deployment": lambda ledger: ledger.current_deployment("flights", DeployedRole.CHAMPION),
    "deployment_at": lambda ledger: ledger.deployment_at("flights", DeployedRole.CHAMPION, START),
    "deployments": lambda ledger: ledger.deployments("flights"),
    "record_intervention": lambda ledger: ledger.record_intervention(INTERVENTION),
    "interventions": lambda ledger: ledger.interventions("flights"),
    "interventions_on": lambda ledger: ledger.interventions_on("flights", InterventionKind.ROWS_ACCEPTED, [WINDOW]),
    "record_backtest": lambda ledger: ledger.record_backtest(BACKTEST),
    "last_backtest": lambda ledger: ledger.last_backtest("flights"),
    "snapshots": lambda ledger: ledger.snapshots("flights", WINDOW),
    "counting_verdict": lambda ledger: ledger.counting_verdict("flights", WINDOW),
    "validations_between": lambda ledger: ledger.validations_between("flights", START, END),
    "validations": lambda ledger: ledger.validations("flights", WINDOW),
    "drift_of": lambda ledger: ledger.drift_of("flights", WINDOW),
    "record_late_rows": lambda ledger: ledger.record_late_rows(LATE),
    "late_rows_between": lambda ledger: ledger.late_rows_between("flights", START, END),
    "first_snapshots_between": lambda ledger: ledger.first_snapshots_between("flights", START, END),
    "unscored_between": lambda ledger: ledger.unscored_between("flights", START, END),
    "last_ingested": lambda ledger: ledger.last_ingested("flights"),
    "performance_of": lambda ledger: ledger.performance_of("flights", WINDOW),
    "status": lambda ledger: ledger.status("flights"),
    "last_links": lambda ledger: ledger.last_links(),
    "links_at": lambda ledger: ledger.links_at({"flights": 1}),
    "linked": lambda ledger: ledger.linked("flights", 0, 5),
    "link_with": lambda ledger: ledger.link_with("flights", digest="d"),
    "unlinked": lambda ledger: ledger.unlinked(5),
    "record_approval_request": lambda ledger: ledger.record_approval_request(REQUEST),
    "approval_request": lambda ledger: ledger.approval_request("flights", "run"),
    "last_approval_request": lambda ledger: ledger.last_approval_request("flights"),
    "record_approval": lambda ledger: ledger.record_approval(APPROVAL),
    "approvals": lambda ledger: ledger.approvals("flights"),
    "deploy_together": lambda ledger: ledger.deploy_together([DEPLOYMENT]),
    "record_shadow": lambda ledger: ledger.record_shadow(SHADOW),
    "shadows_between": lambda ledger: ledger.shadows_between("flights", START, END),
    "record_gain": lambda ledger: ledger.record_gain(GAIN),
    "gains_between": lambda ledger: ledger.gains_between("flights", START, END, champion="m", challenger="n"),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)

# On a server that other tests use too.
OUR_SESSIONS = (
    "FROM pg_stat_activity WHERE application_name LIKE 'perennial%' AND datname = current_database() "
    "AND pid <> pg_backend_pid()"
)

HOLDER = """
import sys, time
from datetime import UTC, datetime
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.window import Window
window = Window.parse(sys.argv[2])
with PostgresLedger(sys.argv[1], lambda: datetime.now(UTC)).working_on("flights", window, "run-1"):
    print("held", flush=True)
    sys.stdin.read()  # until it is killed
"""

STOPPED_HOLDER = """
import sys
from datetime import UTC, datetime
from perennial.errors import LeaseLost, StoreUnavailable
from perennial.ledger.entries import Snapshot
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.window import Window
window = Window.parse(sys.argv[2])
ledger = PostgresLedger(sys.argv[1], lambda: datetime.now(UTC), heartbeat_timeout=2.0)
try:
    with ledger.working_on("flights", window, "stopped") as lease:
        print("held", flush=True)
        sys.stdin.readline()
        try:
            ledger.record_snapshot(Snapshot("flights", window, "raw/flights", 7, "z", 9, {}, "SELECT 2", "late"), lease)
        except LeaseLost as lost:
            print(type(lost).__name__)
except StoreUnavailable:
    pass
"""

FORKING = """
import os, sys
from datetime import UTC, datetime
from perennial.ledger.postgres.ledger import PostgresLedger
ledger = PostgresLedger(sys.argv[1], lambda: datetime.now(UTC))
ledger.status("flights")  # the parent has a connection before it forks
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        for _ in range(20):
            assert ledger.status("flights").windows_ingested == 0
        os._exit(0)
    children.append(child)
for _ in range(20):
    assert ledger.status("flights").windows_ingested == 0
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
ledger.status("flights")
print("all well")
"""


def recording_time() -> datetime:
    return RECORDED


@pytest.fixture
def url(ledger_url: str) -> str:
    return ledger_url


@pytest.fixture
def ledger(url: str) -> Iterator[PostgresLedger]:
    opened = PostgresLedger(url, recording_time, lock_timeout=PATIENCE)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def shared_url(shared_ledger_url: str) -> str:
    """A database for the tests that leave it as it is."""
    return shared_ledger_url


@pytest.fixture(scope="module")
def shared_ledger(shared_url: str) -> Iterator[PostgresLedger]:
    opened = PostgresLedger(shared_url, recording_time)
    yield opened
    opened.close()


def execute(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- processes and sessions --------------------------------------------------------------------------------------


@pytest.fixture
def holder(url: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the window."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url, WINDOW.key], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_killed_process_lets_its_window_go(url: str, holder: "subprocess.Popen[str]") -> None:
    impatient = PostgresLedger(url, recording_time, lock_timeout=0.1)
    with pytest.raises(WindowBusy) as told, impatient.working_on("flights", WINDOW, "run-1"):
        pytest.fail("two processes held one window")
    wait_until(lambda: len(execute(url, f"SELECT pid {OUR_SESSIONS}")) == 1, "the impatient session to end")
    [(session,)] = execute(url, f"SELECT pid {OUR_SESSIONS}")
    assert f"run run-1, database session {session}, since 20" in str(told.value)

    os.kill(holder.pid, signal.SIGKILL)
    # Its session ends with it: nobody has to find out that it is silent, which no holder can be for so long.
    rival = PostgresLedger(url, recording_time, lock_timeout=PATIENCE, heartbeat_timeout=10 * PATIENCE)
    with rival.working_on("flights", WINDOW, "run-1") as lease:
        assert lease.contested


def test_forked_processes_open_connections_of_their_own(url: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FORKING, url], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert (run.stdout, run.returncode) == ("all well\n", 0), run.stderr


def end_other_sessions(url: str) -> None:
    execute(
        url,
        f"SELECT pg_terminate_backend(pid, {PATIENCE * 1000:.0f}) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()",
    )


def test_a_lost_hold_is_told_at_the_end(url: str, ledger: PostgresLedger) -> None:
    with pytest.raises(StoreUnavailable, match=r"The lease on window 2013-03-01.* of flights was lost"):  # noqa: SIM117
        with ledger.working_on("flights", WINDOW, "run-1"):
            end_other_sessions(url)


def test_a_lost_hold_does_not_hide_why_the_work_failed(url: str, ledger: PostgresLedger) -> None:
    def work() -> None:
        with ledger.working_on("flights", WINDOW, "run-1"):
            end_other_sessions(url)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_a_connection_that_broke_while_idle_is_replaced(url: str, ledger: PostgresLedger) -> None:
    first = ledger.record_snapshot(SNAPSHOT)
    end_other_sessions(url)
    assert ledger.latest_snapshot("flights", WINDOW) == first


def test_a_hold_leaves_no_session_behind(url: str, ledger: PostgresLedger) -> None:
    with ledger.working_on("flights", WINDOW, "run-1"):
        during = execute(url, f"SELECT count(*) {OUR_SESSIONS}")
    assert during == [(1,)]
    wait_until(lambda: not execute(url, f"SELECT 1 {OUR_SESSIONS}"), "the session to end")


def test_a_hold_is_no_open_transaction_and_outlives_idle_limits(url: str, ledger: PostgresLedger) -> None:
    database = url.rpartition("/")[2]
    execute(url, f"ALTER DATABASE {database} SET idle_session_timeout = '1s'")
    execute(url, f"ALTER DATABASE {database} SET idle_in_transaction_session_timeout = '1s'")
    with ledger.working_on("flights", WINDOW, "run-1"):
        time.sleep(2)
        held = execute(url, f"SELECT state {OUR_SESSIONS}")
    assert held == [("idle",)]


def test_deployments_and_batches_wait_for_each_other_but_not_for_ever(url: str) -> None:
    impatient = PostgresLedger(url, recording_time, lock_timeout=0.1)
    blocked, done = threading.Event(), threading.Event()

    def slow_clockwork() -> None:
        from perennial.ledger.postgres.connection import LedgerDatabase
        from perennial.ledger.postgres.locks import lock_use_case

        with LedgerDatabase(url).transaction() as connection:
            lock_use_case(connection, "flights", PATIENCE)
            blocked.set()
            done.wait(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(slow_clockwork)
        assert blocked.wait(PATIENCE)
        try:
            for call in (CALLS["record_batch"], CALLS["deploy"]):
                with pytest.raises(StoreUnavailable, match="lock timeout"):
                    call(impatient)
            CALLS["record_snapshot"](impatient)
        finally:
            done.set()
        holding.result()
    assert impatient.deploy(DEPLOYMENT).id is not None


def test_rivals_are_told_whatever_isolation_the_server_prefers(url: str, ledger: PostgresLedger) -> None:
    execute(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_isolation = 'serializable'")
    start = threading.Barrier(4)

    def attempt(number: int) -> str:
        start.wait()
        try:
            return ledger.deploy(Deployment(**{**vars(DEPLOYMENT), "model_version": str(number)})).model_version
        except DeploymentConflict:
            return "told"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4)))[1:] == ["told"] * 3


# --- a holder that is silent, or cut off ----------------------------------------------------------------------------


def test_a_silent_holder_loses_its_window_and_what_it_brings_later_is_refused(url: str) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", STOPPED_HOLDER, url, WINDOW.key], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    rival = PostgresLedger(url, recording_time, lock_timeout=PATIENCE, heartbeat_timeout=2.0)
    holder.send_signal(signal.SIGSTOP)
    with rival.working_on("flights", WINDOW, "rival") as lease:
        assert lease.contested
        rival.record_snapshot(SNAPSHOT, lease)
    holder.send_signal(signal.SIGCONT)
    out, err = holder.communicate("go on\n", timeout=PATIENCE)
    assert (holder.returncode, out) == (0, "LeaseLost\n"), err
    assert [each.run_id for each in rival.snapshots("flights", WINDOW)] == ["run"]
    with rival.working_on("flights", WINDOW, "next") as lease:
        assert not lease.contested


def test_a_holder_that_lives_is_not_silent_however_long_it_works(url: str) -> None:
    ledger = PostgresLedger(url, recording_time, heartbeat_timeout=2.0)
    rival = PostgresLedger(url, recording_time, lock_timeout=4.5, heartbeat_timeout=2.0)
    with ledger.working_on("flights", WINDOW, "long") as lease:
        with pytest.raises(WindowBusy, match="run long, database session"), rival.working_on("flights", WINDOW, "r"):
            pytest.fail("two held one window")
        ledger.record_snapshot(SNAPSHOT, lease)


def test_a_fencing_token_is_never_behind_the_clock_so_that_a_restored_ledger_is_not_behind_its_stores(
    url: str, ledger: PostgresLedger
) -> None:
    before = int(time.time() * 1_000_000) - 60_000_000
    with ledger.working_on("flights", WINDOW, "run") as lease:
        assert lease.fencing_token > before


# --- append-only, and what the database itself refuses -----------------------------------------------------------


@pytest.mark.parametrize("table", [table.name for table in TABLES.values()])
def test_the_database_refuses_to_change_the_past(shared_url: str, table: str) -> None:
    for statement in (
        f"UPDATE ledger.{table} SET run_id = 'x'",
        f"DELETE FROM ledger.{table}",
        f"TRUNCATE ledger.{table} CASCADE",
    ):
        verb = statement.split()[0]
        with pytest.raises(
            psycopg2.errors.RestrictViolation, match=f"{verb} on ledger.{table} is refused: .*append-only"
        ):
            execute(shared_url, statement)


def test_an_entry_survives_the_attempt_to_overwrite_it(url: str, ledger: PostgresLedger) -> None:
    first = ledger.record_snapshot(SNAPSHOT)
    columns = 'use_case, window_start, window_end, "table", version, digest, rows, columns, query, run_id, recorded_at'
    for change in (
        "UPDATE ledger.snapshots SET digest = 'forged'",
        f"INSERT INTO ledger.snapshots ({columns}) SELECT {columns} FROM ledger.snapshots "
        "ON CONFLICT ON CONSTRAINT uq_snapshots DO UPDATE SET digest = 'forged'",
    ):
        with pytest.raises(psycopg2.errors.RestrictViolation, match="Record a new entry instead"):
            execute(url, change)
    assert ledger.latest_snapshot("flights", WINDOW) == first


@pytest.mark.parametrize(
    ("entry", "changes", "constraint"),
    [
        (SNAPSHOT, {"rows": -1}, "ck_snapshots_rows"),
        (SNAPSHOT, {"version": -1}, "ck_snapshots_version"),
        (VALIDATION, {"rows_quarantined": 10}, "ck_validations_rows_quarantined"),
        (BATCH, {"revision": -1}, "ck_batches_revision"),
        (DRIFT, {"p_value": 1.01}, "ck_drift_reports_p_value"),
        (PERFORMANCE, {"completeness": 1.01}, "ck_performance_completeness"),
        (PERFORMANCE, {"completeness": -0.01}, "ck_performance_completeness"),
        (PERFORMANCE, {"labelled": 10}, "ck_performance_labelled"),
        (PERFORMANCE, {"without_outcome": 10}, "ck_performance_without_outcome"),
        (PERFORMANCE, {"without_outcome": -1}, "ck_performance_without_outcome"),
    ],
)
def test_the_database_refuses_impossible_facts(
    shared_ledger: PostgresLedger, entry: Any, changes: dict[str, object], constraint: str
) -> None:
    impossible = type(entry)(**{**vars(entry), **changes})
    record: dict[type, Callable[[Any], object]] = {
        Snapshot: shared_ledger.record_snapshot,
        ValidationResult: shared_ledger.record_validation,
        Batch: lambda batch: shared_ledger.record_batch(batch, expected=None),
        DriftReport: shared_ledger.record_drift,
        Performance: shared_ledger.record_performance,
    }
    with pytest.raises(IntegrityError, match=constraint):
        record[type(entry)](impossible)


def test_large_reports_are_packed_and_read_as_they_were(url: str, ledger: PostgresLedger) -> None:
    numbers = [number / 7 for number in range(500)]
    large = {"columns": [{"name": "weight", "sums": numbers, "text": "größer"}] * 3, "empty": None, "whole": 2**53}
    recorded = ledger.record_drift(replace(DRIFT, report=large, profile={"rows": 9}))
    assert (recorded.report, recorded.profile) == (large, {"rows": 9})
    assert ledger.drift_of("flights", WINDOW) == [recorded]
    ((packed, small),) = execute(url, "SELECT report, profile FROM ledger.drift_reports")
    assert (list(packed), small) == (["lzma85"], {"rows": 9})
    assert len(str(packed)) < len(str(large)) / 3


def test_reports_that_were_stored_as_they_are_are_read(url: str, ledger: PostgresLedger) -> None:
    ledger.record_drift(DRIFT)
    plain = {"columns": list(range(1_000))}
    execute(
        url,
        "SET session_replication_role = replica; "
        f"UPDATE ledger.drift_reports SET report = '{json.dumps(plain)}'; SET session_replication_role = origin",
    )
    (found,) = ledger.drift_of("flights", WINDOW)
    assert found.report == plain


def test_what_waits_is_found_without_reading_what_settles_nothing(url: str, ledger: PostgresLedger) -> None:
    for day in range(150):
        window = Window(START + timedelta(days=day), END + timedelta(days=day))
        ledger.record_batch(replace(BATCH, window=window), expected=None)
        for age, maturity in enumerate([Maturity.ESTIMATED, Maturity.PARTIAL, Maturity.FINAL]):
            as_of = window.end + timedelta(days=age)
            ledger.record_performance(replace(PERFORMANCE, window=window, as_of=as_of, maturity=maturity))
    query = queries.without_truth("flights", END + timedelta(days=152))
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("VACUUM ANALYZE ledger.batches, ledger.performance"))
        connection.execute(text("SET enable_seqscan = off"))
        asked = str(query.compile(engine, compile_kwargs={"literal_binds": True})).replace(":", "\\:")
        (found,) = connection.scalar(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked}"))
    engine.dispose()
    read: dict[str, float] = {}
    nodes = [found["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
        if index := node.get("Index Name"):
            read[index] = read.get(index, 0) + node["Actual Rows"] * node["Actual Loops"]
    assert read == {
        "uq_batches": 150,
        "ix_performance_settling": 150 + 1,  # the youngest of all, once more
        "ix_performance_unsettled": 0,
        "ix_performance_newest": 0,
    }


def test_the_database_refuses_a_window_that_ends_before_it_starts(shared_url: str) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation, match="ck_snapshots_window"):
        execute(
            shared_url,
            'INSERT INTO ledger.snapshots (use_case, window_start, window_end, "table", version, digest, rows, '
            "columns, query, run_id, recorded_at) VALUES ('f', now(), now(), 't', 0, 'd', 0, '{}', 'q', 'r', now())",
        )


def test_the_database_refuses_a_fork_in_the_line_of_deployments(url: str, ledger: PostgresLedger) -> None:
    first = ledger.deploy(DEPLOYMENT)
    insert = (
        "INSERT INTO ledger.deployments (use_case, role, model_version, model_digest, effective_from, supersedes, "
        "actor, reason, training, metrics, code_version, lock_digest, salt, ends, run_id, recorded_at) VALUES "
        "('flights', 'champion', '9', 'm9', now(), %s, 'mallory', 'because', '{}', '{}', 'v', 'l', '', false, 'run', "
        "now())"
    )
    with pytest.raises(psycopg2.errors.UniqueViolation, match="uq_deployments_first"):
        execute(url, insert, None)
    with pytest.raises(psycopg2.errors.UniqueViolation, match="uq_deployments"):
        execute(url, f"{insert}; {insert}", first.id, first.id)


# --- a store that is not there, not ready, or not ours -----------------------------------------------------------


@every_call
def test_a_store_that_is_down_is_told_without_its_password(
    unused_port: int, call: Callable[[PostgresLedger], object]
) -> None:
    ledger = PostgresLedger(f"postgresql://alice:hush-hush@127.0.0.1:{unused_port}/facts", recording_time)
    with pytest.raises(
        StoreUnavailable, match=rf"ledger at 127.0.0.1:{unused_port}/facts .*[Cc]onnection refused"
    ) as told:
        call(ledger)
    assert "hush-hush" not in "".join(traceback.format_exception(told.value))


def test_a_wrong_password_is_told_without_the_password(postgres: EmbeddedPostgres, shared_url: str) -> None:
    wrong = f"postgresql://perennial:hush-hush@127.0.0.1:{postgres.port}/{shared_url.rpartition('/')[2]}"
    with pytest.raises(StoreUnavailable, match="password authentication failed") as told:
        PostgresLedger(wrong, recording_time).status("flights")
    assert "hush-hush" not in "".join(traceback.format_exception(told.value))


@every_call
def test_a_store_without_tables_says_how_to_make_them(
    empty_ledger: PostgresLedger, call: Callable[[PostgresLedger], object]
) -> None:
    with pytest.raises(InvalidSettings, match=r"does not exist.*run `perennial db upgrade`"):
        call(empty_ledger)


@pytest.fixture(scope="module")
def empty_ledger(postgres: EmbeddedPostgres) -> Iterator[PostgresLedger]:
    name = f"empty_{uuid4().hex[:12]}"
    postgres.create_database(name)
    opened = PostgresLedger(postgres.url(name), recording_time)
    yield opened
    opened.close()


def test_a_user_without_rights_is_told_which(postgres: EmbeddedPostgres, shared_url: str) -> None:
    user = f"reader_{uuid4().hex[:8]}"
    execute(shared_url, f"CREATE ROLE {user} LOGIN PASSWORD 'hush-hush'")
    theirs = f"postgresql://{user}:hush-hush@127.0.0.1:{postgres.port}/{shared_url.rpartition('/')[2]}"
    with pytest.raises(InvalidSettings, match=r"permission denied for schema ledger.*Grant the right"):
        PostgresLedger(theirs, recording_time).status("flights")


def test_tables_of_others_in_the_same_database_are_left_alone(database_url: str) -> None:
    execute(database_url, "CREATE TABLE snapshots (theirs int); INSERT INTO snapshots VALUES (7)")
    migrate.upgrade(database_url)
    ledger = PostgresLedger(database_url, recording_time)
    ledger.record_snapshot(SNAPSHOT)
    assert execute(database_url, "SELECT theirs FROM public.snapshots") == [(7,)]
    ledger.close()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_the_url_may_be_written_as_people_write_it(shared_url: str, scheme: str) -> None:
    ledger = PostgresLedger(f"{scheme}{shared_url[len('postgresql') :]}", recording_time)
    assert ledger.status("flights").windows_ingested == 0
    ledger.close()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("mysql://u:hush-hush@h/db", "begins with mysql://"),
        ("sqlite:///ledger.db", "begins with sqlite://"),
        ("", "can't be read"),
        ("hush-hush", "can't be read"),
        ("postgresql://u:p@h:hush-hush/db", "can't be read"),
    ],
)
def test_a_url_that_is_none_of_postgresql_is_refused_at_once(wrong: str, message: str) -> None:
    with pytest.raises(InvalidSettings, match=message) as told:
        PostgresLedger(wrong, recording_time)
    assert "hush-hush" not in str(told.value)
    assert told.value.__cause__ is None


def test_instants_of_record_are_those_of_the_databases_clock(url: str) -> None:
    """The host's clock has no say: no clock is given, as in the wiring."""
    ((before,),) = execute(url, "SELECT clock_timestamp()")
    ledger = PostgresLedger(url)
    with ledger.working_on("flights", WINDOW, "run") as lease:
        stored = [
            ledger.record_snapshot(SNAPSHOT, lease),
            ledger.record_batch(BATCH, lease, expected=None),
            ledger.record_performance(PERFORMANCE),
        ]
    ledger.close()
    ((after,),) = execute(url, "SELECT clock_timestamp()")
    ((taken,),) = execute(url, "SELECT taken_at FROM ledger.leases")
    moments = [before, taken, *(entry.recorded_at for entry in stored if entry.recorded_at is not None), after]
    assert len(moments) == 6
    assert moments == sorted(moments)
    assert len(set(moments)) == 6
