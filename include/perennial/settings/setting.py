"""One setting: its name, what it means, what is allowed, and how its text is read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from perennial.errors import InvalidSettings
from perennial.settings.environment import Environment

T = TypeVar("T")
_CONNECTION_NAME = re.compile(r"[\w.\-]+")
_S3_PLACE = re.compile(r"s3://[a-z0-9][a-z0-9.\-]*[a-z0-9](/.*)?")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """What the text of a setting may be. `read` raises `ValueError` for a text that is not `allowed`."""

    allowed: str
    read: Callable[[str], T]


@dataclass(frozen=True)
class Setting(Generic[T]):
    """A variable that is read. `default` is what counts without it, in words; `unit` is that of a number."""

    name: str
    kind: Kind[T]
    default: str
    meaning: str
    is_secret: bool = False
    unit: str = ""
    airflow: str = ""  # what Airflow keeps it as, besides the variable

    def read(self, environment: Mapping[str, str]) -> T | None:
        """The value; None where there is none.

        Errors: `InvalidSettings` with the value (unless it is a secret) and what is allowed.
        """
        text = environment.get(self.name, "").strip()
        if not text:
            return None
        try:
            return self.kind.read(text)
        except ValueError:
            origin = environment.origin(self.name) if isinstance(environment, Environment) else ""
            found = "has a value (not shown, because it is a secret)" if self.is_secret else f"is {text[:200]!r}"
            where = f" from {origin}" if origin else ""
            raise InvalidSettings(
                f"{self.name} {found}{where}, which is not allowed. It must be {self.kind.allowed}: {self.meaning}."
            ) from None

    def text(self, value: T | None) -> str:
        """A value as people read it, with its unit; "" for none."""
        if value is None:
            return ""
        shown = (
            ",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
        )
        return f"{shown} {self.unit}".rstrip()


def _path(text: str) -> Path:
    if "://" in text:
        raise ValueError(text)
    return Path(text)


def _place(text: str) -> str:
    if "://" in text and not text.startswith("file:///") and not _S3_PLACE.fullmatch(text):
        raise ValueError(text)
    return text


def _http(text: str) -> str:
    parts = urlsplit(text)
    _ = parts.port  # raises ValueError for what is no number
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(text)
    return text


def _connection_name(text: str) -> str:
    if not _CONNECTION_NAME.fullmatch(text):
        raise ValueError(text)
    return text


def _connection(text: str) -> str:
    if "://" not in text and not text.startswith("{"):
        raise ValueError(text)
    return text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, (name.strip() for name in text.split(","))))
    if not names:
        raise ValueError(text)
    return names


def _flag(text: str) -> str:
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text


def _log_format(text: str) -> str:
    if text not in {"text", "json"}:
        raise ValueError(text)
    return text


def _amount(text: str) -> float:
    amount = float(text)
    if not isfinite(amount) or amount < 0:
        raise ValueError(text)
    return amount


PATH = Kind("a path", _path)
FLAG = Kind("true or false", _flag)
PLACE = Kind("a path, or s3://bucket or s3://bucket/path", _place)
HTTP = Kind("an address that begins with http:// or https://", _http)
CONNECTION_NAME = Kind(
    "the name of an Airflow connection: letters, digits, dots, dashes and underscores", _connection_name
)
CONNECTION = Kind("a connection's URI or JSON, as for Airflow", _connection)
LOG_FORMATS = Kind("text or json", _log_format)
NAMES = Kind("names with commas between them, at least one", _names)
AMOUNT = Kind("a number, 0 or more", _amount)
TEXT = Kind("a text", str)
