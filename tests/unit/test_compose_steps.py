"""The steps of `make compose-test`, on a stack that does nothing: one that fails is named and kept from the others."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.compose import checks, story
from tests.compose.faults import Survived
from tests.compose.stack import Stack
from tests.compose.steps import Steps

DAY = timedelta(days=1)


class Idle(Stack):
    """It counts how often it was started."""

    def __init__(self) -> None:
        super().__init__({})
        self.started = 0

    def up(self, workers: int = 2) -> None:
        self.started += 1

    def sql(self, database: str, statement: str) -> checks.Rows:
        return [(database, statement)]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    monkeypatch.setattr(story, "stop_what_runs", lambda _: None)
    monkeypatch.setattr(checks, "broken", lambda *_: [])
    return Steps(Idle())


def fails(*_: Any) -> Survived:
    raise AssertionError("it did not come back")


def test_a_step_that_fails_is_named_and_cleared_away_and_the_next_one_is_done(steps: Steps) -> None:
    done: list[str] = []
    steps.may("first", fails)
    steps.may("second", lambda: done.append("second"))
    assert done == ["second"]
    assert steps.stack.started == 1  # type: ignore[attr-defined]
    assert steps.failed == {"first": "AssertionError: it did not come back"}
    assert "FAILED first: AssertionError: it did not come back" in steps.summary()


def test_a_failure_without_words_is_told_by_its_line(steps: Steps) -> None:
    def silent() -> None:
        raise AssertionError

    steps.may("first", silent)
    assert steps.failed == {"first": "AssertionError: raise AssertionError"}


def test_nothing_is_tried_after_a_step_that_all_rest_on(steps: Steps) -> None:
    with pytest.raises(AssertionError):
        steps.must("first", fails)
    assert list(steps.failed) == ["first"]


def test_the_windows_of_a_fault_that_failed_are_nobody_elses(steps: Steps) -> None:
    asked: list[datetime] = []

    def survives(_: Stack, first: datetime, days: int) -> Survived:
        asked.append(first)
        return Survived(story.windows(first, days), 1.0, first + days * DAY)

    steps.survive(fails, 4)
    assert steps.wanted == []
    steps.survive(survives, 4)
    assert asked == [story.FIRST + 4 * DAY]
    assert steps.wanted == story.windows(story.FIRST + 4 * DAY, 4)
    assert steps.next_window == story.FIRST + 8 * DAY


def test_what_does_not_hold_is_told_once_and_with_the_step_before_it(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "broken", lambda *_: ["I4: a lease"])
    steps.may("the store is cut off", lambda: None)
    steps.check()
    steps.may("the next", lambda: None)
    steps.check()
    assert steps.failed == {"invariants after: the store is cut off": "AssertionError: I4: a lease"}


def test_a_run_without_failures_says_so(steps: Steps) -> None:
    steps.may("first", lambda: None)
    assert steps.summary().endswith("every step went well")
