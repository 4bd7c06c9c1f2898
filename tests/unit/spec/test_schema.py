from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from perennial.spec.document import read_document
from perennial.spec.load import use_case_names
from perennial.spec.names import ESTIMATORS, METRICS
from perennial.spec.schema import schema_text, use_case_schema

USE_CASES = Path(__file__).parents[3] / "include" / "use_cases"


def values(name: str) -> dict[str, Any]:
    document, _ = read_document(USE_CASES / name / "use_case.yaml")
    assert document is not None
    return document.value


def test_the_committed_schema_is_current(repository: Path) -> None:
    committed = (repository / "docs" / "use_case.schema.json").read_text()
    assert committed == schema_text(), "run `python -m perennial.spec.schema > docs/use_case.schema.json`"


def test_editors_are_told_the_names() -> None:
    parts = use_case_schema()["$defs"]
    assert parts["Candidate"]["properties"]["estimator"]["enum"] == sorted(ESTIMATORS)
    assert parts["Training"]["properties"]["metric"]["enum"] == sorted(METRICS)


@pytest.mark.parametrize("name", use_case_names(USE_CASES))
def test_the_schema_accepts_our_specs_and_each_says_where_it_is(name: str) -> None:
    jsonschema.Draft202012Validator(use_case_schema()).validate(values(name))
    first = (USE_CASES / name / "use_case.yaml").read_text().splitlines()[0]
    prefix, _, address = first.partition("=")
    assert prefix == "# yaml-language-server: $schema"
    assert (USE_CASES / name / address).resolve() == USE_CASES.parents[1] / "docs" / "use_case.schema.json"


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("training", "metric", "accuracy"),
        ("training", "history", "120"),
        ("schedule", "every", "daily"),
        ("source", "type", "mysql"),
        ("quality", "min_row", 1),
        ("columns", "home town", {"kind": "numeric"}),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(part: str, key: str, value: object) -> None:
    wrong = values("flight_delays")
    wrong[part][key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(use_case_schema()).validate(wrong)
