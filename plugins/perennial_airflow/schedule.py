"""When DAG runs start: the windows of a use case as data intervals of Airflow."""

from typing import TYPE_CHECKING, Union

from airflow.sdk import CronDataIntervalTimetable

from perennial.spec.models import Schedule
from perennial.window import Every

if TYPE_CHECKING:
    from perennial_airflow.timetable import DelayedWindows

WindowTimetable = Union[CronDataIntervalTimetable, "DelayedWindows"]

_CRON = {
    Every.HOUR: "0 * * * *",
    Every.DAY: "0 0 * * *",
    Every.WEEK: "0 0 * * MON",
    Every.MONTH: "0 0 1 * *",
    **{every: f"0 */{every.hours} * * *" for every in Every if every.hours is not None},
}


def timetable(schedule: Schedule) -> "WindowTimetable":
    """A timetable whose data intervals are exactly the windows of the schedule, and whose runs start when they are due.

    Without a delay it is Airflow's own, which no component needs a plugin to read.
    """
    # Windows of an hour are counted in UTC, also where a zone is half an hour off or an hour happens twice.
    zone = "UTC" if schedule.every is Every.HOUR else schedule.timezone
    if not schedule.delay:
        return CronDataIntervalTimetable(_CRON[schedule.every], timezone=zone)
    from perennial_airflow.timetable import DelayedWindows

    return DelayedWindows(_CRON[schedule.every], zone, schedule.delay)
