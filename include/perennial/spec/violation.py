"""What is wrong in a use case's files, and where."""

from dataclasses import dataclass
from pathlib import Path

Location = tuple[str | int, ...]


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
