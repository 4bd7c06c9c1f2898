"""What was found about a use case's data, and the line of its files that has to do with it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from perennial.spec.document import Document, read_document
from perennial.spec.folder import SPEC_FILE
from perennial.spec.load import LoadedUseCase
from perennial.spec.problems import Location, dotted


class Level(StrEnum):
    """How bad it is: an error would stop a step, a warning is likely a mistake, a note is good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing that was found, and the file, line (from 1) and key that have to do with it."""

    level: Level
    file: Path
    line: int
    key: str
    problem: str

    def __str__(self) -> str:
        end = "" if self.problem.endswith("?") else "."
        return f"{self.file}:{self.line}: {self.level}: {self.key}: {self.problem}{end}"


@dataclass(frozen=True)
class Places:
    """The files of a use case, and where in them its expectations stand.

    `row_rules` are those that set rows aside, `expectations` the others, each in their order.
    """

    document: Document
    suite: Document | None
    row_rules: tuple[tuple[Path, Location], ...]
    expectations: tuple[tuple[Path, Location], ...]

    @classmethod
    def of(cls, use_case: LoadedUseCase) -> "Places":
        """The places of a use case that was loaded from these files."""
        document, _ = read_document(use_case.folder / SPEC_FILE)
        assert document is not None, "a loaded use case has a file that can be read"
        file = use_case.folder / use_case.spec.quality.expectations
        suite, _ = read_document(file)
        places = [(file, ("expectations", position)) for position, _ in enumerate(use_case.expectations)]
        quarantining = [each.quarantine for each in use_case.expectations]
        return cls(
            document,
            suite,
            tuple(place for place, sets_aside in zip(places, quarantining, strict=True) if sets_aside),
            tuple(place for place, sets_aside in zip(places, quarantining, strict=True) if not sets_aside),
        )

    def finding(self, level: Level, at: Location, problem: str, file: Path | None = None) -> Finding:
        """A finding at a key of use_case.yaml, or of the expectations' file."""
        document = self.suite if file is not None and self.suite is not None else self.document
        return Finding(level, document.file, document.line(at), dotted(at), problem.rstrip("."))


class Findings:
    """What was found so far, about one use case."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._found: list[Finding] = []

    @classmethod
    def about(cls, use_case: LoadedUseCase) -> "Findings":
        """Nothing yet, about this use case."""
        return cls(Places.of(use_case))

    @property
    def errors(self) -> int:
        """How many errors are among them."""
        return sum(each.level is Level.ERROR for each in self._found)

    def add(self, level: Level, at: Location, problem: str, file: Path | None = None) -> None:
        """One more, at a key of use_case.yaml, or of the expectations' file."""
        self._found.append(self.places.finding(level, at, problem, file))

    def in_order(self) -> tuple[Finding, ...]:
        """Each once: the errors first, and then by file and line."""
        levels = list(Level)
        return tuple(sorted(dict.fromkeys(self._found), key=lambda f: (levels.index(f.level), str(f.file), f.line)))
