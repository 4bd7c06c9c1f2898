"""What a fault did to the stores, counted."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True)
class Damage:
    """What an audit of windows found wrong.

    `lost`: source rows without a published prediction. `doubled`: published more than once. `torn`: windows whose
    published rows come of several revisions or models, or of a revision that the ledger does not have. `stale`: windows
    where a store holds something else than the live revision, or the live revision is not of the newest snapshot.
    """

    lost: int = 0
    doubled: int = 0
    torn: int = 0
    stale: int = 0

    def __add__(self, other: "Damage") -> "Damage":
        return Damage(
            self.lost + other.lost, self.doubled + other.doubled, self.torn + other.torn, self.stale + other.stale
        )

    @property
    def none(self) -> bool:
        return self == Damage()


@dataclass(frozen=True)
class Outcome:
    """A fault, how often it was made, what it left after recovery, and how long recovery took."""

    fault: str
    times: int
    damage: Damage
    recovery_seconds: tuple[float, ...] = ()
    remark: str = ""

    @property
    def clean(self) -> bool:
        return self.damage.none


HEADINGS = ("fault", "times", "lost", "doubled", "torn", "stale", "recovery median / max")


def table(outcomes: Sequence[Outcome]) -> str:
    """A Markdown table."""
    rows = [HEADINGS, *map(_cells, outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def as_json(outcomes: Sequence[Outcome]) -> str:
    values = []
    for outcome in outcomes:
        value, seconds = asdict(outcome), outcome.recovery_seconds
        value["recovery_seconds"] = {"median": median(seconds), "max": max(seconds)} if seconds else None
        values.append(value)
    return json.dumps(values)


def _cells(outcome: Outcome) -> tuple[str, ...]:
    seconds = outcome.recovery_seconds
    recovery = f"{median(seconds):.2f} s / {max(seconds):.2f} s" if seconds else ""
    damage = outcome.damage
    counts = (outcome.times, damage.lost, damage.doubled, damage.torn, damage.stale)
    return (outcome.fault, *(f"{count:,}" for count in counts), recovery)
