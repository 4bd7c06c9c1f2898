"""The demonstration: a first model for the flights, then March and the weeks after it as Airflow backfills.

The conductor speaks to Airflow's REST API only, as any user could. Everything it starts has a fixed name, so that it
finds after a restart what is done and goes on from there.
"""

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from perennial.errors import InvalidWindow, PermanentError, TransientError
from perennial.spec.load import LoadedUseCase
from perennial.window import Window, parse_instant
from perennial_local.airflow_api import AirflowApi
from perennial_local.screen import Screen

USE_CASE = "flight_delays"
FIRST_WINDOW = date(2013, 3, 1)
LAST_WINDOW = date(2013, 12, 31)
FIRST_MODEL_RUN = "demo__first_model"
PARALLEL_WINDOWS = 3
FIRST_STAGE, WEEK = 31, 7  # windows
LOOK_EVERY = 0.5
ASK_AGAIN = 5.0
PATIENCE = 120.0  # seconds for Airflow to find the DAGs, or to come back after it stopped answering

T = TypeVar("T")


@dataclass(frozen=True)
class Played:
    """What of the demonstration is done: windows whose runs ended well, and badly, by DAG id."""

    succeeded: dict[str, int]
    failed: dict[str, int]


class Conductor:
    """Plays the demonstration on one Airflow. `pause` is how it waits."""

    def __init__(
        self, api: AirflowApi, use_case: LoadedUseCase, screen: Screen, pause: Callable[[float], None]
    ) -> None:
        self._api = api
        self._use_case = use_case
        self._screen = screen
        self._pause = pause

    def play(self, until: date) -> Played:
        """Train the first model and score every window from March 2013 to the day `until`.

        Errors: `PermanentError` when a run fails that the rest depends on, `TransientError` when Airflow stays away.
        """
        stages = list(stages_until(self._use_case, until))
        dags = {kind: f"{self._use_case.name}.{kind}" for kind in ("retrain", "predict", "evaluate")}
        self._wait_for_dags(set(dags.values()))
        self._first_model(dags["retrain"])
        succeeded = dict.fromkeys((dags["predict"], dags["evaluate"]), 0)
        failed = dict(succeeded)
        for windows in stages:
            for dag_id in succeeded:
                good, bad = self._backfill(dag_id, windows)
                succeeded[dag_id] += good
                failed[dag_id] += bad
            self._wait_for_retraining(dags["retrain"])
        return Played(succeeded, failed)

    def _wait_for_dags(self, wanted: set[str]) -> None:
        deadline = time.monotonic() + PATIENCE
        while missing := wanted - self._patiently(self._api.dag_ids):
            if time.monotonic() > deadline:
                broken = "\n".join(f"{file}:\n{text}" for file, text in self._api.import_errors().items())
                raise PermanentError(
                    f"Airflow has not found {', '.join(sorted(missing))} after {PATIENCE:.0f} s. "
                    + (broken or "No DAG file is reported as broken; look into the log of the dag-processor.")
                )
            self._pause(LOOK_EVERY)
        for dag_id in sorted(wanted):
            self._patiently(functools.partial(self._api.unpause, dag_id))

    def _first_model(self, dag_id: str) -> None:
        run = self._patiently(lambda: self._api.run(dag_id, FIRST_MODEL_RUN))
        if run is not None and run.state == "success":
            return
        begun = time.monotonic()
        as_of = parse_instant(FIRST_WINDOW.isoformat(), self._use_case.spec.schedule.timezone).isoformat()
        if run is None:
            params = {"as_of": as_of, "reason": "the demonstration's first model"}
            self._patiently(lambda: self._api.trigger(dag_id, FIRST_MODEL_RUN, params))
        elif run.state == "failed":
            self._patiently(lambda: self._api.retry(dag_id, FIRST_MODEL_RUN))
        self._screen.say(f"Training the first model on what was known on {FIRST_WINDOW:%-d %B %Y} …")
        while run is None or run.state != "success":
            self._pause(LOOK_EVERY)
            run = self._patiently(lambda: self._api.run(dag_id, FIRST_MODEL_RUN))
            if run is not None and run.state == "failed":
                tasks = ", ".join(self._api.failed_tasks(dag_id, FIRST_MODEL_RUN))
                raise PermanentError(
                    f"The first model could not be trained: {dag_id}, run {FIRST_MODEL_RUN}, failed in {tasks}. "
                    "The task's log in Airflow says why."
                )
        self._screen.say(f"The first model is in service, {time.monotonic() - begun:.0f} s later")

    def _backfill(self, dag_id: str, windows: list[Window]) -> tuple[int, int]:
        first, last = windows[0].start, windows[-1].start
        title = f"{dag_id} {first:%-d %b} to {last:%-d %b}"
        begun = time.monotonic()
        good, bad = self._count(dag_id, first, last)
        if good == len(windows):
            return good, 0
        wanted, try_at = True, 0.0
        with self._screen.bar(title, len(windows)) as bar:
            while good + bad < len(windows) or (wanted and bad):
                if wanted and time.monotonic() >= try_at:  # refused while an earlier backfill of the DAG is active
                    wanted = not self._patiently(lambda: self._api.backfill(dag_id, first, last, PARALLEL_WINDOWS))
                    try_at = time.monotonic() + ASK_AGAIN
                self._pause(LOOK_EVERY)
                good, bad = self._count(dag_id, first, last)
                bar.reach(good + bad)
        trouble = f", {bad} failed" if bad else ""
        self._screen.say(f"{title}: {len(windows)} windows in {time.monotonic() - begun:.0f} s{trouble}")
        return good, bad

    def _wait_for_retraining(self, dag_id: str) -> None:
        while self._patiently(lambda: self._api.active_runs(dag_id)):
            self._pause(LOOK_EVERY)

    def _count(self, dag_id: str, first: datetime, last: datetime) -> tuple[int, int]:
        def count(state: str) -> int:
            return self._patiently(lambda: self._api.count_runs(dag_id, state, first, last))

        return count("success"), count("failed")

    def _patiently(self, ask: Callable[[], T]) -> T:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return ask()
            except TransientError:
                if time.monotonic() > deadline:
                    raise
                self._pause(LOOK_EVERY)


def stages_until(use_case: LoadedUseCase, until: date) -> Iterator[list[Window]]:
    """The demonstration's windows up to the day `until`: March at once, then week by week.

    A retraining that a stage asks for has ended before the next stage begins, so its model is in service a week later
    at the latest. Errors: `InvalidWindow` when the data has no such day.
    """
    if not FIRST_WINDOW <= until <= LAST_WINDOW:
        raise InvalidWindow(
            f"The demonstration can play until a day from {FIRST_WINDOW} to {LAST_WINDOW}; got {until}."
        )
    zone = use_case.spec.schedule.timezone
    start = parse_instant(FIRST_WINDOW.isoformat(), zone)
    end = use_case.spec.grid.containing(parse_instant(until.isoformat(), zone)).end
    windows = list(use_case.spec.grid.between(start, end))
    yield windows[:FIRST_STAGE]
    yield from (windows[at : at + WEEK] for at in range(FIRST_STAGE, len(windows), WEEK))
