"""Results of jobs as JSON and back, for XCom and `--json`."""

from typing import Any, TypeVar

from pydantic import TypeAdapter

Result = TypeVar("Result")


def as_json(result: Any) -> dict[str, Any]:
    """A frozen dataclass as JSON values: instants in ISO 8601, enums by value."""
    encoded: dict[str, Any] = TypeAdapter(type(result)).dump_python(result, mode="json")
    return encoded


def from_json(kind: type[Result], value: dict[str, Any]) -> Result:
    """The result of `kind` that `as_json` made `value` of."""
    return TypeAdapter(kind).validate_python(value)
