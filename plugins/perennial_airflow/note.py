"""A run's note: its verdict in one line, which Airflow shows beside the run.

Each task leaves a line as a small XCom, also one that fails; when the run has ended, the scheduler joins the lines (see
`listener`). Every process that loads the plugin imports this module, so it imports nothing that is heavy.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

KEY = "verdict"  # of the XCom
ALARM, FAILED = "ALARM", "FAILED"
MOST_OF_LINE = 400
MOST_OF_NOTE = 1000  # characters that Airflow's database takes
_MARKUP = re.compile(r"[\\\[\]]|<(?=[A-Za-z/!?])")


@dataclass(frozen=True)
class Line:
    """A task's part of the note: `first` is what a person must see before all else, `then` are the plain facts.

    Both are clauses without a full stop, "" where there is nothing to say.
    """

    first: str = ""
    then: str = ""

    def to_json(self) -> dict[str, str]:
        """The line as the value of an XCom."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Line":
        """The line that `to_json` made `value` of."""
        return cls(value["first"], value["then"])


NOTHING = Line()


def clause(text: str) -> str:
    """A text of a job as one clause of a line: without line breaks and full stop, and cut where it is too long.

    >>> clause("3 rows break a rule:\\n  - amount is negative.")
    '3 rows break a rule: - amount is negative'
    """
    return _cut(" ".join(text.split()), MOST_OF_LINE).rstrip(".")


def note_of(lines: Iterable[Line], link: str = "") -> str:
    """The note of a run whose tasks left these lines, in the order of the tasks, and a `link`; "" without any line.

    >>> note_of([Line(then="2013-03-08: 914 rows"), Line(first="ALARM: drift in dep_delay"), Line(then="scored by v3")])
    'ALARM: drift in dep_delay. 2013-03-08: 914 rows, scored by v3.'
    """
    left = list(lines)
    firsts, thens = [line.first for line in left if line.first], [line.then for line in left if line.then]
    firsts.sort(key=lambda first: not first.startswith((ALARM, FAILED)))
    sentences = [part for part in ("; ".join(firsts), ", ".join(thens)) if part]
    if not sentences:
        return ""
    end = f" {link}" if link else ""
    said = "".join(f"{sentence}. " for sentence in sentences).rstrip()
    return _cut(_as_text(said), MOST_OF_NOTE - len(end)) + end


def _as_text(said: str) -> str:
    r"""The text without a link, a picture or a tag of its own: Airflow reads Markdown, and errors quote the data.

    >>> print(_as_text("column size holds '[log in](https://evil.example)', p < 0.1"))
    column size holds '\[log in\](https://evil.example)', p < 0.1
    """
    return _MARKUP.sub(r"\\\g<0>", said)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
