"""Connection URIs as Airflow writes them, read into what the drivers want.

Airflow keeps extras as JSON, so that a value may be a number, true or null. It writes them as the URI's query where all
of them are texts, and else as one JSON text named `__extra__`. Very old ones are called `extra__<type>__<name>`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from perennial.errors import InvalidSettings

EXTRA = "__extra__"  # Airflow puts the extras there, as one JSON text, when they are nested
_OLD_EXTRA = re.compile(r"extra__[a-z0-9]+__(?P<name>.+)")

# A peer that vanishes without a word is noticed within about a minute; what the connection says itself comes first.
KEEPALIVES = {
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
# What Airflow's hook for PostgreSQL reads itself, and libpq does not know. These say nothing about how to log in …
_HOOKS_OWN = {"cursor", "sqlalchemy_scheme", "sqlalchemy_query"}
# … and these ask the hook for a password that it fetches from elsewhere.
_HOOKS_LOGIN = {
    *("iam", "redshift", "redshift-serverless", "cluster-identifier", "workgroup-name"),
    *("aws_conn_id", "azure_conn_id"),
}


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
        extra = {name: str(value) for name, value in _extras(dict(parse_qsl(parts.query)), parts.scheme).items()}
        return cls(
            access_key=_text(parts.username) or extra.get("aws_access_key_id"),
            secret_key=_text(parts.password) or extra.get("aws_secret_access_key"),
            session_token=extra.get("aws_session_token"),
            region=extra.get("region_name"),
            endpoint=extra.get("endpoint_url"),
        )


def postgres_dsn(uri: str) -> str:
    """The libpq connection string of a `postgres://` or `postgresql://` URI; extras become libpq options.

    It asks for TCP keepalives, unless the extras say otherwise. Errors: `InvalidSettings`, which never quotes the URI:
    it holds the password.

    >>> postgres_dsn("postgres://ann:it%27s@db.example/flights?sslmode=require").partition(" keepalives=")[0]
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
    extras = libpq_extras(dict(parse_qsl(parts.query, keep_blank_values=True)))
    given = {**{name: value for name, value in known.items() if value is not None}, **extras}
    given |= {name: value for name, value in KEEPALIVES.items() if name not in given}
    return " ".join(f"{name}='{_escaped(value)}'" for name, value in given.items())


def _split(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError:
        raise InvalidSettings(
            "A connection's URI can't be read. Percent-encode the special characters of its user and password."
        ) from None  # urllib's own text quotes a part of the URI


def libpq_extras(query: Mapping[str, str]) -> dict[str, str]:
    """The extras of a connection to PostgreSQL as libpq's options.

    What only Airflow's hook reads is left out where nothing depends on it. Whether libpq knows the others it says
    itself, when it connects (see `unknown_option`). Errors: `InvalidSettings`.

    >>> libpq_extras({"__extra__": '{"connect_timeout": 5, "keepalives": false, "sslkey": null, "cursor": "x"}'})
    {'connect_timeout': '5', 'keepalives': '0'}
    """
    found = _extras(query, "postgres")
    fetched = sorted(name for name in _HOOKS_LOGIN & found.keys() if found[name] not in (False, "False", "false"))
    if fetched:
        raise InvalidSettings(
            f"The postgres connection has the extra {', '.join(fetched)}, by which Airflow's hook fetches a password "
            "from elsewhere. Perennial logs in with the connection's own user and password, or as libpq does when "
            "these are missing. Remove that extra from the connection."
        )
    options = {name: value for name, value in found.items() if name not in _HOOKS_OWN | _HOOKS_LOGIN}
    if deep := sorted(name for name, value in options.items() if isinstance(value, dict | list)):
        raise InvalidSettings(
            f"The extra {', '.join(deep)} of the postgres connection holds several values; PostgreSQL's connection "
            "strings take one text, number, true or false."
        )
    return {name: str(int(value)) if isinstance(value, bool) else str(value) for name, value in options.items()}


def unknown_option(said: str) -> str:
    """What to say of an extra that libpq refused; "" when it refused something else.

    libpq's own text may quote the connection string; an option's name is no secret.

    >>> unknown_option('invalid dsn: invalid connection option "ssl_mode"')[:66]
    "the connection has the extra 'ssl_mode', which PostgreSQL's connec"
    """
    found = re.search(r'invalid (?:connection option|URI query parameter):? "(?P<name>[^"]{1,100})"', said)
    if found is None:
        return ""
    return (
        f"the connection has the extra {found['name']!r}, which PostgreSQL's connection strings don't know. Write it "
        "as libpq's manual does (https://www.postgresql.org/docs/current/libpq-connect.html), or remove it"
    )


def _extras(query: Mapping[str, str], kind: str) -> dict[str, Any]:
    """The extras by their names, those without a value left out."""
    extra: dict[str, Any] = dict(query)
    nested = extra.pop(EXTRA, None) or "{}"
    try:
        loaded = json.loads(nested)
    except json.JSONDecodeError as error:
        raise InvalidSettings(
            f"The {EXTRA} of the {kind} connection is not JSON: {error.msg} at character {error.pos}."
        ) from None  # the document itself may hold a secret
    if not isinstance(loaded, dict):
        raise InvalidSettings(f"The {EXTRA} of the {kind} connection must be a JSON object.")
    return {_new_name(name): value for name, value in {**extra, **loaded}.items() if value not in (None, "")}


def _new_name(name: str) -> str:
    old = _OLD_EXTRA.fullmatch(name)
    return old["name"] if old else name


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _text(part: str | None) -> str | None:
    return unquote(part) if part else None
