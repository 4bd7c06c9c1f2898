"""The workers' side of the queue: the locked versions fit each other, and what tasks need is imported once."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["airflow.providers.celery.executors.celery_executor", "perennial_airflow.celery"])
def test_the_locked_versions_fit_each_other(module: str) -> None:
    """A process of its own, for Airflow's settings; Celery 5.7 had not what Airflow's provider imported from it."""
    done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_worker_imports_what_tasks_need_before_it_forks_and_no_other_process_does(tmp_path: Path) -> None:
    script = """
import gc, sys
import perennial_airflow.celery as ours
from perennial_airflow import executor
before = "perennial_airflow.dag_factory" in sys.modules or "mlflow" in sys.modules
asked = []
executor.preload = lambda: asked.append("preload")
from celery.signals import import_modules
frozen = gc.get_freeze_count()
import_modules.send(sender=None)
print(before, asked, gc.get_freeze_count() > frozen, ours.CONFIG["task_acks_late"])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "False ['preload'] True True"
