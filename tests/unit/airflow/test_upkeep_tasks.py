"""From a run of the nightly maintenance to the jobs that find and fill gaps."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from perennial.jobs.upkeep.gaps import Gaps, MissingRange
from perennial.jobs.upkeep.reconcile import Reconciled
from perennial.jobs.upkeep.standby import StandbyTried
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial_airflow import upkeep_tasks
from perennial_airflow.note import Line
from perennial_airflow.run import windows_of

# See perennial_airflow/__init__.py: pytest sets aside the filter that stands there.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:skops.io._utils")

WINDOW = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))


def gaps_of(days: int) -> tuple[Gaps, list[Window]]:
    windows = [Window(WINDOW.start + timedelta(days=n), WINDOW.end + timedelta(days=n)) for n in range(days)]
    ranges = (MissingRange(WINDOW.start, windows[-1].end, days, "the days"),)
    return Gaps("flight_delays", WINDOW.start, WINDOW.end, 200, days, ranges), windows


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(upkeep_tasks, "_open_ports", lambda: SimpleNamespace(ledger=None))

    def days(number: int) -> None:
        monkeypatch.setattr("perennial.jobs.upkeep.gaps.find", lambda spec, now, ledger: gaps_of(number))

    return days


def test_gaps_are_named_as_a_warning(
    missing: Any, use_case: LoadedUseCase, make_run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    missing(7)
    assert upkeep_tasks.gaps(use_case, make_run())["missing"] == 7
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "flight_delays: 7 of 200 windows are missing: the days (7 windows)")
    ]


def test_each_gap_becomes_a_run_of_its_own_name_and_window_and_not_all_at_once(
    missing: Any, use_case: LoadedUseCase, make_run: Any
) -> None:
    missing(150)
    runs = upkeep_tasks.gap_runs(use_case, make_run(), paused=False, known=lambda names: ())
    assert len(runs) == len({each["trigger_run_id"] for each in runs}) == 100
    assert runs[0]["trigger_run_id"] == "gap__2013-03-01T00:00Z"
    asked = make_run(**runs[1]["conf"])
    assert windows_of(use_case.spec, asked) == [gaps_of(2)[1][1]]


def test_windows_that_could_not_be_filled_hold_back_none_that_can(
    missing: Any, use_case: LoadedUseCase, make_run: Any
) -> None:
    missing(350)
    had = {f"gap__{window.key.partition('--')[0]}" for window in gaps_of(230)[1]}
    asked: list[int] = []

    def known(names: list[str]) -> set[str]:
        asked.append(len(names))
        return had.intersection(names)

    runs = upkeep_tasks.gap_runs(use_case, make_run(), paused=False, known=known)
    assert [each["trigger_run_id"] for each in runs][:2] == ["gap__2013-10-17T00:00Z", "gap__2013-10-18T00:00Z"]
    assert (len(runs), asked) == (100, [100, 100, 100, 50])


def test_nothing_is_filled_while_the_dag_is_paused_and_that_is_said(
    missing: Any, use_case: LoadedUseCase, make_run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    missing(3)
    assert upkeep_tasks.gap_runs(use_case, make_run(), paused=True, known=lambda names: ()) == []
    assert "flight_delays.predict is paused, so nothing is filled" in caplog.text


@pytest.mark.parametrize(
    ("ready", "first"), [(True, ""), (None, ""), (False, "ALARM: flight_delays can't go back to v2: gone")]
)
def test_that_nobody_could_take_over_is_an_alarm_in_the_note(
    monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any, ready: bool | None, first: str
) -> None:
    lines: list[Line] = []
    monkeypatch.setattr(upkeep_tasks, "_open_ports", lambda: SimpleNamespace(ledger=None))
    found = StandbyTried("3", "2" if ready is not None else None, ready, ("gone.",))
    monkeypatch.setattr("perennial.jobs.upkeep.standby.run", lambda *_: found)
    assert upkeep_tasks.try_standby(use_case, replace(make_run(), leave=lines.append))["ready"] is ready
    assert [each.first for each in lines] == ([first] if first else [])


@pytest.mark.parametrize("unmended", [(), ("flight_delays: the lake has lost 2 windows. Run them again.",)])
def test_what_reconciling_cannot_mend_fails_the_task_and_stands_in_the_note(
    monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any, unmended: tuple[str, ...]
) -> None:
    lines: list[Line] = []
    monkeypatch.setattr(upkeep_tasks, "_open_ports", lambda: SimpleNamespace(ledger=None))
    found = Reconciled("flight_delays", 9, 2, ("the alias was set.",), (), unmended)
    monkeypatch.setattr("perennial.jobs.upkeep.reconcile.run", lambda *_, **__: found)
    run = replace(make_run(reconcile_all=False), leave=lines.append)
    if not unmended:
        assert upkeep_tasks.reconcile(use_case, run)["restored"] == ["the alias was set."]
        return
    with pytest.raises(AirflowFailException, match=r"^NotReconciled: flight_delays: .*Run them again"):
        upkeep_tasks.reconcile(use_case, run)
    assert "the lake has lost 2 windows" in lines[-1].first


@pytest.mark.parametrize("everything", [False, True])
def test_the_rows_of_every_window_are_reconciled_when_the_run_says_so(
    monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any, everything: bool
) -> None:
    asked: list[bool] = []

    def run(*_: object, actor: str, everything: bool) -> Reconciled:
        asked.append(everything)
        return Reconciled("flight_delays", 9, 9 if everything else 1, (), ())

    monkeypatch.setattr(upkeep_tasks, "_open_ports", lambda: SimpleNamespace(ledger=None))
    monkeypatch.setattr("perennial.jobs.upkeep.reconcile.run", run)
    upkeep_tasks.reconcile(use_case, make_run(reconcile_all=everything))
    assert asked == [everything]
