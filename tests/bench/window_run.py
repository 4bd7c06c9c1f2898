"""A window's DAG run beside one of the same shape whose tasks do nothing, in a real Airflow.

The second shows what Airflow itself takes. Both are backfilled one run at a time, a few windows of the one, then a few
of the other, so that whatever else the machine does meets both.
"""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from perennial.window import parse_instant
from perennial_local.airflow_api import AirflowApi
from perennial_local.home import Home
from perennial_local.keys import ADMIN, load_keys

ROOT = Path(__file__).parents[2]
PREDICT, NOTHING, RETRAIN = "flight_delays.predict", "nothing.predict", "flight_delays.retrain"
FIRST = parse_instant("2013-03-01")
ROUNDS, WINDOWS = 4, 3  # and one round before that, which is not counted
MOST = 1.5
PATIENCE = 600.0
TASKS = ("ingest", "validate", "score", "monitor", "trigger_retrain")

DO_NOTHING = f'''
from datetime import datetime, timedelta, timezone
from airflow.sdk import DAG, task
from airflow.timetables.interval import CronDataIntervalTimetable

with DAG(
    "{NOTHING}",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2013, 1, 1, tzinfo=timezone.utc),
    end_date=datetime(2013, 12, 31, tzinfo=timezone.utc),
    catchup=False,
):
    before = None
    for name in {TASKS!r}:

        @task(task_id=name)
        def nothing(given=None):
            return [{{"window": "nothing"}}]

        before = nothing(before)
'''

START = """
import sys
from pathlib import Path
from perennial_local import environment
environment.CHECKOUT = Path(sys.argv.pop(1))
from perennial_local.__main__ import main
main()
"""


def checkout(folder: Path) -> Path:
    """The checkout, with a DAG more."""
    shutil.copytree(ROOT / "dags", folder / "dags")
    (folder / "dags" / "nothing.py").write_text(DO_NOTHING)
    for name in ("plugins", "include"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@contextmanager
def running(folder: Path) -> Iterator[tuple[AirflowApi, float]]:
    """A local system of its own, and how many seconds it took to come up."""
    home = Home(folder / "home")
    command = [sys.executable, "-c", START, str(checkout(folder / "checkout")), "run", "--no-demo"]
    began = time.monotonic()
    with (folder / "log").open("w") as log:
        supervisor = subprocess.Popen(
            command, env={**os.environ, "PERENNIAL_HOME": str(home.path)}, stdout=log, stderr=log
        )  # fmt: skip
    try:
        wait_until(
            lambda: "are up" in (folder / "log").read_text(),
            "Airflow is not up; it said: ",
            lambda: supervisor.poll() is None,
            folder / "log",
        )
        seconds = time.monotonic() - began
        port = json.loads(home.ports.read_text())["airflow_port"]
        api = AirflowApi(f"http://127.0.0.1:{port}", ADMIN, load_keys(home).admin_password)
        yield api, seconds
        api.close()
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait()


def wait_until(condition: Any, otherwise: str, lives: Any = lambda: True, log: Path | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline or not lives():
            raise SystemExit(otherwise + (log.read_text()[-2000:] if log else ""))
        time.sleep(0.3)


def first_model(api: AirflowApi) -> None:
    wait_until(lambda: {PREDICT, NOTHING, RETRAIN} <= api.dag_ids(), "The DAGs did not appear.")
    for dag_id in (PREDICT, NOTHING, RETRAIN):
        api.unpause(dag_id)
    api.trigger(RETRAIN, "first", {"as_of": FIRST.isoformat(), "reason": "the first model"})
    wait_until(lambda: (run := api.run(RETRAIN, "first")) and run.ended, "No first model was trained.")
    run = api.run(RETRAIN, "first")
    if run is None or run.state != "success":
        raise SystemExit(f"The first model could not be trained: {api.failed_tasks(RETRAIN, 'first')}")


def backfill(api: AirflowApi, dag_id: str, first: datetime) -> None:
    last = first + timedelta(days=WINDOWS - 1)
    wait_until(lambda: api.backfill(dag_id, first, last, 1), "An earlier backfill did not end.")
    wait_until(lambda: api.count_runs(dag_id, "success", first, last) == WINDOWS, f"The backfill of {dag_id} failed.")


def seconds(begun: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()


def measured(api: AirflowApi, dag_id: str, since: datetime) -> tuple[list[float], dict[str, list[float]]]:
    """Seconds of each run from `since` on, and of each of its tasks."""
    found = api._ask("GET", f"dags/{dag_id}/dagRuns?limit=100").json()["dag_runs"]
    runs = [run for run in found if run["logical_date"] and datetime.fromisoformat(run["logical_date"]) >= since]
    tasks: dict[str, list[float]] = {}
    for run in runs:
        of_run = api._ask("GET", f"dags/{dag_id}/dagRuns/{run['dag_run_id']}/taskInstances").json()["task_instances"]
        for task in of_run:
            tasks.setdefault(task["task_id"], []).append(seconds(task["start_date"], task["end_date"]))
    return [seconds(run["start_date"], run["end_date"]) for run in runs], tasks


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (api, until_up):
        first_model(api)
        for number in range(ROUNDS + 1):
            for dag_id in (NOTHING, PREDICT):
                backfill(api, dag_id, FIRST + timedelta(days=number * WINDOWS))
        counted = FIRST + timedelta(days=WINDOWS)
        ours, nothing = (measured(api, dag_id, counted) for dag_id in (PREDICT, NOTHING))
    run, empty = statistics.median(ours[0]), statistics.median(nothing[0])
    ratio = run / empty
    split = {name: [statistics.median(tasks[name]) for tasks in (ours[1], nothing[1])] for name in TASKS}
    print(f"The system was up after {until_up:.0f} s. Medians of {len(ours[0])} windows, seconds:\n")
    print("| | predict | tasks that do nothing |\n|---|---|---|")
    print(f"| DAG run | {run:.2f} | {empty:.2f} |")
    for name, (own, other) in split.items():
        print(f"| {name} | {own:.2f} | {other:.2f} |")
    print(f"\nA window's run takes {ratio:.2f} times as long as one that does nothing; {MOST} are allowed.")
    print(json.dumps({"seconds": run, "seconds_of_nothing": empty, "ratio": ratio, "tasks": split}))
    if ratio > MOST:
        print(f"{ratio:.2f} times as long; {MOST} were allowed", file=sys.stderr)
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(main())
