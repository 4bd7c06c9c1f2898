"""Digests of small values: JSON and bytes. Those of tables are in `perennial.digest`, which needs Arrow."""

import hashlib
import json
from typing import Any


def json_digest(value: Any) -> str:
    """The sha-256 of a JSON value with sorted keys, as hex.

    >>> json_digest({"a": 1, "b": [2]}) == json_digest({"b": [2], "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def bytes_digest(value: bytes) -> str:
    """The sha-256 of bytes, as hex."""
    return hashlib.sha256(value).hexdigest()
