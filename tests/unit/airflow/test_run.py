"""Which windows, which moment and which model a run is about."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk import Asset, Context
from airflow.sdk.api.datamodels._generated import DagRun, DagRunState, DagRunType
from airflow.sdk.execution_time.context import OutletEventAccessors

from perennial.errors import InvalidWindow, NoModel
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial_airflow.run import Run, as_of, model_choice, windows_of

DAY = timedelta(days=1)


def day(number: int) -> datetime:
    return datetime(2013, 3, number, tzinfo=UTC)


def context(run_type: DagRunType, **facts: Any) -> Context:
    run = DagRun(
        dag_id="flight_delays.predict",
        run_id="the-run",
        logical_date=facts.get("start"),
        data_interval_start=facts.get("start"),
        data_interval_end=facts.get("end"),
        run_after=day(9),
        start_date=None,
        end_date=None,
        run_type=run_type,
        state=DagRunState.RUNNING,
        triggering_user_name=facts.get("user"),
        consumed_asset_events=[],
        partition_key=None,
    )
    return cast("Context", {"dag_run": run, "params": {"reason": "why"}})


@pytest.mark.parametrize("run_type", [DagRunType.SCHEDULED, DagRunType.BACKFILL])
def test_a_scheduled_or_backfill_run_is_about_its_interval(run_type: DagRunType) -> None:
    run = Run.of(context(run_type, start=day(1), end=day(2)))
    assert run.interval == (day(1), day(2))
    assert run.is_backfill == (run_type is DagRunType.BACKFILL)
    assert (run.name, run.actor, run.params) == ("flight_delays.predict/the-run", "airflow", {"reason": "why"})


@pytest.mark.parametrize("run_type", [DagRunType.MANUAL, DagRunType.OPERATOR_TRIGGERED, DagRunType.ASSET_TRIGGERED])
def test_the_interval_that_airflow_makes_up_for_other_runs_is_ignored(run_type: DagRunType) -> None:
    run = Run.of(context(run_type, start=day(1), end=day(2), user="ada"))
    assert run.interval is None
    assert run.run_after == day(9)
    assert run.actor == "ada"


def test_what_is_told_of_the_data_goes_into_the_event_of_every_asset_that_the_task_writes() -> None:
    raw, other = Asset(name="raw/a", uri="lake://raw/a"), Asset(name="b", uri="lake://b")
    given: Any = context(DagRunType.MANUAL)
    given |= {"task": SimpleNamespace(outlets=[raw, other]), "outlet_events": OutletEventAccessors()}
    run = Run.of(given)
    run.tell({"rows": 914})
    assert [given["outlet_events"][asset].extra for asset in (raw, other)] == [{"rows": 914}, {"rows": 914}]
    given["outlet_events"][raw].extra["rows"] = 1
    assert given["outlet_events"][other].extra == {"rows": 914}


def test_the_interval_is_the_window(use_case: LoadedUseCase, make_run: Any) -> None:
    run = make_run("scheduled", (day(1), day(2)), window_from=None, window_to=None)
    assert windows_of(use_case.spec, run) == [Window(day(1), day(2))]


def test_an_interval_that_is_no_window_is_refused(use_case: LoadedUseCase, make_run: Any) -> None:
    with pytest.raises(InvalidWindow, match="2013-03-01T06:00Z is not where a window of one day"):
        windows_of(use_case.spec, make_run("backfill", (day(1) + DAY / 4, day(2) + DAY / 4)))


@pytest.mark.parametrize("name", ["window_from", "window_to"])
def test_params_may_not_contradict_the_interval(use_case: LoadedUseCase, make_run: Any, name: str) -> None:
    with pytest.raises(InvalidWindow, match=f"is a backfill run.*the param {name}"):
        windows_of(use_case.spec, make_run("backfill", (day(1), day(2)), **{name: "2013-03-01"}))


def test_by_hand_the_params_name_whole_windows(use_case: LoadedUseCase, make_run: Any) -> None:
    run = make_run(window_from="2013-03-01", window_to="2013-03-04T00:00+00:00")
    assert windows_of(use_case.spec, run) == [Window(day(n), day(n + 1)) for n in (1, 2, 3)]


def test_dates_are_read_in_the_time_zone_of_the_use_case(use_case: LoadedUseCase, make_run: Any) -> None:
    schedule = use_case.spec.schedule.model_copy(update={"timezone": "America/New_York"})
    spec = use_case.spec.model_copy(update={"schedule": schedule})
    (window,) = windows_of(spec, make_run(window_from="2013-03-10", window_to="2013-03-11"))
    assert window == Window(datetime(2013, 3, 10, 5, tzinfo=UTC), datetime(2013, 3, 11, 4, tzinfo=UTC))


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"window_from": None, "window_to": None},
        {"window_from": "2013-03-01", "window_to": None},
        {"window_from": "", "window_to": "2013-03-02"},
    ],
)
def test_by_hand_both_ends_are_required(use_case: LoadedUseCase, make_run: Any, params: dict[str, Any]) -> None:
    with pytest.raises(InvalidWindow, match="must say which windows: give window_from and window_to"):
        windows_of(use_case.spec, make_run(**params))


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2013-03-02", "2013-03-02", "There is no window from 2013-03-02 to 2013-03-02"),
        ("2013-03-03", "2013-03-02", "window_to must lie after window_from"),
        ("soon", "2013-03-02", "'soon' is not a date or time"),
        ("2013-03-01T12:00", "2013-03-02", "the nearest before it is 2013-03-01T00:00Z"),
    ],
)
def test_what_is_no_window_is_refused(
    use_case: LoadedUseCase, make_run: Any, start: str, end: str, message: str
) -> None:
    with pytest.raises(InvalidWindow, match=message):
        windows_of(use_case.spec, make_run(window_from=start, window_to=end))


def test_the_moment_is_the_intervals_end(use_case: LoadedUseCase, make_run: Any) -> None:
    assert as_of(use_case.spec, make_run("scheduled", (day(1), day(2)), as_of=None)) == day(2)


def test_the_moment_is_the_param_or_when_the_run_was_asked_for(use_case: LoadedUseCase, make_run: Any) -> None:
    assert as_of(use_case.spec, make_run(as_of="2013-03-05T06:00Z")) == day(5) + DAY / 4
    assert as_of(use_case.spec, make_run(as_of=None)) == datetime(2013, 6, 1, 12, 30, tzinfo=UTC)


def test_the_moment_may_not_contradict_the_interval(use_case: LoadedUseCase, make_run: Any) -> None:
    with pytest.raises(InvalidWindow, match="the param as_of"):
        as_of(use_case.spec, make_run("scheduled", (day(1), day(2)), as_of="2013-03-05"))


@pytest.mark.parametrize(
    ("params", "choice"),
    [
        ({"model": "as_was", "model_version": None}, "as_was"),
        ({"model": "as_now"}, "as_now"),
        ({"model": "pinned", "model_version": "3"}, "pinned:3"),
    ],
)
def test_the_model_is_chosen(params: dict[str, Any], choice: str) -> None:
    assert model_choice(params) == choice


@pytest.mark.parametrize("params", [{"model": "pinned"}, {"model": "as_was", "model_version": "3"}])
def test_a_version_goes_with_pinned_and_only_with_it(params: dict[str, Any]) -> None:
    with pytest.raises(NoModel, match="Give a model_version with 'pinned', and only with it"):
        model_choice(params)
