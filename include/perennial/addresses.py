"""Connection URIs as Airflow writes them, read into what the drivers want."""

import json
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from perennial.errors import InvalidSettings

EXTRA = "__extra__"  # Airflow puts the extras there, as one JSON text, when they are nested


@dataclass(frozen=True)
class AwsAddress:
    """A connection of type aws. What is None is left to AWS's own chain of defaults."""

    access_key: str | None
    secret_key: str | None
    session_token: str | None
    region: str | None
    endpoint: str | None

    @classmethod
    def from_uri(cls, uri: str) -> "AwsAddress":
        """Read `aws://key:secret@/?endpoint_url=…&region_name=…`, or the same with `__extra__`.

        Errors: `InvalidSettings` when the URI is of another type.
        """
        parts = _split(uri)
        if parts.scheme != "aws":
            raise InvalidSettings(f"Expected a connection of type aws for S3; found type {parts.scheme or 'none'}.")
        extra = _extra(parts)
        return cls(
            access_key=_text(parts.username) or extra.get("aws_access_key_id"),
            secret_key=_text(parts.password) or extra.get("aws_secret_access_key"),
            session_token=extra.get("aws_session_token"),
            region=extra.get("region_name"),
            endpoint=extra.get("endpoint_url"),
        )


def postgres_dsn(uri: str) -> str:
    """The libpq connection string of a `postgres://` or `postgresql://` URI; extras become libpq options.

    Errors: `InvalidSettings`, which never quotes the URI: it holds the password.

    >>> postgres_dsn("postgres://ann:it%27s@db.example/flights?sslmode=require")
    "host='db.example' user='ann' password='it\\\\'s' dbname='flights' sslmode='require'"
    """
    parts = _split(uri)
    if parts.scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise InvalidSettings(f"Expected a connection of type postgres; found type {parts.scheme or 'none'}.")
    try:
        port = parts.port
    except ValueError:
        raise InvalidSettings(
            f"The port of the postgres connection at {parts.hostname} is not a number. "
            "Percent-encode the special characters of its user and password."
        ) from None  # urllib's own text may quote a part of the password
    known = {
        "host": _text(parts.hostname),
        "port": str(port) if port else None,
        "user": _text(parts.username),
        "password": _text(parts.password),
        "dbname": unquote(parts.path.removeprefix("/")) or None,
    }
    given = {**{name: value for name, value in known.items() if value is not None}, **_extra(parts)}
    return " ".join(f"{name}='{_escaped(value)}'" for name, value in given.items())


def _split(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError:
        raise InvalidSettings(
            "A connection's URI can't be read. Percent-encode the special characters of its user and password."
        ) from None  # urllib's own text quotes a part of the URI


def _extra(parts: SplitResult) -> dict[str, str]:
    extra = dict(parse_qsl(parts.query))
    nested = extra.pop(EXTRA, "{}")
    try:
        loaded = json.loads(nested)
    except json.JSONDecodeError as error:
        raise InvalidSettings(f"The {EXTRA} of the {parts.scheme} connection is not JSON: {error}.") from error
    if not isinstance(loaded, dict):
        raise InvalidSettings(f"The {EXTRA} of the {parts.scheme} connection must be a JSON object.")
    return {**extra, **{name: str(value) for name, value in loaded.items()}}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _text(part: str | None) -> str | None:
    return unquote(part) if part else None
