"""The checks of two windows: which said something else, and which rules set how many rows aside."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from perennial.review.validation import Expected, Gate, RowRule, ValidationReport

Check = TypeVar("Check", Gate, Expected, RowRule)
NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class CheckCompared:
    """A check of the window as a whole, or an expectation: what it said of either window, in words.

    `before_share` and `after_share` are the shares of values that broke it, None where it is not about values.
    """

    name: str
    before: str
    after: str
    before_share: float | None = None
    after_share: float | None = None

    @property
    def changed(self) -> bool:
        """Whether both windows were checked, and it said something else."""
        return self.before != self.after and NOT_CHECKED not in (self.before, self.after)


@dataclass(frozen=True)
class RuleCompared:
    """A rule about single rows: how many it caught; None where the window was not checked by it."""

    rule: str
    before: int | None
    after: int | None


def checks(before: ValidationReport | None, after: ValidationReport | None) -> tuple[CheckCompared, ...]:
    """All checks of both windows as wholes, those that say something else first."""
    gates = _pairs(before.gates if before else (), after.gates if after else (), lambda gate: gate.name)
    expected = _pairs(
        before.expectations if before else (), after.expectations if after else (), lambda each: each.sentence
    )
    found = [
        *(CheckCompared(name.replace("_", " "), _verdict(one), _verdict(other)) for name, one, other in gates),
        *(
            CheckCompared(
                name,
                _met(one),
                _met(other),
                one.share_failing if one else None,
                other.share_failing if other else None,
            )
            for name, one, other in expected
        ),
    ]
    return tuple(sorted(found, key=lambda each: not each.changed))


def rules(before: ValidationReport | None, after: ValidationReport | None) -> tuple[RuleCompared, ...]:
    """All rules about single rows that caught a row of either window."""
    pairs = _pairs(before.rules if before else (), after.rules if after else (), lambda rule: rule.rule)
    found = (RuleCompared(name, one.rows if one else None, other.rows if other else None) for name, one, other in pairs)
    return tuple(each for each in found if each.before or each.after)


def _pairs(
    before: Iterable[Check], after: Iterable[Check], name: Callable[[Check], str]
) -> list[tuple[str, Check | None, Check | None]]:
    was: dict[str, Check] = {name(each): each for each in before}
    now: dict[str, Check] = {name(each): each for each in after}
    return [(each, was.get(each), now.get(each)) for each in dict.fromkeys([*was, *now])]


def _verdict(gate: Gate | None) -> str:
    return NOT_CHECKED if gate is None else f"{gate.verdict}"


def _met(expectation: Expected | None) -> str:
    if expectation is None:
        return NOT_CHECKED
    if expectation.error:
        return "could not be evaluated"
    return "met" if expectation.met else f"not met ({expectation.severity})"
