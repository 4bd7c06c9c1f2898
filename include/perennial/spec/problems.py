"""What is wrong in a use case, where, and what would be right.

A `Problem` is a broken rule inside the pydantic models, a `Violation` one mistake in a file, with its line.
"""

import difflib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic_core import PydanticCustomError

Location = tuple[str | int, ...]
LineOf = Callable[[Location], int]
"""The line (from 1) of use_case.yaml where a key stands."""


@dataclass(frozen=True)
class Violation:
    """One mistake: the file and its line (from 1), the dotted key and the value as written, if there is one.

    `suggestion` is the nearest name that would be right, None where nothing is near.
    """

    file: Path
    line: int
    key: str
    value: str | None
    problem: str
    suggestion: str | None = None

    def __str__(self) -> str:
        subject = " ".join(part for part in (self.key, None if self.value is None else repr(self.value)) if part)
        hint = f" Did you mean {self.suggestion!r}?" if self.suggestion is not None else ""
        return f"{self.file}:{self.line}: {subject + ': ' if subject else ''}{self.problem}.{hint}"


def dotted(location: Location) -> str:
    """The key as people write it.

    >>> dotted(("training", "candidates", 0, "name"))
    'training.candidates[0].name'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that `word` most resembles, letter case and separators aside; None when none is near.

    >>> nearest("RandomForest", ["linear", "random_forest"])
    'random_forest'
    >>> nearest("auc_roc", ["roc_auc", "pr_auc"])
    'roc_auc'
    """
    by_spelling = {spelling: name for name in names for spelling in _spellings(name)}
    close = difflib.get_close_matches(_spellings(word)[0], by_spelling, n=1, cutoff=0.6)
    return by_spelling[close[0]] if close else None


def _spellings(name: str) -> list[str]:
    """The letters alone, with the words in their own order and in the other one."""
    words = name.lower().replace("-", "_").split("_")
    return ["".join(words), "".join(reversed(words))]


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


LONGEST = 100


def shown(text: str, longest: int = LONGEST) -> str:
    r"""The text on one line, cut after `longest` characters; what does not print is written as an escape.

    >>> shown("a\x1b[2J\nb")
    'a\\x1b[2J\\nb'
    """
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut)


def shown_name(name: str) -> str:
    r"""`shown`, with the code points of letters beyond ASCII, so that look-alikes give themselves away.

    >>> shown_name("weight"), shown_name("größe"), shown_name("")
    ('weight', 'größe (gr\\xf6\\xdfe)', "''")
    """
    text = shown(name)
    if not text:
        return "''"
    cut = text.rstrip("…")
    return text if cut.isascii() else f"{text} ({cut.encode('unicode_escape').decode()})"


def listed(names: Iterable[str], most: int = 10) -> str:
    """The names behind each other, and how many there are besides the first `most`; "" for none.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    every = list(names)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(map(shown_name, every[:most])) + more
