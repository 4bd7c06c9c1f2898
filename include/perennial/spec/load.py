"""Reading use cases: `use_case.yaml` and the files it names.

Light on purpose: DAG files load specs while they are parsed, so nothing here imports a library of data or models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from perennial.encoding import json_digest
from perennial.errors import InvalidSpec, UnknownUseCase
from perennial.spec import versions
from perennial.spec.columns import Column
from perennial.spec.document import read_document
from perennial.spec.ended import ENDED_FILE, Ended
from perennial.spec.expectations import Expectation
from perennial.spec.folder import SPEC_FILE, Reading, read_folder
from perennial.spec.models import UseCase
from perennial.spec.problems import Location, Violation, nearest


@dataclass(frozen=True)
class LoadedUseCase:
    """A valid spec, with the texts it names. `queries` maps file name to SQL.

    `ended` says when and why the use case was decommissioned; None while it goes on.
    """

    spec: UseCase
    folder: Path
    expectations: tuple[Expectation, ...]
    queries: dict[str, str]
    ended: Ended | None = None

    @property
    def suite_digest(self) -> str:
        """What the verdict on a snapshot depends on: columns, limits of quality, the expectations, and our checks."""
        return self.suite_digest_by(versions.CHECKS_VERSION)

    def suite_digest_by(self, checks: int) -> str:
        """The same as that version of our checks has it."""
        return self._digest_by(checks, "suite", self._suite)

    @cached_property
    def _suite(self) -> dict[str, Any]:
        """The suite as JSON, made once: thousands of windows are validated under it."""
        return {
            "columns": {name: _meaning(column) for name, column in self.spec.columns.items()},
            "quality": self.spec.quality.model_dump(mode="json"),
            "expectations": [expectation.model_dump(mode="json") for expectation in self.expectations],
        }

    @property
    def row_rules_digest(self) -> str:
        """What decides which rows of a snapshot are clean, and what they hold: columns, rules about single rows, and
        our checks.
        """
        said = zip(self.expectations, self._suite["expectations"], strict=True)
        rules = [text for expectation, text in said if expectation.quarantine]
        decided = {"columns": self._suite["columns"], "rules": rules}
        return self._digest_by(versions.CHECKS_VERSION, "row rules", decided)

    def _digest_by(self, checks: int, what: str, decided: dict[str, Any]) -> str:
        if (checks, what) not in self._digests:
            self._digests[checks, what] = json_digest(decided | _by_code("checks", checks))
        return self._digests[checks, what]

    @cached_property
    def _digests(self) -> dict[tuple[int, str], str]:
        """Those that were asked for, by version of our checks and what they are of, made once as well."""
        return {}

    @property
    def scoring_digest(self) -> str:
        """What predictions depend on besides the rows and the model: the task, the columns, and our way of scoring."""
        columns = [(name, _meaning(column)) for name, column in self.spec.columns.items()]
        return json_digest({"task": self.spec.task, "columns": columns} | _by_code("scoring", versions.SCORING_VERSION))

    @property
    def name(self) -> str:
        """The use case's name, which is also its folder's."""
        return self.spec.name

    def line(self, location: Location) -> int:
        """The line (from 1) of `use_case.yaml` where the key stands, for messages; 1 if the file is not there now."""
        document, _ = read_document(self.folder / SPEC_FILE) if (self.folder / SPEC_FILE).is_file() else (None, [])
        return document.line(location) if document is not None else 1


Seen = tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True)
class _Kept:
    """A use case, the files it was read from, and how they looked before; None when they were not looked at yet."""

    loaded: LoadedUseCase
    files: tuple[Path, ...]
    seen: Seen | None


_KEPT: dict[Path, _Kept] = {}


def _meaning(column: Column) -> dict[str, Any]:
    """What the spec says of a column, without its name in the source, which no longer matters once it is read, and
    without who may see its values.
    """
    return column.model_dump(mode="json", exclude={"from_", "personal"})


def _by_code(part: str, version: int) -> dict[str, int]:
    """What a digest says of the code: nothing of the first version, as 0.1.0 did."""
    return {part: version} if version > 1 else {}


def use_case_names(root: Path) -> list[str]:
    """The use cases in `root`, sorted: every folder in it whose name doesn't start with `.` or `_`.

    Errors: `InvalidSpec` when `root` is not a folder.
    """
    if not root.is_dir():
        raise InvalidSpec(f"{root} should hold one folder per use case, but it is not a folder.")
    return sorted(path.name for path in root.iterdir() if path.is_dir() and path.name[0] not in "._")


def load_use_case(folder: Path) -> LoadedUseCase:
    """The use case in `folder`.

    Errors: `UnknownUseCase` when there is no such folder; `InvalidSpec`, which lists every violation.
    """
    if not folder.is_dir():
        others = use_case_names(folder.parent)
        hint = nearest(folder.name, others)
        known = f"did you mean {hint!r}?" if hint else f"there are: {', '.join(others) or 'none'}."
        raise UnknownUseCase(f"There is no use case {folder.name!r} in {folder.parent}; {known}")
    return _loaded(folder, read_folder(folder))


def load_again(folder: Path) -> LoadedUseCase:
    """The same as `load_use_case`, for a process that asks often: what has not changed is not read again.

    The files are looked at before they are read, so that one that changes meanwhile is read again the next time. Which
    they are is known from the time before: the second call reads once more. What has mistakes is read each time.
    """
    kept = _KEPT.get(folder)
    seen = _look(kept.files) if kept else None
    if kept is not None and kept.seen == seen:
        return kept.loaded
    loaded = load_use_case(folder)
    beside = (SPEC_FILE, ENDED_FILE, *loaded.queries)
    files = (folder / loaded.spec.quality.expectations, *(folder / name for name in beside))
    _KEPT[folder] = _Kept(loaded, files, seen if kept is not None and kept.files == files else None)
    return loaded


def _look(files: Sequence[Path]) -> Seen:
    """What tells whether a file is the same as before; None for one that is not there."""
    return tuple(_look_at(file) for file in files)


def _look_at(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def load_all(root: Path) -> dict[str, LoadedUseCase]:
    """All use cases in `root`, by name.

    Errors: `InvalidSpec`, which lists every violation in all of them.
    """
    readings = {name: read_folder(root / name) for name in use_case_names(root)}
    violations = [violation for reading in readings.values() for violation in reading.violations]
    if violations:
        raise _invalid(root, violations)
    return {name: _loaded(root / name, reading) for name, reading in readings.items()}


def _loaded(folder: Path, reading: Reading) -> LoadedUseCase:
    if reading.violations or reading.spec is None or reading.suite is None:
        raise _invalid(folder, reading.violations)
    return LoadedUseCase(reading.spec, folder, reading.suite.expectations, reading.queries, reading.ended)


def _invalid(where: Path, violations: Sequence[Violation]) -> InvalidSpec:
    count = f"{len(violations)} mistake{'s' if len(violations) != 1 else ''}"
    return InvalidSpec("\n  ".join([f"{count} in {where}:", *map(str, violations)]))


def check_all(root: Path) -> list[Violation]:
    """What is wrong in the use cases in `root`, by file and line; empty when nothing is.

    Errors: `InvalidSpec` when `root` is not a folder.
    """
    return [violation for name in use_case_names(root) for violation in read_folder(root / name).violations]


def remarks_on_all(root: Path) -> list[Violation]:
    """What the use cases in `root` ask for but can never get, by file and line: worth a look, but not a mistake.

    Errors: `InvalidSpec` when `root` is not a folder.
    """
    return [remark for name in use_case_names(root) for remark in read_folder(root / name).remarks]
