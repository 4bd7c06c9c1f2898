"""Broken rules inside the pydantic models, kept apart so that each is reported at its own key."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic_core import PydanticCustomError

from perennial.spec.suggest import nearest
from perennial.spec.violation import Location, dotted

LISTED_AT_MOST = 12


@dataclass(frozen=True)
class Problem:
    """A broken rule. `at` is where, counted from the model (or value) that found it."""

    at: Location
    text: str
    suggestion: str | None = None


BROKEN_RULES: Literal["broken_rules"] = "broken_rules"


def broken_rules(problems: Sequence[Problem]) -> PydanticCustomError:
    """The error for a pydantic validator to raise: it refuses a value for all its problems at once."""
    text = "; ".join(f"{dotted(problem.at)}: {problem.text}" if problem.at else problem.text for problem in problems)
    return PydanticCustomError(BROKEN_RULES, "{text}", {"text": text, "problems": tuple(problems)})


def unknown_name(word: str, what: str, names: Collection[str], at: Location = ()) -> Problem:
    """The problem of a name that isn't among `names`."""
    suggestion = nearest(word, names)
    listed = f"; there are {', '.join(names)}" if suggestion is None or len(names) <= LISTED_AT_MOST else ""
    return Problem(at, f"no such {what}{listed}", suggestion)
