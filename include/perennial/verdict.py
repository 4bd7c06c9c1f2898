"""The four answers that a check can give, always with reasons."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """`insufficient` means there was too little to tell; it is never `pass`."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    INSUFFICIENT = "insufficient"

    @staticmethod
    def worst(verdicts: Iterable["Verdict"]) -> "Verdict":
        """The most serious of `verdicts`; `pass` when there are none."""
        return max(verdicts, key=_SERIOUSNESS.index, default=Verdict.PASS)


_SERIOUSNESS = [Verdict.PASS, Verdict.INSUFFICIENT, Verdict.WARN, Verdict.FAIL]


@dataclass(frozen=True)
class Decision:
    """A pure function's answer: what to do, why, and the numbers it saw."""

    action: str
    reasons: tuple[str, ...]
    numbers: dict[str, float | int | str | None]
