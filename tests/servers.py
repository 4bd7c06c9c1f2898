"""Real servers of a test run: each is started once, by the first test that needs it, and none outlives the run.

The process that was started as `pytest` keeps a named pipe open for writing, and a watchdog reads from it, the same
that watches over `make run`. When that process is gone, however it ended, the watchdog ends what was started.
Every other process of the run (xdist's workers) opens the pipe only to tell what it has started.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg2
from psycopg2.sql import SQL, Identifier
from tests.ports import free_port
from tests.waiting import LOG_END, PATIENCE, ended, wait_until

from perennial_local import watchdog
from perennial_local.census import end, record_process
from perennial_local.postgres import EmbeddedPostgres

GRACE = 5.0
# Nothing of the shared server needs to outlive a crash of the machine.
THROWAWAY = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
S3_KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
# The watchdog ends them; what Python no longer knew, it would warn of.
_started: "list[subprocess.Popen[bytes]]" = []
S3_PAGE = 20  # objects a listing gives at once: less than a real S3's 1,000, so that tests meet several pages


@dataclass(frozen=True)
class Run:
    """One run of the tests, known by its folder to every process that takes part."""

    folder: Path

    @property
    def pipe(self) -> Path:
        """What the watchdog reads."""
        return self.folder / "started"

    def new_folder(self, prefix: str) -> Path:
        """An empty folder for a server's files, which goes with the run."""
        return Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=self.folder))

    def watch(self, name: str, pid: int, stop_signal: int = signal.SIGTERM, grace: float = GRACE) -> None:
        """Let the process be ended when the run is over.

        Errors: `AssertionError` when the run is over already; then the process has been ended.
        """
        record = record_process(name, pid, stop_signal, grace)
        if record is None:
            return
        try:
            pipe = os.open(self.pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:  # nobody reads any more
            end(record)
            raise AssertionError(f"{name} was started when the run of the tests was over") from error
        with open(pipe, "w") as line:  # noqa: PTH123 - an open file, not a path
            line.write(watchdog.watching(record))  # short enough to arrive in one piece

    def finish(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        """Run a command to its end, or to the end of the run.

        Errors: `AssertionError` with the end of what it said, when it failed.
        """
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.watch(name, process.pid)
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, f"{name}: {said[-LOG_END:]}"

    def once(self, name: str, make: Callable[[], str]) -> str:
        """What `make` returned to the first process of the run that asked for `name`.

        Errors: `AssertionError` with its reason when that failed; it is not tried again.
        """
        kept = self.folder / f"{name}.json"
        with (self.folder / f"{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                try:
                    kept.write_text(json.dumps({"made": make()}))
                except Exception as error:
                    kept.write_text(json.dumps({"failed": str(error)}))
                    raise
            found = json.loads(kept.read_text())
        assert "failed" not in found, f"{name} was not to be had in this run: {found['failed']}"
        return str(found["made"])


@contextmanager
def watched_run(folder: Path, *, remove: Sequence[Path] = ()) -> Iterator[Run]:
    """A run of this process, whose servers lie in `folder`; at the end, also a violent one, they are ended, and the
    folders `remove` are removed.
    """
    run = Run(folder)
    os.mkfifo(run.pipe, 0o600)
    reading = os.open(run.pipe, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(run.pipe, os.O_WRONLY)
    os.set_blocking(reading, True)
    dog = watchdog.start(reading, remove=remove)
    os.close(reading)
    try:
        yield run
    finally:
        os.close(writing)
        dog.wait()


class WatchedPostgres(EmbeddedPostgres):
    """An embedded PostgreSQL that doesn't outlive the run."""

    def __init__(self, run: Run, data: Path, port: int) -> None:
        super().__init__(data, port)
        self._run = run

    def launch(self) -> "subprocess.Popen[bytes]":
        """See `EmbeddedPostgres.launch`."""
        process = super().launch()
        self._run.watch("postgres", process.pid, signal.SIGQUIT)
        return process

    def new_database(self, prefix: str, template: str = "template1") -> str:
        """The name of a new database that starts as a copy of `template`."""
        name = f"{prefix}_{uuid4().hex[:12]}"
        with closing(psycopg2.connect(self.url("postgres"))) as session, session.cursor() as cursor:
            session.autocommit = True
            cursor.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
        return name


def shared_postgres(run: Run) -> WatchedPostgres:
    """The one PostgreSQL of the run, for tests that leave the server alone and have databases of their own."""
    data = run.folder / "postgres" / "data"

    def start() -> str:
        server = WatchedPostgres(run, data, free_port())
        server.initialise()
        with (data / "postgresql.conf").open("a") as options:
            options.write(THROWAWAY)
        server.start()
        assert server.process is not None
        _started.append(server.process)
        return str(server.port)

    return WatchedPostgres(run, data, int(run.once("postgres", start)))


def ledger_template(run: Run, postgres: WatchedPostgres) -> str:
    """The name of a database with a ledger's tables in it, to copy."""

    def make() -> str:
        from perennial.ledger.postgres.schema import migrate  # it takes a while, and few tests need it

        name = postgres.new_database("template")
        migrate.upgrade(postgres.url(name))
        return name

    return run.once("ledger-template", make)


def shared_mlflow(run: Run, postgres: WatchedPostgres) -> str:
    """The URL of the one MLflow server of the run, with PostgreSQL behind it."""

    return _mlflow(run, postgres, "mlflow", str(run.folder / "mlflow" / "artifacts"), {})


def mlflow_on_s3(run: Run, postgres: WatchedPostgres, endpoint: str) -> str:
    """The URL of the one MLflow server of the run that keeps its artefacts in a bucket, and lets nobody else see it."""
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    destination = f"s3://{new_bucket(endpoint, 'mlflow')}/artifacts"
    return _mlflow(run, postgres, "mlflow-on-s3", destination, {**keys, "MLFLOW_S3_ENDPOINT_URL": endpoint})


def mlflow_of(run: Run, postgres: WatchedPostgres, name: str, database: str, artifacts: Path) -> str:
    """The URL of an MLflow server of the run over a database and artefacts that are there already."""
    return _mlflow(run, postgres, name, str(artifacts), {}, database)


def _mlflow(
    run: Run,
    postgres: WatchedPostgres,
    name: str,
    destination: str,
    variables: Mapping[str, str],
    database: str | None = None,
) -> str:
    def start() -> str:
        folder, port = run.folder / name, free_port()
        folder.mkdir()
        url_of_database = database or postgres.url(postgres.new_database("mlflow"))
        command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        environment = {
            "MLFLOW_BACKEND_STORE_URI": url_of_database.replace("postgresql://", "postgresql+psycopg2://"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            **variables,
        }
        url = f"http://127.0.0.1:{port}"
        arguments = [*command, "--artifacts-destination", destination]
        start_server(run, name, arguments, folder, environment, f"{url}/health")
        return url

    return run.once(name, start)


def shared_s3(run: Run) -> str:
    """The endpoint of the one S3 server of the run."""

    def start() -> str:
        folder, port = run.folder / "s3", free_port()
        folder.mkdir()
        url = f"http://127.0.0.1:{port}"
        environment = {"MOTO_S3_DEFAULT_MAX_KEYS": str(S3_PAGE)}
        start_server(run, "moto", ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], folder, environment, url)
        return url

    return run.once("s3", start)


def new_bucket(endpoint: str, prefix: str) -> str:
    """The name of a new, empty bucket."""
    import boto3  # it takes a while, and few tests need it

    name = f"{prefix}-{uuid4().hex[:12]}"
    boto3.client("s3", endpoint_url=endpoint, **S3_KEYS).create_bucket(Bucket=name)
    return name


def start_server(
    run: Run, name: str, arguments: list[str], folder: Path, environment: Mapping[str, str], asked: str
) -> None:
    """Start a module's server, which ends with the run at the latest, and wait until it answers."""
    log = folder / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, *arguments], env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, cwd=folder, start_new_session=True,
        )  # fmt: skip
    _started.append(server)
    run.watch(name, server.pid)
    wait_until(lambda: _answers(asked), f"{name} at {asked}", lambda: ended(server, log))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
