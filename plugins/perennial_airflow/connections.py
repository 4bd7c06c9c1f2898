"""Named connections, as Airflow keeps them: in its database, its environment or a secrets backend.

Airflow does not know `AIRFLOW_CONN_<NAME>_FILE`; such a file is read here, and comes first.
"""

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from perennial.errors import InvalidSettings
from perennial.settings import process_environment
from perennial.sources.connections import PREFIX, EnvironmentConnections

_AIRFLOW_POSTGRES = "postgres://"


class AirflowConnections:
    """`perennial.sources.port.Connections` for code that runs inside a task."""

    def url(self, name: str) -> str:
        """The URI of the Airflow connection. Errors: `InvalidSettings` when there is none of that name."""
        try:
            return _uri(name)
        except AirflowNotFoundException as error:
            raise InvalidSettings(
                f"Airflow has no connection {name!r}. Add it in the UI under Admin, Connections, with "
                f"`airflow connections add {name} --conn-uri …`, or as the variable AIRFLOW_CONN_{name.upper()}."
            ) from error

    def find(self, name: str) -> str | None:
        """The URI of the Airflow connection; None when there is none of that name."""
        try:
            return _uri(name)
        except AirflowNotFoundException:
            return None


def _uri(name: str) -> str:
    variable = f"{PREFIX}{name.upper()}"
    filed = process_environment().from_file(variable)
    if filed is not None:
        return EnvironmentConnections({variable: filed}).url(name)
    uri = str(Connection.get(name).get_uri())
    # Airflow names the scheme after its connection type; SQLAlchemy and libpq's manual know it as postgresql.
    return f"postgresql://{uri.removeprefix(_AIRFLOW_POSTGRES)}" if uri.startswith(_AIRFLOW_POSTGRES) else uri
