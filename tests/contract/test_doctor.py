"""`perennial doctor` beside real servers: it finds nothing where all is well, and what was broken on purpose."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import boto3
import psycopg2
import pytest
from psycopg2.sql import SQL, Identifier
from tests.faults.proxies import S3Proxy
from tests.servers import S3_KEYS

from perennial import clock
from perennial.anchors.port import Anchor
from perennial.anchors.store import AnchorStore
from perennial.code_version import LOCK
from perennial.doctor.checks import databases, versions
from perennial.doctor.deployment import Deployment
from perennial.doctor.examine import examine, report
from perennial.doctor.finding import Finding, Status
from perennial.doctor.registry import CHECKS
from perennial.ledger.entries import DecisionKind, RecordedDecision, Snapshot
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema.probe import CHANGING
from perennial.ledger.postgres.schema.readers import prepare_reader
from perennial.ledger.postgres.schema.writers import REDACT
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.window import Window
from perennial.wiring_records import lake_options

PASSWORD = "p@ss/word"


@dataclass
class World:
    """A deployment with roles as they should be, and what each test changes of it."""

    owner: str
    variables: dict[str, str]

    def deployment(self, **changed: str) -> Deployment:
        given = {**self.variables, **changed}
        settings = Settings.from_environment({name: value for name, value in given.items() if value})
        connections = EnvironmentConnections(settings.environment)
        return Deployment(settings, connections, lambda: lake_options(settings, connections), patience=5.0)

    def found(self, *names: str, deployment: Deployment | None = None, **changed: str) -> list[Finding]:
        chosen = {name: check for name, check in CHECKS.items() if name in names} if names else CHECKS
        assert len(chosen) == len(names or CHECKS)
        return examine(chosen, deployment or self.deployment(**changed))

    def one(self, name: str, deployment: Deployment | None = None, **changed: str) -> Finding:
        return self.found(name, deployment=deployment, **changed)[0]

    def execute(self, statement: str, *roles: str) -> None:
        """A statement by the owner, with the names of roles where it has {}."""
        with closing(psycopg2.connect(self.owner)) as session, session, session.cursor() as cursor:
            cursor.execute(SQL(statement).format(*map(Identifier, roles)))

    def user(self, name: str) -> str:
        return str(urlsplit(self.variables[name]).username)


def as_user(url: str, user: str, password: str = PASSWORD) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"))


LEDGER, PUBLISHED = "AIRFLOW_CONN_PERENNIAL_LEDGER", "AIRFLOW_CONN_PERENNIAL_PUBLISHED"
FUNCTION = f"ledger.{REDACT}"
READER, PUBLISHED_READER = f"{LEDGER}_READER", f"{PUBLISHED}_READER"


@pytest.fixture
def world(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    """A writer who may append and no more, a publisher with a schema, and readers who only read."""
    mark = uuid4().hex[:8]
    writer, reader = f"writer_{mark}", f"reader_{mark}"
    made = World(
        ledger_url,
        {
            "PERENNIAL_HOME": str(tmp_path / "home"),
            "PERENNIAL_LEAST_FREE_DISK": "0",
            LEDGER: as_user(ledger_url, writer),
            PUBLISHED: as_user(ledger_url, writer),
            READER: as_user(ledger_url, reader),
            PUBLISHED_READER: as_user(ledger_url, reader),
        },
    )
    made.execute(f"CREATE ROLE {{}} LOGIN PASSWORD '{PASSWORD}'", writer)
    made.execute("GRANT USAGE ON SCHEMA ledger TO {}", writer)
    made.execute("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA ledger TO {}", writer)
    made.execute("GRANT UPDATE ON ledger.leases TO {}", writer)
    made.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO {{}}", writer)
    made.execute("CREATE SCHEMA perennial AUTHORIZATION {}", writer)
    prepare_reader(ledger_url, made.variables[READER], "ledger")
    prepare_reader(made.variables[PUBLISHED], made.variables[READER], "perennial")
    yield made
    made.execute("DROP OWNED BY {} CASCADE", writer)
    made.execute("DROP OWNED BY {} CASCADE", reader)
    made.execute("DROP ROLE {}, {}", writer, reader)


@pytest.fixture
def bucket(make_bucket: Callable[[str], str]) -> str:
    return make_bucket("doctor")


def on_s3(bucket: str, endpoint: str) -> dict[str, str]:
    return {
        "PERENNIAL_LAKE_URL": f"s3://{bucket}/lake",
        "PERENNIAL_LAKE_CONNECTION": "lake",
        "AIRFLOW_CONN_LAKE": f"aws://key:secret@/?endpoint_url={quote(endpoint, safe='')}&region_name=us-east-1",
    }


def objects(endpoint: str, bucket: str) -> list[str]:
    found = boto3.client("s3", endpoint_url=endpoint, **S3_KEYS).list_objects_v2(Bucket=bucket)
    return [each["Key"] for each in found.get("Contents", ())]


def deny(endpoint: str, bucket: str, action: str) -> None:
    """A policy under which nobody may do it with the bucket's objects."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{bucket}/*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    boto3.client("s3", endpoint_url=endpoint, **S3_KEYS).put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


@pytest.mark.parametrize("where", ["folder", "s3"])
def test_where_all_is_well_nothing_is_found_and_nothing_is_left(
    world: World, mlflow_url: str, mlflow_artifacts: Path, s3_endpoint: str, bucket: str, where: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if Path(sys.prefix).name == ".venv-lowest":  # of `make test-lowest`
        monkeypatch.setattr(versions, "LOCK", LOCK.with_name("requirements-lowest.txt"))
    changed = on_s3(bucket, s3_endpoint) if where == "s3" else {}
    found = world.found(**changed, PERENNIAL_MLFLOW_URL=mlflow_url)
    assert [each for each in found if each.status is not Status.OK] == []
    assert [each.check for each in found] == list(CHECKS)
    assert report(found).healthy
    assert objects(s3_endpoint, bucket) == []
    assert not (tmp_path / "home").exists()
    assert not list(mlflow_artifacts.rglob("perennial-doctor*/*"))


def test_every_table_of_the_ledger_is_guarded_or_named_as_changing(world: World) -> None:
    with closing(psycopg2.connect(world.owner)) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'ledger'::regnamespace AND relkind = 'r' AND NOT EXISTS "
            "(SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid AND tgname = 'append_only')"
        )
        assert {name for (name,) in cursor.fetchall()} == CHANGING


def test_the_rights_that_are_asked_for_are_those_that_a_writer_needs(world: World) -> None:
    """Locks, leases, entries and links of the chain: all of it works, and what is recorded can't be changed."""
    window = Window(datetime(2013, 3, 5, tzinfo=UTC), datetime(2013, 3, 6, tzinfo=UTC))
    snapshot = Snapshot("flights", window, "raw/flights", 0, "s", 9, {}, "SELECT 1", "run")
    decision = RecordedDecision("flights", DecisionKind.PROMOTE, "1", window.end, "hold", ("quiet",), {}, "run")
    assert world.one("ledger writer").status is Status.OK
    ledger = PostgresLedger(world.variables[LEDGER], clock.now)
    for run in ("first", "second"):  # whoever comes second takes over a lease that is there
        with ledger.working_on("flights", window, run) as lease:
            ledger.record_snapshot(snapshot, lease)
    ledger.record_decision(decision)
    assert ledger.latest_snapshot("flights", window) is not None
    ledger.close()
    with (
        closing(psycopg2.connect(world.variables[LEDGER])) as session,
        session.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute("UPDATE ledger.decisions SET action = 'promote'")


def test_a_wrong_password_is_told_once_and_not_shown(world: World) -> None:
    wrong = as_user(world.owner, world.user(LEDGER), "wr0ng-secret")
    found = world.found("ledger", "ledger migrations", "ledger writer", "clock", **{LEDGER: wrong})
    assert {each.status for each in found} == {Status.FAIL}
    assert "password authentication failed" in found[0].found
    assert "Are host, user, password" in found[0].todo
    assert all(each.found == "could not be checked while `ledger` fails" for each in found[1:])
    assert "wr0ng" not in str(found)


def test_a_server_that_takes_connections_and_says_nothing_is_given_up(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://ann:p@127.0.0.1:{silent.getsockname()[1]}/ledger"
        found = world.one("ledger", replace(world.deployment(**{LEDGER: url}), patience=2.0))
    assert (found.status, "timeout expired" in found.found) == (Status.FAIL, True), found


def test_a_server_that_is_too_old(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "OLDEST", 99)
    found = world.found("ledger", "published tables")
    assert [(each.status, "is older than 99" in each.found) for each in found] == [(Status.FAIL, True)] * 2


def test_a_missing_connection_says_how_to_add_it(world: World) -> None:
    found = world.one("ledger", **{LEDGER: ""})
    assert found.status is Status.FAIL
    assert LEDGER in found.found


def test_migrations_that_wait_are_named(world: World) -> None:
    world.execute("UPDATE ledger.alembic_version SET version_num = '0005'")
    found = world.one("ledger migrations")
    assert (found.status, "0006" in found.found, "perennial db upgrade" in found.todo) == (Status.FAIL, True, True)
    world.execute("UPDATE ledger.alembic_version SET version_num = '9999'")
    newer = world.one("ledger migrations")
    assert (newer.status, "at revision 9999" in newer.found) == (Status.FAIL, True)


def test_a_database_without_a_ledger(world: World, database_url: str) -> None:
    found = world.found("ledger migrations", "ledger writer", **{LEDGER: database_url})
    assert [each.status for each in found] == [Status.FAIL] * 2
    assert all("perennial db upgrade" in each.todo for each in found)


@pytest.mark.parametrize(
    ("statement", "status", "said", "todo"),
    [
        ("REVOKE INSERT ON ledger.batches FROM {}", Status.FAIL, "every run needs: INSERT on batches", "GRANT"),
        ("REVOKE UPDATE ON ledger.leases FROM {}", Status.FAIL, "UPDATE on leases", "GRANT UPDATE ON ledger.leases"),
        ("REVOKE SELECT ON ledger.alembic_version FROM {}", Status.FAIL, "SELECT on alembic_version", "GRANT"),
        ("REVOKE USAGE ON SCHEMA ledger FROM {}", Status.FAIL, "USAGE on the schema ledger", "GRANT USAGE"),
        ("GRANT UPDATE ON ledger.decisions TO {}", Status.WARN, "TRUNCATE decisions", "SELECT and INSERT"),
        ("GRANT TRUNCATE ON ledger.batches TO {}", Status.WARN, "TRUNCATE batches", "leases only"),
        (f"REVOKE EXECUTE ON FUNCTION {FUNCTION} FROM {{}}", Status.WARN, "`perennial erase` can't", "GRANT EXECUTE"),
        ("ALTER TABLE ledger.batches OWNER TO {}", Status.WARN, "owns batches", "another role own"),
        ("ALTER ROLE {} SUPERUSER", Status.WARN, "is a superuser", "another role own"),
    ],
)  # fmt: skip
def test_a_writer_with_too_few_or_too_many_rights(
    world: World, statement: str, status: Status, said: str, todo: str
) -> None:
    world.execute(statement, world.user(LEDGER))
    found = world.one("ledger writer")
    assert (found.status, said in found.found, todo in found.todo) == (status, True, True), found


def test_what_is_advised_about_rights_lets_a_writer_erase(world: World) -> None:
    writer = world.user(LEDGER)
    world.execute("REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM {}", writer)
    world.execute(f"REVOKE EXECUTE ON FUNCTION {FUNCTION} FROM {{}}", writer)
    advised = world.one("ledger writer").todo
    world.execute(advised.removeprefix("As the owner: "))
    assert world.one("ledger writer").status is Status.OK


@pytest.mark.parametrize(
    "statement",
    ["DROP TRIGGER append_only ON ledger.decisions", "ALTER TABLE ledger.decisions DISABLE TRIGGER append_only"],
)
def test_a_ledger_whose_guard_is_gone(world: World, statement: str) -> None:
    world.execute(statement)
    found = world.one("ledger writer")
    assert (found.status, "decisions" in found.found) == (Status.FAIL, True)
    assert "perennial ledger verify" in found.todo


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("GRANT INSERT ON ledger.batches TO {}", "may also write batches"),
        ("GRANT TRUNCATE ON ledger.batches TO {}", "may also write batches"),
        ("ALTER ROLE {} SUPERUSER", "is a superuser"),
        ("REVOKE SELECT ON ledger.batches FROM {}", "may not read batches"),
        ("REVOKE USAGE ON SCHEMA ledger FROM {}", "may not read the schema ledger"),
    ],
)
def test_a_reader_who_may_write_or_may_not_read(world: World, statement: str, said: str) -> None:
    world.execute(statement, world.user(READER))
    found = world.one("ledger reader")
    assert (found.status, said in found.found, found.todo != "") == (Status.FAIL, True, True), found


def test_without_a_reader_the_pages_read_as_the_writer(world: World) -> None:
    found = world.one("ledger reader", **{READER: ""})
    assert (found.status, "perennial db readers" in found.todo) == (Status.WARN, True)


def test_a_publisher_who_may_not_make_tables(world: World) -> None:
    found = world.one("published tables", **{PUBLISHED: world.variables[READER]})
    assert (found.status, "may not make tables" in found.found) == (Status.FAIL, True)
    assert "GRANT USAGE, CREATE ON SCHEMA perennial" in found.todo
    world.execute("CREATE TABLE perennial.predictions_x (id int)")
    foreign = world.one("published tables")
    assert (foreign.status, "does not own predictions_x" in foreign.found) == (Status.FAIL, True)


@pytest.mark.parametrize(
    ("action", "step"), [("s3:PutObject", "write"), ("s3:GetObject", "read"), ("s3:DeleteObject", "delete")]
)
def test_a_bucket_without_a_right(world: World, s3_endpoint: str, bucket: str, action: str, step: str) -> None:
    deny(s3_endpoint, bucket, action)
    found = world.one("lake", **on_s3(bucket, s3_endpoint))
    assert (found.status, f"{step}: " in found.found, "403" in found.found) == (Status.FAIL, True, True), found
    assert action in found.todo
    left = objects(s3_endpoint, bucket)
    assert bool(left) is (step == "delete")
    assert all(f"s3://{bucket}/{each}" in found.todo for each in left)


def test_a_bucket_that_is_not_there(world: World, s3_endpoint: str) -> None:
    found = world.one("lake", **on_s3("nobody-made-this", s3_endpoint))
    assert (found.status, "NoSuchBucket" in found.found, "endpoint, bucket" in found.todo) == (Status.FAIL, True, True)


def test_a_store_that_is_down(world: World) -> None:
    found = world.found("lake", "conditional put", **on_s3("bucket", "http://127.0.0.1:1"))
    assert [each.status for each in found] == [Status.FAIL] * 2
    assert "http://127.0.0.1:1" in found[0].found
    assert "First correct what the line `lake` says" in found[1].todo


@pytest.fixture
def proxy(s3_endpoint: str) -> Iterator[S3Proxy]:
    parts = urlsplit(s3_endpoint)
    assert parts.hostname
    assert parts.port
    opened = S3Proxy(parts.hostname, parts.port)
    yield opened
    opened.close()


def test_a_proxy_that_drops_the_condition_is_caught(
    world: World, proxy: S3Proxy, bucket: str, s3_endpoint: str
) -> None:
    whole = world.one("conditional put", **on_s3(bucket, proxy.url))
    assert whole.status is Status.OK, whole
    proxy.dropped = {"if-none-match"}
    found = world.found("lake", "conditional put", **on_s3(bucket, proxy.url))
    assert [each.status for each in found] == [Status.OK, Status.FAIL]
    assert "the second overwrote the first" in found[1].found
    assert "If-None-Match" in found[1].todo
    assert objects(s3_endpoint, bucket) == []


def test_a_folder_that_can_not_be_written(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = world.found("lake", "archive", PERENNIAL_LAKE_URL=str(tmp_path / "file" / "lake"))
    assert [each.status for each in found] == [Status.FAIL] * 2
    assert "Not a directory" in found[0].found
    assert "Let the user that runs this write" in found[0].todo


def test_anchors_that_can_not_be_read(world: World, s3_endpoint: str) -> None:
    found = world.one("anchors", PERENNIAL_ANCHORS_URL="s3://nobody-made-this/a", **on_s3("other", s3_endpoint))
    assert (found.status, "NoSuchBucket" in found.found, "s3:ListBucket" in found.todo) == (Status.FAIL, True, True)


def test_the_newest_anchor_is_named(world: World, tmp_path: Path) -> None:
    made_at = datetime(2024, 3, 2, 3, 30, 4, tzinfo=UTC)
    AnchorStore(str(tmp_path / "anchors"), {}).put(Anchor(made_at, ()))
    found = world.one("anchors", PERENNIAL_ANCHORS_URL=str(tmp_path / "anchors"))
    assert (found.status, "the newest is of 2024-03-02 03:30 UTC" in found.found) == (Status.OK, True), found


@pytest.mark.parametrize(
    ("seconds", "status", "said"),
    [(0, Status.OK, ""), (4, Status.WARN, "ahead of"), (-4, Status.WARN, "behind"), (30, Status.FAIL, "ahead of")],
)
def test_a_clock_that_is_wrong(world: World, seconds: float, status: Status, said: str) -> None:
    def wrong() -> datetime:
        return clock.now() + timedelta(seconds=seconds)

    found = world.one("clock", replace(world.deployment(), clock=wrong))
    assert (found.status, said in found.found) == (status, True), found
    assert ("NTP" in found.todo) is (status is not Status.OK)


def test_an_answer_that_took_long_proves_no_skew(world: World) -> None:
    """The clock of a server that answers after 8 s is known to 4 s only."""
    asked: list[datetime] = []

    def slow() -> datetime:
        asked.append(clock.now())
        return asked[-1] + timedelta(seconds=8 * (len(asked) - 1))

    found = world.one("clock", replace(world.deployment(), clock=slow))
    assert (found.status, "give or take 4" in found.found) == (Status.OK, True), found


def test_a_disk_that_is_nearly_full(world: World) -> None:
    real = world.one("disk", PERENNIAL_LEAST_FREE_DISK="1e9")
    assert (real.status, "PERENNIAL_LEAST_FREE_DISK" in real.todo) == (Status.FAIL, True)
    some = replace(world.deployment(PERENNIAL_LEAST_FREE_DISK="2"), free=lambda path: 3.0)
    assert world.one("disk", some).status is Status.WARN
    assert world.one("disk", replace(some, free=lambda path: 4.0)).status is Status.OK


def test_a_tracking_server_that_is_down(world: World) -> None:
    found = world.found("mlflow", "mlflow artefacts", PERENNIAL_MLFLOW_URL="http://ann:geheim@127.0.0.1:1")
    assert [each.status for each in found] == [Status.FAIL] * 2
    assert "did not answer" in found[0].found
    assert found[1].found == "could not be checked while `mlflow` fails"
    assert "geheim" not in str(found)


@pytest.fixture
def server_says() -> Iterator[Callable[[int], str]]:
    """A server that answers everything with one status; its address."""
    opened: list[ThreadingHTTPServer] = []

    def make(status: int) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield make
    for each in opened:
        each.shutdown()
        each.server_close()


@pytest.mark.parametrize(("status", "todo"), [(401, "Write user and password"), (500, "--allowed-hosts")])
def test_a_tracking_server_that_refuses(
    world: World, server_says: Callable[[int], str], status: int, todo: str
) -> None:
    found = world.one("mlflow", PERENNIAL_MLFLOW_URL=server_says(status))
    assert (found.status, str(status) in found.found, todo in found.todo) == (Status.FAIL, True, True), found


def test_artefacts_that_can_not_be_kept(world: World, mlflow_url: str, mlflow_artifacts: Path) -> None:
    folder, aside = mlflow_artifacts / "0", mlflow_artifacts / "aside"
    folder.mkdir(exist_ok=True, parents=True)
    folder.rename(aside)
    folder.write_text("not a folder")
    try:
        found = world.found("mlflow", "mlflow artefacts", PERENNIAL_MLFLOW_URL=mlflow_url)
    finally:
        folder.unlink()
        aside.rename(folder)
    assert [each.status for each in found] == [Status.OK, Status.FAIL]
    assert "--artifacts-destination" in found[1].todo


def test_one_check_that_goes_wrong_or_hangs_hides_no_other(world: World) -> None:
    def wrong(deployment: Deployment) -> Any:
        raise ZeroDivisionError("by nothing")

    def hangs(deployment: Deployment) -> Any:
        threading.Event().wait()

    found = examine({"wrong": wrong, "hangs": hangs, "disk": CHECKS["disk"]}, world.deployment(), seconds=1.0)
    assert [(each.check, each.status) for each in found] == [
        ("wrong", Status.FAIL), ("hangs", Status.FAIL), ("disk", Status.OK),
    ]  # fmt: skip
    assert "ZeroDivisionError: by nothing" in found[0].found
    assert "not done within 1 s" in found[1].found


def test_settings_and_use_cases_that_are_wrong(world: World, tmp_path: Path) -> None:
    broken = tmp_path / "use_cases" / "parcels"
    broken.mkdir(parents=True)
    (broken / "use_case.yaml").write_text("name: parcels\n")
    found = world.found(
        "settings", "specs", PERENNIAL_USE_CASES=str(broken.parent), AWS_ENDPOINT_URL="minio:9000",
        PERENNIAL_MLFLOW_URL_FILE="/run/secrets/nowhere",
    )  # fmt: skip
    assert [each.status for each in found] == [Status.FAIL] * 2
    assert "2 of " in found[0].found
    assert "AWS_ENDPOINT_URL is 'minio:9000'" in found[0].todo
    assert "/run/secrets/nowhere" in found[0].todo
    assert "parcels" in found[1].found
    (tmp_path / "none").mkdir()
    assert world.one("specs", PERENNIAL_USE_CASES=str(tmp_path / "none")).status is Status.WARN
