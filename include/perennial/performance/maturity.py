"""How much of a window's truth is known."""

from datetime import datetime, timedelta
from enum import StrEnum


class Maturity(StrEnum):
    """How much of a window's truth is known."""

    ESTIMATED = "estimated"
    PARTIAL = "partial"
    FINAL = "final"


def maturity_of(window_end: datetime, as_of: datetime, mature_after: timedelta, completeness: float) -> Maturity:
    """`final` once `mature_after` has passed since the window's end, whatever labels never came; before that
    `partial`, or `estimated` while no label has arrived.

    `completeness` is the share of predicted rows that have a label, from 0 to 1. Before maturity even a complete
    window is partial: its labels may still be corrected.
    """
    if as_of >= window_end + mature_after:
        return Maturity.FINAL
    return Maturity.PARTIAL if completeness > 0 else Maturity.ESTIMATED
