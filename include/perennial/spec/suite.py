"""The expectations file that a spec names."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from perennial.spec.document import Document, read_document
from perennial.spec.expectation_arguments import COLUMN_ARGUMENTS, EXPECTATION_ARGUMENTS
from perennial.spec.expectations import Suite
from perennial.spec.explain import UNKNOWN_KEY, validated
from perennial.spec.files import file_beside
from perennial.spec.models import Quality
from perennial.spec.suggest import nearest
from perennial.spec.violation import Violation

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
    return suite, violations


def _argument_out_of_place(violation: Violation) -> Violation:
    name = violation.key.rpartition(".")[2]
    if violation.problem.startswith(UNKNOWN_KEY) and name in _ARGUMENTS:
        return replace(violation, problem="an expectation's arguments stand under kwargs", suggestion=f"kwargs.{name}")
    return violation


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
