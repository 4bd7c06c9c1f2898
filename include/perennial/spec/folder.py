"""A use case's folder: everything that can be wrong in it, found in one reading."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from perennial.spec.document import Document, read_document
from perennial.spec.expectations import Suite
from perennial.spec.explain import validated
from perennial.spec.fields import ColumnName
from perennial.spec.files import nearest_name
from perennial.spec.models import Column, Labels, Training, UseCase, whole_problems
from perennial.spec.sql import read_queries
from perennial.spec.suite import read_suite
from perennial.spec.task import Task
from perennial.spec.violation import Violation

Part = TypeVar("Part")

SPEC_FILE = "use_case.yaml"


@dataclass(frozen=True)
class Reading:
    """What a folder holds: `spec` and `suite` are None where they are wrong, and `violations` says why."""

    spec: UseCase | None = None
    suite: Suite | None = None
    queries: dict[str, str] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()


def read_folder(folder: Path) -> Reading:
    """Read a use case's files and check them, each as far as it can be judged without the others."""
    file = folder / SPEC_FILE
    if not file.is_file():
        problem = f"there is no {SPEC_FILE} in this folder"
        return Reading(violations=(Violation(file, 1, "", None, problem, nearest_name(SPEC_FILE, folder.iterdir())),))
    document, violations = read_document(file)
    if document is None:
        return Reading(violations=tuple(violations))
    spec, found = validated(UseCase, document)
    violations += found
    if spec is None:
        violations += _rules_between_valid_parts(document)
    name = document.value.get("name")
    if isinstance(name, str) and name != folder.name:
        problem = f"the folder is called {folder.name!r}; a use case has the name of its folder"
        violations.append(document.violation(("name",), problem, folder.name))
    queries, found = read_queries(document, folder)
    violations += found
    suite, found = read_suite(document, folder)
    violations += found
    in_order = sorted(set(violations), key=lambda v: (v.file, v.line, v.key, v.value or "", v.problem))
    return Reading(spec, suite, queries, tuple(in_order))


def _rules_between_valid_parts(document: Document) -> list[Violation]:
    problems = whole_problems(
        _part(document, "task", TypeAdapter(Task)),
        _part(document, "columns", TypeAdapter(dict[ColumnName, Column])),
        _part(document, "labels", TypeAdapter(Labels)),
        _part(document, "training", TypeAdapter(Training)),
    )
    return [document.violation(problem.at, problem.text, problem.suggestion) for problem in problems]


def _part(document: Document, key: str, kind: TypeAdapter[Part]) -> Part | None:
    try:
        return kind.validate_python(document.value.get(key))
    except ValidationError:  # reported already, with the whole
        return None
