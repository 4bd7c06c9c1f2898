"""A preparation that fails is told once."""

import re
import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE

STORY = """
import pytest
from pathlib import Path

@pytest.fixture(scope="module")
def model():
    with Path(__file__).with_name("tries").open("a") as tries:
        tries.write("x")
    raise AssertionError("the model was not trained; its log: out of memory")

@pytest.fixture(scope="module")
def drifted_days(model):
    return "scored"

@pytest.fixture
def own():
    raise ValueError("only mine")

def test_model(model): ...
def test_days(drifted_days): ...
def test_rollback(model): ...
def test_independent(): ...
def test_own(own): ...
"""


def test_one_failed_step_is_one_failed_test_also_through_xdist(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "test_story.py").write_text(STORY)
    (tmp_path / "conftest.py").write_text(
        "from tests.failures import FailedPreparations\n"
        "def pytest_configure(config):\n    config.pluginmanager.register(FailedPreparations())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-n", "1", "-p", "no:cacheprovider", f"--rootdir={tmp_path}",
         "-c", "/dev/null", str(tmp_path)],
        cwd=repository, env={"COLUMNS": "200"}, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    summary = done.stdout[done.stdout.index("short test summary") :]
    told = re.findall(r"^(PASSED|FAILED|ERROR) \S*::(\w+)(?: - (.*))?$", summary, re.MULTILINE)
    assert sorted(told) == [
        ("ERROR", "test_days", "Failed: model failed before: see test_story.py::test_model"),
        ("ERROR", "test_own", "ValueError: only mine"),
        ("ERROR", "test_rollback", "Failed: model failed before: see test_story.py::test_model"),
        ("FAILED", "test_model", "AssertionError: the model was not trained; its log: out of memory"),
        ("PASSED", "test_independent", ""),
    ]
    assert done.stdout.count("its log: out of memory\n") == done.stdout.count("E       AssertionError") + 1
    assert (tmp_path / "tries").read_text() == "x"
