"""How `0.1.0.tar.xz` was made: a use case that lived for some weeks under Perennial 0.1.0, as commit 1639e1b had it.

To make it again:

    git worktree add --detach /tmp/old 1639e1b && cd /tmp/old && make setup
    .venv/bin/python …/tests/upgrade/make_stores.py …/tests/upgrade/0.1.0.tar.xz

It runs the commands of that version, on real stores that it starts and stops. In the archive lie the use case with its
data, the lake, MLflow's artefacts, and the databases of ledger, published table and MLflow as SQL. `told.json` holds
what that version said of its windows.
"""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from perennial.local.postgres import EmbeddedPostgres

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, ROWS, SHIFT = 56, 60, 27

SPEC = """\
name: parcels
title: Parcels that come late
owner: logistics
task: binary_classification
schedule: {every: day, start: 2024-01-01}
source: {type: files, path: data, pattern: '%Y-%m-%d.csv', format: csv}
columns:
  parcel: {kind: categorical, role: key}
  sent_at: {kind: timestamp, role: event_time, derive: [hour]}
  weight: {kind: numeric}
  service: {kind: categorical}
labels:
  source: {type: files, path: labels, pattern: '%Y-%m-%d.csv', format: csv}
  column: late
  arrival_time: delivered_at
  mature_after: 1d
quality: {max_quarantined_share: 0.1}
training:
  history: 22d
  holdout: 7d
  min_rows: 500
  metric: roc_auc
  candidates:
    - {name: trees, estimator: hist_gradient_boosting, parameters: {max_iter: 15, min_samples_leaf: 40}}
    - {name: guess, estimator: dummy}
monitoring:
  persistence: {alarms: 2, of: 3}
  trailing_windows: 3
  cooldown: 3d
  max_metric_loss: 0.1
"""
EXPECTATIONS = """\
expectations:
  - type: expect_column_values_to_be_between
    kwargs: {column: weight, min_value: 0}
    quarantine: true
  - type: expect_column_mean_to_be_between
    kwargs: {column: weight, max_value: 100}
"""


def write_use_case(folder: Path) -> None:
    """The spec, and a file of parcels and one of labels for each day; of day 30 two weights are negative."""
    (folder / "data").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "use_case.yaml").write_text(SPEC)
    (folder / "expectations.yaml").write_text(EXPECTATIONS)
    chance = random.Random(7)
    for day in range(DAYS):
        parcels, labels = ["parcel,sent_at,weight,service"], ["parcel,sent_at,late,delivered_at"]
        for row in range(ROWS):
            key, at = f"p{day:02}{row:03}", START + timedelta(days=day, seconds=chance.randrange(86_400))
            weight = round(chance.gauss(14 if day >= SHIFT else 10, 2), 2)
            late = (weight > 10) != (day >= SHIFT and weight < 14) and chance.random() < 0.9
            shown = -1.0 if day == 30 and row < 2 else weight
            parcels.append(f"{key},{at:%Y-%m-%dT%H:%M:%SZ},{shown},{chance.choice(['road', 'air', 'rail'])}")
            labels.append(
                f"{key},{at:%Y-%m-%dT%H:%M:%SZ},{str(late).lower()},{at + timedelta(hours=12):%Y-%m-%dT%H:%M:%SZ}"
            )
        name = f"{START + timedelta(days=day):%Y-%m-%d}.csv"
        (folder / "data" / name).write_text("\n".join(parcels) + "\n")
        (folder / "labels" / name).write_text("\n".join(labels) + "\n")


class Old:
    """The command line of the old version, on stores of its own."""

    def __init__(self, root: Path, database: str, mlflow_url: str) -> None:
        self._environment = {
            **os.environ,
            "PERENNIAL_HOME": str(root / "home"),
            "PERENNIAL_USE_CASES": str(root / "use_cases"),
            "PERENNIAL_MLFLOW_URL": mlflow_url,
            "AIRFLOW_CONN_PERENNIAL_LEDGER": database,
            "AIRFLOW_CONN_PERENNIAL_PUBLISHED": database,
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *arguments: str) -> list[dict[str, object]]:
        """What the command printed as JSON; nothing may fail."""
        print(" ".join(arguments), flush=True)
        command = [sys.executable, "-m", "perennial.cli", *arguments]
        said = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if said.returncode:
            raise SystemExit(f"{arguments} ended with {said.returncode}: {said.stdout[-2000:]}{said.stderr[-2000:]}")
        return [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]

    def windows(self, first: int, last: int) -> None:
        """Take the days from `first` to before `last` through all steps."""
        days = ("--from", day(first), "--to", day(last), "--json")
        for step in ("ingest", "validate", "score", "monitor"):
            self.run(step, "parcels", *days)


def day(number: int) -> str:
    """The day's name."""
    return f"{START + timedelta(days=number):%Y-%m-%d}"


def live(old: Old) -> dict[str, object]:
    """Some weeks, with a retraining in between; what is told of its windows in the end."""
    old.run("db", "upgrade")
    old.run("retrain", "parcels", "--as-of", day(24), "--reason", "first", "--json")
    old.windows(24, 33)
    old.run("quarantine", "list", "parcels", "--from", day(30), "--to", day(31), "--json")
    old.run("evaluate", "parcels", "--as-of", day(34), "--json")
    old.run("retrain", "parcels", "--as-of", day(50), "--reason", "the world has moved", "--json")
    old.windows(50, 53)
    old.run("evaluate", "parcels", "--as-of", day(54), "--json")
    return {
        "history": {day(n): old.run("history", "parcels", "--window", day(n), "--json") for n in (24, 30, 50, 52)},
        "reproduced": {day(n): old.run("reproduce", "parcels", "--window", day(n), "--json") for n in (24, 52)},
    }


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dump(postgres: EmbeddedPostgres, database: str, file: Path) -> None:
    """The database as SQL that any client can run: INSERTs, and none of psql's own commands."""
    import perennial.local.postgres as binaries

    command = [binaries._binary("pg_dump"), "--inserts", "--rows-per-insert=200", "--no-owner", "--no-privileges"]
    said = subprocess.run([*command, postgres.url(database)], capture_output=True, text=True, check=True).stdout
    kept = [line for line in said.splitlines() if not line.startswith(("\\restrict", "\\unrestrict", "SET ", "--"))]
    file.write_text("\n".join(line for line in kept if line) + "\n")


def main(archive: Path) -> None:
    """Make the archive."""
    root = Path(tempfile.mkdtemp(prefix="perennial-old-", dir="/tmp"))
    root.chmod(0o755)
    stores = root / "stores"
    write_use_case(stores / "use_cases" / "parcels")
    postgres = EmbeddedPostgres(root / "postgres" / "data", free_port())
    postgres.start()
    server = None
    try:
        for name in ("ledger", "mlflow"):
            postgres.create_database(name)
        port = free_port()
        with (root / "mlflow.log").open("w") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
                 "--artifacts-destination", str(stores / "artifacts")],
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
                     "MLFLOW_BACKEND_STORE_URI": postgres.url("mlflow").replace("postgresql:", "postgresql+psycopg2:")},
                stdout=log, stderr=log, cwd=root, start_new_session=True,
            )  # fmt: skip
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except OSError:
                time.sleep(1)
        told = live(Old(stores, postgres.url("ledger"), f"http://127.0.0.1:{port}"))
        (stores / "told.json").write_text(json.dumps(told, indent=1))
        for name in ("ledger", "mlflow"):
            dump(postgres, name, stores / f"{name}.sql")
    finally:
        if server is not None:
            os.killpg(server.pid, 15)
            server.wait(30)
        postgres.stop()
    shutil.move(stores / "home" / "lake", stores / "lake")
    shutil.rmtree(stores / "home")
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for path in sorted(stores.iterdir()):
            packed.add(path, path.name)
    shutil.rmtree(root)
    print(f"{archive}: {archive.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
