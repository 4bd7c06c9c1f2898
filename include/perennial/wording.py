"""Wording that messages share."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

WITHHELD = "withheld"  # what stands in the place of a value that is not shown


def left_out(remarks: Sequence[str] | None) -> Sequence[str]:
    """What ingest remarked about a window, as lines to show.

    >>> left_out(["2 of 4 files are empty."]), left_out([]), left_out(None)
    (['2 of 4 files are empty.'], ['nothing'], ['not on record: ingested before remarks were kept'])
    """
    return ["not on record: ingested before remarks were kept"] if remarks is None else remarks or ["nothing"]


def date(value: datetime, zone: str = "UTC") -> str:
    """The date of an instant in the zone as commands and addresses take it, such as `2013-03-01`."""
    return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%d}"


def percent(share: float) -> str:
    """A share or a confidence in per cent, with the digits that count.

    >>> percent(0.95), percent(1 - 0.05 / 3)
    ('95%', '98.3%')
    """
    return f"{100 * share:.3g}%"


def counted(number: int, noun: str) -> str:
    """The number with its noun.

    >>> counted(1, "row"), counted(2, "row"), counted(1200, "row")
    ('1 row', '2 rows', '1,200 rows')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
