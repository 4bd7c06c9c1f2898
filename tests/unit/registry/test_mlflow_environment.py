"""MLflow's manners are set once, before it is imported, and never swapped while its threads may read them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.store.entities.paged_list import PagedList

from perennial.registry import MLFLOW_MANNERS
from perennial.registry.mlflow import MlflowRegistry

ASK = """
import perennial.registry.mlflow, os
from mlflow.telemetry.client import get_telemetry_client
from mlflow.telemetry.utils import is_telemetry_disabled
print(is_telemetry_disabled(), get_telemetry_client(), os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"])
"""


def asked(**variables: str) -> str:
    """What a process says that was started with a clean environment and these variables."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK],
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_telemetry_is_off_and_patience_is_short_in_a_process_that_says_nothing() -> None:
    assert asked() == "True None 2"


def test_what_the_process_was_started_with_stays() -> None:
    assert asked(MLFLOW_HTTP_REQUEST_MAX_RETRIES="5") == "True None 5"


def test_asking_swaps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")  # so that it is taken back after the test
    registry = MlflowRegistry("http://ann:it%27s@127.0.0.1:1", tmp_path)
    before = dict(os.environ)
    seen: list[dict[str, str]] = []

    def search(*_: object, **__: object) -> PagedList[object]:
        seen.append(dict(os.environ))
        return PagedList([], None)

    monkeypatch.setattr(MlflowClient, "search_model_versions", search)
    assert registry.versions("trips") == []
    assert seen == [before]
    assert dict(os.environ) == before
    assert before["MLFLOW_TRACKING_PASSWORD"] == "it's"
    assert {name: before[name] for name in MLFLOW_MANNERS} == MLFLOW_MANNERS
