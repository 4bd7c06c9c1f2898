"""Values as JSON and back, for XCom, `--json` and stored records, and digests of values."""

import hashlib
import json
from typing import Any, TypeVar

from pydantic import TypeAdapter

Result = TypeVar("Result")


def as_json(result: Any) -> dict[str, Any]:
    """A frozen dataclass as JSON values: instants in ISO 8601, enums by value."""
    encoded: dict[str, Any] = TypeAdapter(type(result)).dump_python(result, mode="json")
    return encoded


def json_bytes(result: Any) -> bytes:
    """A frozen dataclass as JSON text in UTF-8: as `as_json`, and a number that is NaN or infinite is null."""
    return TypeAdapter(type(result)).dump_json(result)


def from_json(kind: type[Result], value: dict[str, Any]) -> Result:
    """The result of `kind` that `as_json` made `value` of."""
    return TypeAdapter(kind).validate_python(value)


def from_json_text(kind: type[Result], text: bytes) -> Result:
    """The result of `kind` that `json_bytes` made the text of. Errors: pydantic's `ValidationError`."""
    return TypeAdapter(kind).validate_json(text)


def json_digest(value: Any) -> str:
    """The sha-256 of a JSON value with sorted keys, as hex.

    >>> json_digest({"a": 1, "b": [2]}) == json_digest({"b": [2], "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def bytes_digest(value: bytes) -> str:
    """The sha-256 of bytes, as hex."""
    return hashlib.sha256(value).hexdigest()


def lock_key(*names: str) -> int:
    """The PostgreSQL advisory lock that stands for the names: signed 64 bits, the same in every process."""
    content = "\x00".join(("perennial", *names)).encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big", signed=True)
