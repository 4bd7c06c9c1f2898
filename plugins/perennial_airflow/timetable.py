"""The timetable of windows that are scored some time after their end.

It is Airflow's own for data intervals; only the moment from which a run may start is later, which is also the time that
the UI shows for it. The scheduler and the API server know it through the plugin in `plugins/perennial_plugin.py`.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk.timezone import coerce_datetime, utcnow
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from airflow.timetables.interval import CronDataIntervalTimetable
from pendulum import DateTime, Timezone
from pendulum.tz.timezone import FixedTimezone


class DelayedWindows(CronDataIntervalTimetable):
    """Data intervals by a cron expression, each with a run that starts `delay` after the interval's end."""

    def __init__(self, cron: str, timezone: str | Timezone | FixedTimezone, delay: timedelta) -> None:
        super().__init__(cron, timezone)
        self._delay = delay

    @property
    def summary(self) -> str:
        """What the list of DAGs shows as the schedule."""
        return f"{super().summary} + {self._delay}"

    def serialize(self) -> dict[str, Any]:
        """The timetable as JSON."""
        return {**super().serialize(), "delay": self._delay.total_seconds()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Timetable:
        """The timetable that `serialize` made `data` of."""
        return cls(data["expression"], data["timezone"], timedelta(seconds=data["delay"]))

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next interval, and the later start of its run."""
        found = super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )
        if found is None or found.data_interval is None:
            return found
        start, end = found.data_interval
        return DagRunInfo(run_after=end + self._delay, data_interval=DataInterval(start, end))

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        """The last interval whose run may have started by then."""
        return super().infer_manual_data_interval(run_after=run_after - self._delay)

    def _skip_to_latest(self, earliest: DateTime | None) -> DateTime:
        """The start of the last interval that is due. Airflow takes the last one that ended.

        With a delay of more than an interval that one would always be the next, and no run would ever start.
        """
        now = coerce_datetime(utcnow()) - self._delay
        last_start = self._get_prev(now)
        start = last_start if self._get_next(last_start) == now else self._get_prev(last_start)
        return start if earliest is None else max(start, self._align_to_next(earliest))
