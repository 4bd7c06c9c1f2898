"""A real run of the DAGs with everything that watches turned on, and what the receivers got."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.ports import free_port
from tests.servers import Run, WatchedPostgres
from tests.unit.jobs.world import EXPECTATIONS, SPEC, tables

from perennial_airflow.lineage import EXTRACTOR

REPOSITORY = Path(__file__).parents[2]
FOREIGN = ("AIRFLOW_", "PERENNIAL_", "PYTEST_", "_AIRFLOW", "OTEL_", "OPENLINEAGE_")
PATIENCE = 900
BEGIN = "The tasks begin."  # printed by run_dags


@dataclass
class Received:
    """What was sent by POST, by path, in the order in which it came."""

    bodies: list[tuple[str, bytes]] = field(default_factory=list)

    def at(self, path: str) -> list[bytes]:
        return [body for where, body in self.bodies if where == path]


@dataclass(frozen=True)
class Observed:
    """A run of the DAGs: its log, line by line, and what the receiver got. `places` are names that differ by run."""

    log: tuple[str, ...]
    received: Received
    places: dict[str, str]

    @property
    def of_tasks(self) -> list[dict[str, Any]]:
        """The lines of our own loggers since the first task began."""
        lines = self.log[self.log.index(BEGIN) :]
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return [each for each in told if str(each.get("logger", "")).startswith("perennial.")]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of OpenLineage."""
        return [json.loads(body) for body in self.received.at("/api/v1/lineage")]


@pytest.fixture(scope="session")
def received() -> Iterator[tuple[str, Received]]:
    """A receiver of whatever is sent, and its URL."""
    kept = Received()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.bodies.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", free_port()), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", kept
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def observed(
    run: Run, postgres: WatchedPostgres, ledger_database: str, mlflow_url: str, received: tuple[str, Received]
) -> Observed:
    """The first model is trained, a window is scored and labels are collected, in a process that is Airflow's."""
    url, kept = received
    folder = run.new_folder("observed")
    use_case = with_files(folder / "use_cases" / "parcels", folder)
    ledger = postgres.url(postgres.new_database("ledger", ledger_database))
    airflow = postgres.url(postgres.new_database("airflow")).replace("postgresql://", "postgresql+psycopg2://")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment |= {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__LOGGING__JSON_LOGS": "True",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": "http", "url": url, "endpoint": "api/v1/lineage"}),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
        "AIRFLOW__OPENLINEAGE__EXTRACTORS": EXTRACTOR,
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "AIRFLOW__METRICS__STATSD_ON": "False",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "PERENNIAL_HOME": str(folder / "home"),
        "PERENNIAL_USE_CASES": str(use_case.parent),
        "PERENNIAL_LAKE_URL": str(folder / "lake"),
        "PERENNIAL_MLFLOW_URL": mlflow_url,
        "AIRFLOW_CONN_PERENNIAL_LEDGER": ledger,
        "AIRFLOW_CONN_PERENNIAL_PUBLISHED": ledger,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "NO_PROXY": "127.0.0.1",
    }
    log = folder / "log"
    with log.open("wb") as said:
        command = [sys.executable, "-m", "tests.observed.run_dags", str(use_case)]
        process = subprocess.Popen(command, env=environment, cwd=REPOSITORY, stdout=said, stderr=subprocess.STDOUT)
        run.watch("the DAGs", process.pid)
        process.wait(PATIENCE)
    text = log.read_text()
    assert process.returncode == 0, text[-8_000:]
    server, _, database = ledger.removeprefix("postgresql://").rpartition("@")[2].partition("/")
    places = {"files": str(folder), "lake": str(folder / "lake"), "server": server, "database": database}
    return Observed(tuple(text.splitlines()), kept, places | {"mlflow": mlflow_url.removeprefix("http://")})


def with_files(use_case: Path, folder: Path) -> Path:
    """The parcels as a use case whose source is files, one a day."""
    use_case.mkdir(parents=True)
    spec = SPEC.replace("path: data,", f"path: {folder}/data, pattern: '%Y-%m-%d.parquet',")
    spec = spec.replace("path: labels,", f"path: {folder}/labels, pattern: '%Y-%m-%d.parquet',")
    # Fewer windows to take in.
    spec = spec.replace("history: 22d", "history: 12d").replace("holdout: 7d", "holdout: 4d")
    (use_case / "use_case.yaml").write_text(spec)
    (use_case / "expectations.yaml").write_text(EXPECTATIONS)
    for name, table in zip(("data", "labels"), tables(), strict=True):
        (folder / name).mkdir()
        days = pc.strftime(table.column("sent_at"), "%Y-%m-%d")
        for day in pc.unique(days).to_pylist():
            pq.write_table(table.filter(pc.equal(days, pa.scalar(day))), folder / name / f"{day}.parquet")
    return use_case
