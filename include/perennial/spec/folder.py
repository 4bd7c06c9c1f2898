"""A use case's folder: everything that can be wrong in it, found in one reading."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from perennial.spec.columns import Column, Kind
from perennial.spec.decision import Decision, decision_problems
from perennial.spec.document import Document, file_beside, nearest_name, read_document, read_text
from perennial.spec.ended import Ended, read_ended
from perennial.spec.expectations import COLUMN_ARGUMENTS, EXPECTATION_ARGUMENTS, Suite
from perennial.spec.explain import UNKNOWN_KEY, validated
from perennial.spec.fields import ColumnName
from perennial.spec.models import Quality, UseCase, whole_problems
from perennial.spec.names import Task
from perennial.spec.parameters import BOUND_ALWAYS, PARAMETERS, bound_names
from perennial.spec.problems import Location, Violation, nearest
from perennial.spec.rule_values import unfit_values
from perennial.spec.training import Labels, Training
from perennial.spec.undecidable import undecidable

_SOURCES: tuple[Location, ...] = (("source",), ("labels", "source"))
_READY: Location = ("source", "ready", "sql")  # it only says whether the rows are there, so it need not bind the window


def read_queries(document: Document, folder: Path) -> tuple[dict[str, str], list[Violation]]:
    """The SQL texts that the spec's sources name, by file name, and what is wrong with them."""
    queries: dict[str, str] = {}
    violations: list[Violation] = []
    of_sources = [each for each in _SOURCES if document.at((*each, "type")) == "postgres"]
    for location, always in [*(((*each, "query"), BOUND_ALWAYS) for each in of_sources), (_READY, ())]:
        name = document.at(location)
        if not isinstance(name, str) or name in queries:
            continue
        file, missing = file_beside(document, folder, location, name)
        violations += missing
        if file is not None:
            sql, unreadable = read_text(file)
            violations += unreadable
            if sql is not None:
                queries[name] = sql
                violations += _violations(file, sql, always)
    return queries, violations


def _violations(file: Path, sql: str, always: tuple[str, ...]) -> Iterator[Violation]:
    names = bound_names(sql)
    meant = set()
    for name, line in names.items():
        if name not in PARAMETERS:
            suggestion = nearest(name, PARAMETERS)
            meant.add(suggestion)
            problem = f"there is no such parameter; the parameters are {', '.join(f':{known}' for known in PARAMETERS)}"
            yield Violation(file, line, "", f":{name}", problem, f":{suggestion}" if suggestion else None)
    for name in always:
        if name not in names and name not in meant:
            problem = f"the query does not use :{name}; it must select the event times of [:start, :end) and no others"
            yield Violation(file, 1, "", None, problem)


_ARGUMENTS = {name for arguments in EXPECTATION_ARGUMENTS.values() for name in arguments.names}


def read_suite(spec: Document, folder: Path) -> tuple[Suite | None, list[Violation]]:
    """The suite that the spec in `folder` names, None when it is wrong, and what is wrong with it."""
    location = ("quality", "expectations")
    name = spec.at(location) or str(Quality().expectations)
    if not isinstance(name, str):
        return None, []
    file, missing = file_beside(spec, folder, location, name)
    if file is None:
        return None, missing
    document, violations = read_document(file)
    if document is None:
        return None, violations
    suite, found = validated(Suite, document)
    violations += (_argument_out_of_place(violation) for violation in found)
    violations += _unknown_columns(spec, document)
    if suite is not None:
        violations += _unfit_values(spec, document, suite)
    return suite, violations


def _argument_out_of_place(violation: Violation) -> Violation:
    name = violation.key.rpartition(".")[2]
    if violation.problem.startswith(UNKNOWN_KEY) and name in _ARGUMENTS:
        return replace(violation, problem="an expectation's arguments belong under kwargs", suggestion=f"kwargs.{name}")
    return violation


def _unfit_values(spec: Document, document: Document, suite: Suite) -> Iterator[Violation]:
    """Values in rules that can't occur in a column of its kind."""
    columns = spec.at(("columns",))
    columns = columns if isinstance(columns, dict) else {}
    written = {str(name): column.get("kind") for name, column in columns.items() if isinstance(column, dict)}
    kinds = {name: Kind(kind) for name, kind in written.items() if isinstance(kind, str) and kind in set(Kind)}
    for position, expectation in enumerate(suite.expectations):
        for problem in unfit_values(expectation.type, expectation.kwargs, kinds):
            at = ("expectations", position, "kwargs", *problem.at)
            yield document.violation(at, problem.text, problem.suggestion)


def _unknown_columns(spec: Document, document: Document) -> Iterator[Violation]:
    columns = spec.at(("columns",))
    expectations = document.at(("expectations",))
    if not isinstance(columns, dict) or not isinstance(expectations, list):
        return
    known = [str(name) for name in columns]
    for position, expectation in enumerate(expectations):
        kwargs = expectation.get("kwargs") if isinstance(expectation, dict) else None
        for argument in COLUMN_ARGUMENTS:
            value: Any = kwargs.get(argument) if isinstance(kwargs, dict) else None
            at = ("expectations", position, "kwargs", argument)
            named = [((*at, i), v) for i, v in enumerate(value)] if isinstance(value, list) else [(at, value)]
            for location, column in named:
                if column is not None and str(column) not in known:
                    text = "no such column in use_case.yaml"
                    yield document.violation(location, text, nearest(str(column), known))


Part = TypeVar("Part")

SPEC_FILE = "use_case.yaml"


@dataclass(frozen=True)
class Reading:
    """What a folder holds: `spec` and `suite` are None where they are wrong, and `violations` says why.

    `remarks` say what a valid spec asks for but can never get.
    """

    spec: UseCase | None = None
    suite: Suite | None = None
    queries: dict[str, str] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    remarks: tuple[Violation, ...] = ()
    ended: Ended | None = None


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
    ended, found = read_ended(folder)
    violations += found
    in_order = sorted(set(violations), key=lambda v: (v.file, v.line, v.key, v.value or "", v.problem))
    found_undecidable = undecidable(spec) if spec is not None else ()
    remarks = tuple(document.violation(each.at, each.text, each.suggestion) for each in found_undecidable)
    return Reading(spec, suite, queries, tuple(in_order), remarks, ended)


def _rules_between_valid_parts(document: Document) -> list[Violation]:
    task, training = _part(document, "task", TypeAdapter(Task)), _part(document, "training", TypeAdapter(Training))
    problems = whole_problems(
        task,
        _part(document, "columns", TypeAdapter(dict[ColumnName, Column])),
        _part(document, "labels", TypeAdapter(Labels)),
        training,
    )
    decision = _part(document, "decision", TypeAdapter(Decision))
    if decision is not None or document.value.get("decision") is None:
        problems += decision_problems(task, training, decision)
    return [document.violation(problem.at, problem.text, problem.suggestion) for problem in problems]


def _part(document: Document, key: str, kind: TypeAdapter[Part]) -> Part | None:
    try:
        return kind.validate_python(document.value.get(key))
    except ValidationError:  # reported already, when the whole spec was read
        return None
