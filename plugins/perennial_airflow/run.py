"""What a task knows about the DAG run that it belongs to, and the time that the run is about."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow.sdk import Asset, Context, get_current_context

from perennial.errors import InvalidWindow, NoModel
from perennial.spec.models import UseCase
from perennial.window import Window, parse_instant
from perennial_airflow.note import KEY, Line

_WITH_INTERVAL = ("scheduled", "backfill")
_PINNED = "pinned"

Extra = dict[str, str | int]


def _nowhere(line: Line) -> None:
    del line


def _to_nobody(extra: Extra) -> None:
    del extra


@dataclass(frozen=True)
class Run:
    """A DAG run. `name` is unique among all DAGs' runs; `run_after` is when it was asked for, the same in every try.

    `requester` is who asked for it, "" when a schedule or another DAG's policy did.

    `leave` takes the task's line for the run's note, `tell` what the events of the assets that it writes say with it.

    `interval` is the data interval of a scheduled or backfill run; for every other run it is None, even where
    Airflow made one up, and the params say what the run is about.
    """

    name: str
    run_type: str
    interval: tuple[datetime, datetime] | None
    run_after: datetime
    params: Mapping[str, Any]
    actor: str
    requester: str = ""
    leave: Callable[[Line], None] = field(default=_nowhere, compare=False, repr=False)
    tell: Callable[[Extra], None] = field(default=_to_nobody, compare=False, repr=False)

    @classmethod
    def of(cls, context: Context) -> "Run":
        """The run that the task of `context` belongs to."""
        dag_run = context["dag_run"]
        run_type = str(dag_run.run_type.value)
        start, end = dag_run.data_interval_start, dag_run.data_interval_end
        has_interval = run_type in _WITH_INTERVAL and start is not None and end is not None
        return cls(
            name=f"{dag_run.dag_id}/{dag_run.run_id}",
            run_type=run_type,
            interval=(start, end) if has_interval and start and end else None,
            run_after=dag_run.run_after,
            params=dict(context["params"]),
            actor=dag_run.triggering_user_name or "airflow",
            requester=dag_run.triggering_user_name or "",
            leave=lambda line: context["ti"].xcom_push(key=KEY, value=line.to_json()),
            tell=lambda extra: _tell(context, extra),
        )

    @property
    def is_backfill(self) -> bool:
        """Whether the run replays a window that lies in the past."""
        return self.run_type == "backfill"


def _tell(context: Context, extra: Extra) -> None:
    for outlet in context["task"].outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra = dict(extra)


def current_run() -> Run:
    """The run of the task that is being executed."""
    return Run.of(get_current_context())


def windows_of(spec: UseCase, run: Run) -> list[Window]:
    """The windows that the run is about: its data interval, or those that its params name.

    Errors: `InvalidWindow` when the params are missing, contradict the interval, or don't fit the use case's windows.
    """
    start, end = run.params.get("window_from"), run.params.get("window_to")
    if run.interval:
        _refuse_beside_interval(run, "window_from", start)
        _refuse_beside_interval(run, "window_to", end)
        return list(spec.grid.between(*run.interval))
    if not start or not end:
        raise InvalidWindow(
            f"A run of {spec.name}.predict by hand must say which windows: give window_from and window_to, such as "
            f"2013-03-01 and 2013-03-02 (the end is not included); got {start!r} and {end!r}. To score many windows, "
            "each in a run of its own, start a backfill instead."
        )
    zone = spec.schedule.timezone
    windows = list(spec.grid.between(parse_instant(start, zone), parse_instant(end, zone)))
    if not windows:
        raise InvalidWindow(f"There is no window from {start} to {end}: window_to must lie after window_from.")
    return windows


def as_of(spec: UseCase, run: Run) -> datetime:
    """The moment whose knowledge the run may use: its interval's end, its param `as_of`, or when it was asked for.

    Errors: `InvalidWindow` when the param is no moment, or contradicts the interval.
    """
    text = run.params.get("as_of")
    if run.interval:
        _refuse_beside_interval(run, "as_of", text)
        return run.interval[1]
    return parse_instant(text, spec.schedule.timezone) if text else run.run_after


def model_choice(params: Mapping[str, Any]) -> str:
    """The params `model` and `model_version` in the words of `ModelChoice.parse`.

    Errors: `NoModel` when one of them is missing or contradicts the other.
    """
    model, version = params["model"], params.get("model_version")
    if (model == _PINNED) != bool(version):
        raise NoModel(
            f"The params say model {model!r} and model_version {version!r}. Give a model_version with 'pinned', and "
            "only with it."
        )
    return f"{model}:{version}" if version else str(model)


def _refuse_beside_interval(run: Run, name: str, value: object) -> None:
    if value:
        raise InvalidWindow(
            f"{run.name} is a {run.run_type} run: its data interval says what it is about, so the param {name} "
            f"({value!r}) must stay empty."
        )
