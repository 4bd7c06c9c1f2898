"""The command line of the local system, where it has to refuse: one sentence, an exit code, no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waiting import PATIENCE


def call(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PERENNIAL_HOME": str(home)}
    command = [sys.executable, "-m", "perennial_local", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize("day", ["2013-02-28", "2014-01-01"])
def test_days_without_data_are_refused_before_anything_starts(tmp_path: Path, day: str) -> None:
    done = call(tmp_path / "home", "run", f"--demo-until={day}")
    assert done.returncode == 3
    assert f"a day from 2013-03-01 to 2013-12-31; got {day}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home").exists()


def test_an_unwritable_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = call(tmp_path / "file" / "home", "run")
    assert done.returncode == 3
    assert "can't be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_stop_says_when_nothing_runs(tmp_path: Path) -> None:
    done = call(tmp_path, "stop")
    assert (done.returncode, done.stdout) == (0, f"Nothing runs from {tmp_path}.\n")


def test_clean_removes_a_home_and_nothing_else(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    done = call(other, "clean")
    assert done.returncode == 3
    assert "was not made by `make run`" in done.stderr
    assert other.exists()
    home = tmp_path / "home"
    home.mkdir()
    (home / "run.lock").write_text("")
    assert call(home, "clean").returncode == 0
    assert not home.exists()


def test_the_demonstration_is_asked_for_only_where_it_is_to_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_USE_CASES", str(tmp_path))
    done = call(tmp_path / "home", "run")
    assert done.returncode == 3
    assert "start the servers without it: make run ARGS=--no-demo" in done.stderr
    assert not (tmp_path / "home").exists()
    (tmp_path / "file").touch()
    assert "can't be written" in call(tmp_path / "file" / "home", "run", "--no-demo").stderr  # it came that far
