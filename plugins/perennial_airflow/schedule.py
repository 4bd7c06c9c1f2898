"""When DAG runs start: the windows of a use case as data intervals of Airflow."""

from airflow.sdk import CronDataIntervalTimetable

from perennial.spec.models import Schedule
from perennial.window import Every

_CRON = {
    Every.HOUR: "0 * * * *",
    Every.DAY: "0 0 * * *",
    Every.WEEK: "0 0 * * MON",
    Every.MONTH: "0 0 1 * *",
}


def timetable(schedule: Schedule) -> CronDataIntervalTimetable:
    """A timetable whose data intervals are exactly the windows of the schedule."""
    # Windows of an hour are counted in UTC, also where a zone is half an hour off or an hour happens twice.
    zone = "UTC" if schedule.every is Every.HOUR else schedule.timezone
    return CronDataIntervalTimetable(_CRON[schedule.every], timezone=zone)
