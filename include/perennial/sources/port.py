"""What the rest of the system asks of a source."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from perennial.spec.load import LoadedUseCase
from perennial.spec.models import Limits
from perennial.window import Window


@dataclass(frozen=True)
class Extract:
    """What a source answered: its rows, in canonical types where the spec knows the column, and the query or addresses
    that were asked. Cells that can't be read are null, and the column `bad_cells` says why.

    Of the rows of the window's files, `outside` counts those that were left to windows of their own. Among the rows are
    `misplaced` ones, which no other window would find, and ones `without_time`; validation sets them aside. `remarks`
    are sentences about what was left out, for people.
    """

    rows: pa.Table
    query: str
    outside: int = 0
    misplaced: int = 0
    without_time: int = 0
    remarks: tuple[str, ...] = ()

    def told(self, event_time: str, *, kept: bool = True) -> list[str]:
        """Everything that was left out or has to be set aside, in sentences; `event_time` names the column. Without
        `kept` the rows that belong to no window are not among the rows.
        """
        fate = "are set aside" if kept else "are left out"
        counts = {
            "were skipped, because they belong to other windows, which read them": self.outside,
            f"belong to other windows, which do not read this file, and {fate}": self.misplaced,
            f"have no {event_time} that can be read, and {fate}": self.without_time,
        }
        return [*self.remarks, *(f"{count:,} rows {what}." for what, count in counts.items() if count)]


class Source(Protocol):
    """Where the rows of a window come from."""

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        """The rows whose event time lies in the window, as the source knew them at `as_of`, and those that belong to
        no window and have to be set aside in this one. With `keys`, only rows that have one of them.

        Rows are read in batches; reading stops as soon as a limit is passed. Errors: `SourceUnavailable`,
        `InvalidQuery`, `SchemaMismatch`, `UndecodableText`, `TooMuchData`.
        """

    def parts(
        self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None
    ) -> Generator[Extract, None, None]:
        """What `fetch` gives, in at least one part: the rows in the same order, each part of about 100,000 of them, all
        with the same columns. The last part says what was asked, what was left out and what has to be set aside.

        The source is read as the parts are taken, and let go of when the iterator is closed. Errors: as `fetch`, and
        only once all rows before have been given. A source that does not say otherwise has one part.
        """
        yield self.fetch(window, as_of, limits, keys)


Missing = Callable[[LoadedUseCase, Window, datetime], str | None]


def nothing_is_missing(use_case: LoadedUseCase, window: Window, as_of: datetime) -> str | None:
    """The answer where sources are in memory: every window is complete."""
    del use_case, window, as_of
    return None


class Connections(Protocol):
    """Named connections, so that no address or password is ever spelled out in a spec."""

    def url(self, name: str) -> str:
        """The URI of the connection, as Airflow writes it: `postgresql://user:secret@host:5432/database`,
        `aws://key:secret@/?endpoint_url=http%3A%2F%2Fhost%3A9000&region_name=eu-central-1`.

        Errors: `InvalidSettings` when there is no connection of that name.
        """
