"""Answers, always with reasons: the four verdicts of a check, and decisions."""

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


# The actions of a decision about retraining: retrain; nothing calls for it; it can't be told, or can't be done, yet.
RETRAIN, HOLD, WAIT = "retrain", "hold", "wait"
# And about a challenger.
PROMOTE, REJECT = "promote", "reject"
# And about an approval, which may also be rejected or waited for: it is given; it holds no longer.
APPROVE, LAPSE = "approve", "lapse"


class ApprovalAnswer(StrEnum):
    """What became of a question to people: a person's answer, or why there is none that counts."""

    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    LAPSED = "lapsed"


@dataclass(frozen=True)
class Decision:
    """A pure function's answer: what to do, why, and the numbers it saw."""

    action: str
    reasons: tuple[str, ...]
    numbers: dict[str, float | int | str | None]
