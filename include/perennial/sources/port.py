"""What the rest of the system asks of a source."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from perennial.spec.models import Limits
from perennial.window import Window


@dataclass(frozen=True)
class Extract:
    """What a source answered: its rows as they came, and the query or addresses that were asked."""

    rows: pa.Table
    query: str


class Source(Protocol):
    """Where the rows of a window come from."""

    def fetch(self, window: Window, as_of: datetime, limits: Limits) -> Extract:
        """The rows whose event time lies in the window, as the source knew them at `as_of`.

        Rows are read in batches; reading stops as soon as a limit is passed. Errors: `SourceUnavailable`,
        `InvalidQuery`, `UndecodableText`, `TooMuchData`.
        """


class Connections(Protocol):
    """Named connections, so that no address or password is ever spelled out in a spec."""

    def url(self, name: str) -> str:
        """The URI of the connection, as Airflow writes it: `postgresql://user:secret@host:5432/database`,
        `aws://key:secret@/?endpoint_url=http%3A%2F%2Fhost%3A9000&region_name=eu-central-1`.

        Errors: `InvalidSettings` when there is no connection of that name.
        """
