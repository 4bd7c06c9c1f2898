"""Waiting ends early: with the condition, or without hope."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests import waiting
from tests.waiting import ended, wait_until


def test_waiting_ends_with_the_condition() -> None:
    answers = iter([False, False, True])
    wait_until(lambda: next(answers), "the third answer")
    assert list(answers) == []


def test_waiting_for_a_process_that_died_ends_at_once_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", "print('no disk'); raise SystemExit(7)"], stdout=output)
    with pytest.raises(AssertionError, match="waited in vain for a port: the process ended with exit code 7:\nno disk"):
        wait_until(lambda: False, "a port", lambda: ended(process, log))


def test_what_came_true_just_before_the_end_counts() -> None:
    done: list[bool] = []

    def dies_after_its_work() -> str:
        done.append(True)
        return "it has ended"

    wait_until(lambda: bool(done), "the work", dies_after_its_work)
    assert done == [True]


def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    with pytest.raises(AssertionError, match="waited 0 s for a miracle"):
        wait_until(lambda: False, "a miracle")
