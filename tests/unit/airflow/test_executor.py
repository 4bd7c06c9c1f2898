"""The executor's parent process: preloaded, and without threads that a fork would cut off."""

import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from airflow.executors.local_executor import LocalExecutor
from tests.waiting import PATIENCE

from perennial_airflow import executor
from perennial_airflow.executor import OURS, PreloadedLocalExecutor, preload


def test_airflow_accepts_it_as_the_configured_executor() -> None:
    script = """
from airflow.executors.executor_loader import ExecutorLoader
print(type(ExecutorLoader.get_default_executor()).__name__)
"""
    environment = {**os.environ, "AIRFLOW__CORE__EXECUTOR": "perennial_airflow.executor.PreloadedLocalExecutor"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert done.stdout.splitlines()[-1] == "PreloadedLocalExecutor"


def test_preloading_starts_no_thread_and_leaves_nothing_for_a_task_to_import() -> None:
    script = """
import sys, threading
from perennial_airflow.executor import preload
preload()
assert threading.active_count() == 1, threading.enumerate()
assert "polars" not in sys.modules
before = set(sys.modules)
from pathlib import Path
import pandas
from sklearn.preprocessing import OrdinalEncoder
import perennial_airflow.tasks
from perennial_airflow.dag_factory import build_dags
from perennial.jobs.predict import ingest, late, monitor, score, validate
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.retrain import assemble, train
assert [dag.dag_id for dag in build_dags(Path("include/use_cases"), "air_time.predict")] == ["air_time.predict"]
OrdinalEncoder().fit_transform(pandas.DataFrame({"text": ["a", "b"]}))
assert threading.active_count() == 1, threading.enumerate()
late = {name for name in set(sys.modules) - before if name.partition(".")[0] not in ("airflow", "encodings")}
late |= {name for name in set(sys.modules) - before if name.startswith("airflow.providers.")}
assert not late, late
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "FutureWarning" not in done.stderr
    assert "Skipping registering" not in done.stdout + done.stderr


def test_a_task_runs_the_code_that_lies_on_the_disk_when_it_starts(tmp_path: Path) -> None:
    for package in OURS:
        (source,) = package.__path__
        shutil.copytree(source, tmp_path / package.__name__)
    script = """
import os, sys
from pathlib import Path
from airflow.executors.local_executor import LocalExecutor
from perennial_airflow.executor import PreloadedLocalExecutor
LocalExecutor.start = lambda self: None
executor = PreloadedLocalExecutor(parallelism=1)
executor.is_mp_using_fork = True
executor.start()

def forked():
    kept = "perennial.jobs.predict.score" in sys.modules
    from perennial.jobs.predict import score
    print(kept, getattr(score, "ADDED", "as it was"), flush=True)

for added in ("", "ADDED = 'now'"):
    with Path(sys.modules["perennial.jobs.predict.score"].__file__).open("a") as file:
        file.write(added)
    if os.fork() == 0:
        forked()
        os._exit(0)
    os.wait()
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert [line for line in done.stdout.splitlines() if line.endswith(("was", "now"))] == [
        "True as it was",
        "False now",
    ]


def test_threads_are_reported(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(executor, "PRELOADED", ("json",))
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="left-over")
    thread.start()
    try:
        with caplog.at_level(logging.WARNING, logger=executor.__name__):
            preload()
    finally:
        stop.set()
        thread.join()
    assert "left-over" in caplog.text


@pytest.mark.parametrize("forks", [True, False])
def test_it_preloads_before_the_workers_start_and_only_if_they_are_forked(
    monkeypatch: pytest.MonkeyPatch, forks: bool
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(executor, "preload", lambda: steps.append("preload"))
    monkeypatch.setattr(os, "register_at_fork", lambda **hooks: steps.append("look at the files"))
    monkeypatch.setattr(LocalExecutor, "start", lambda self: steps.append("start"))
    started = PreloadedLocalExecutor(parallelism=1)  # type: ignore[no-untyped-call]
    started.is_mp_using_fork = forks
    started.start()
    assert steps == (["preload", "look at the files", "start"] if forks else ["start"])
