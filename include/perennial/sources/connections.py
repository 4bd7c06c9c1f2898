"""Named connections from environment variables, in the two forms that Airflow reads: a URI or a JSON object."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from perennial.addresses import EXTRA
from perennial.errors import InvalidSettings

PREFIX = "AIRFLOW_CONN_"


class EnvironmentConnections:
    """The connections that `variables` hold as AIRFLOW_CONN_<NAME>."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def url(self, name: str) -> str:
        """See `Connections.url`."""
        variable = f"{PREFIX}{name.upper()}"
        value = self._variables.get(variable, "").strip()
        if not value:
            known = sorted(key for key in self._variables if key.startswith(PREFIX))
            raise InvalidSettings(
                f"There is no connection {name!r}: {variable} is not set "
                f"(set are: {', '.join(known) or 'none'}). Set it to the connection's URI or JSON, as for Airflow; "
                "a system started here by `make run` needs none of that."
            )
        return _uri(variable, value) if value.startswith("{") else value


def _uri(variable: str, text: str) -> str:
    """The URI of a connection written as JSON, as Airflow would write it."""
    try:
        fields: dict[str, Any] = json.loads(text)
        extra = fields.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
    except json.JSONDecodeError as error:
        raise InvalidSettings(
            f"{variable} starts like JSON, but is not: {error.msg} at character {error.pos}."
        ) from None
    if not fields.get("conn_type"):
        raise InvalidSettings(f'{variable} has no "conn_type"; it says what is connected to, such as "postgres".')
    login, password = (quote(str(fields.get(part) or ""), safe="") for part in ("login", "password"))
    user = f"{login}:{password}@" if password else f"{login}@" if login else ""
    host = quote(str(fields.get("host") or ""), safe="")
    port = f":{fields['port']}" if fields.get("port") else ""
    schema = quote(str(fields.get("schema") or ""), safe="")
    query = f"?{urlencode({EXTRA: json.dumps(extra)})}" if extra else ""
    scheme = str(fields["conn_type"]).lower().replace("_", "-")
    return f"{scheme}://{user}{host}{port}/{schema}{query}"
