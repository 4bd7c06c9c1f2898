"""The executor's parent process: preloaded, and without threads that a fork would cut off."""

import logging
import os
import subprocess
import sys
import threading

import pytest
from airflow.executors.local_executor import LocalExecutor
from tests.waiting import PATIENCE

from perennial_airflow import executor
from perennial_airflow.executor import PRELOADED, PreloadedLocalExecutor, preload


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


def test_only_third_parties_are_preloaded() -> None:
    assert not [name for name in PRELOADED if name.startswith("perennial") or name.split(".")[0] == "polars"]


def test_preloading_starts_no_thread_and_tasks_then_import_only_our_own_modules() -> None:
    script = """
import sys, threading
from perennial_airflow.executor import preload
preload()
assert threading.active_count() == 1, threading.enumerate()
before = set(sys.modules)
from pathlib import Path
import pandas
from sklearn.preprocessing import OrdinalEncoder
import perennial_airflow.tasks
from perennial_airflow.dag_factory import build_dags
assert [dag.dag_id for dag in build_dags(Path("include/use_cases"), "air_time.predict")] == ["air_time.predict"]
OrdinalEncoder().fit_transform(pandas.DataFrame({"text": ["a", "b"]}))
ours = ("perennial", "perennial_airflow")
heavy = {name.split(".")[0] for name in set(sys.modules) - before} - set(ours)
assert threading.active_count() == 1, threading.enumerate()
assert heavy <= {"airflow", "encodings"}, heavy
late = [name for name in set(sys.modules) - before if name.startswith("airflow.providers.")]
assert not late, late
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "FutureWarning" not in done.stderr
    assert "Skipping registering" not in done.stdout + done.stderr


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
    monkeypatch.setattr(LocalExecutor, "start", lambda self: steps.append("start"))
    started = PreloadedLocalExecutor(parallelism=1)  # type: ignore[no-untyped-call]
    started.is_mp_using_fork = forks
    started.start()
    assert steps == (["preload", "start"] if forks else ["start"])
