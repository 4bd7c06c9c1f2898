"""The task that takes a window's rows in, and waits for them without a worker's place."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context

from perennial.spec.load import LoadedUseCase
from perennial_airflow.run import Run
from perennial_airflow.xcom import Json

_SOON, _LATER = timedelta(seconds=30), timedelta(minutes=10)
_PATIENCE = 10  # the pause is this part of the time that was waited already


class StillToCome(Exception):  # noqa: N818 - not an error: the task goes on later
    """A window that is not there yet, while its deadline lies ahead: ask again at `moment`."""

    def __init__(self, what: str, moment: datetime) -> None:
        super().__init__(what)
        self.moment = moment


class Ingest(BaseOperator):
    """Take the run's windows from the source into the lake; until a window's deadline, wait for one that is not there.

    While it waits the task is deferred to a clock in the triggerer. What is asked is asked in a worker, which reads
    connections as every other task does, and takes a second each time.
    """

    def __init__(self, *, use_case: LoadedUseCase, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._use_case = use_case

    def execute(self, context: Context) -> list[Json]:
        """Ask for the first time."""
        from perennial_airflow import tasks

        return self._asked(tasks.ingest, context)

    def ask_again(self, context: Context, event: Any) -> list[Json]:
        """Ask after a pause; `event` says only that it is over."""
        del event
        return self.execute(context)

    def _asked(self, ingest: Callable[[LoadedUseCase, Run], list[Json]], context: Context) -> list[Json]:
        try:
            return ingest(self._use_case, Run.of(context))
        except StillToCome as waiting:
            from airflow.providers.standard.triggers.temporal import DateTimeTrigger

            self.log.info("%s The source is asked again at %s.", waiting, waiting.moment.isoformat(timespec="seconds"))
            self.defer(trigger=DateTimeTrigger(moment=waiting.moment), method_name=self.ask_again.__name__)


def next_look(due: datetime, deadline: datetime | None, now: datetime) -> datetime | None:
    """When to ask again for a window that was due and is not there; None when it must have been there by now.

    The pauses grow with the time that was waited, from half a minute to ten; the last look is at the deadline.
    """
    if deadline is None or now >= deadline:
        return None
    pause = min(max((now - due) / _PATIENCE, _SOON), _LATER)
    return min(now + pause, deadline)
