"""Window jobs over several windows of one run."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from perennial.errors import EmptyWindow, SchemaMismatch, WindowBusy
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial_airflow.each_window import each_window, windows_in


@dataclass(frozen=True)
class Done:
    window: Window
    rows: int


WINDOWS = [Window(datetime(2013, 3, n, tzinfo=UTC), datetime(2013, 3, n + 1, tzinfo=UTC)) for n in (1, 2, 3)]


def test_results_come_in_order_and_name_their_windows(use_case: LoadedUseCase) -> None:
    results = each_window(use_case, WINDOWS, lambda window: Done(window, window.start.day))
    assert [result["rows"] for result in results] == [1, 2, 3]
    assert results[0]["window"] == {"start": "2013-03-01T00:00:00Z", "end": "2013-03-02T00:00:00Z"}
    assert windows_in(results) == WINDOWS


def test_the_first_failing_window_ends_the_task_and_is_named(use_case: LoadedUseCase) -> None:
    tried = []

    def work(window: Window) -> Done:
        tried.append(window)
        if window is WINDOWS[1]:
            raise SchemaMismatch("no column")
        return Done(window, 1)

    with pytest.raises(AirflowFailException, match=f"SchemaMismatch: {WINDOWS[1]}: no column"):
        each_window(use_case, WINDOWS, work)
    assert tried == WINDOWS[:2]


def test_a_disturbance_ends_the_task_for_a_retry(use_case: LoadedUseCase) -> None:
    def work(window: Window) -> Done:
        raise WindowBusy("another run")

    with pytest.raises(WindowBusy):
        each_window(use_case, WINDOWS, work)


def test_empty_windows_are_left_out_where_allowed(sparse_use_case: LoadedUseCase) -> None:
    def work(window: Window) -> Done:
        if window is WINDOWS[1]:
            raise EmptyWindow("no rows")
        return Done(window, 1)

    assert windows_in(each_window(sparse_use_case, WINDOWS, work)) == [WINDOWS[0], WINDOWS[2]]


def test_the_task_is_skipped_when_every_window_is_empty(sparse_use_case: LoadedUseCase) -> None:
    def work(window: Window) -> Done:
        raise EmptyWindow("no rows")

    with pytest.raises(AirflowSkipException, match="no rows"):
        each_window(sparse_use_case, WINDOWS, work)
