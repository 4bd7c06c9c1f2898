"""What the rest of the system asks of the table that consumers read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from perennial.lease import Lease
from perennial.ordered import Rows
from perennial.window import Window


@dataclass(frozen=True)
class PublishedSize:
    """How much a use case has published."""

    rows: int
    bytes: int


@dataclass(frozen=True)
class PublishedWindow:
    """What is published of a window: how many rows, and their revision, None if they have several.

    `at_once` says whether one transaction wrote them all, as publishing does, and what their batch says is there.
    """

    rows: int
    revision: int | None
    at_once: bool


class PublishedPredictions(Protocol):
    """The live revision of every window, in a database table per use case that consumers query."""

    def publish(self, use_case: str, window: Window, rows: Rows, lease: Lease | None = None) -> None:
        """Make `rows` the whole published content of the window, in one transaction.

        The transaction keeps the lease's fencing token too. Rows say their batch by the columns of `provenance.TYPES`;
        rows of one revision and model version say the same.

        Errors: `SchemaMismatch` for rows that can't be published; `LeaseLost` when a later lease published the window;
        `StoreUnavailable`.
        """

    def read(self, use_case: str, window: Window) -> pa.Table:
        """The window's published rows, in canonical order. Errors: `StoreUnavailable`."""

    def windows(self, use_case: str, start: datetime, end: datetime) -> list[Window]:
        """The windows inside `[start, end)` that have published rows, by their start. Errors: `StoreUnavailable`."""

    def overview(self, use_case: str, start: datetime, end: datetime) -> Mapping[Window, PublishedWindow]:
        """What is published of the windows inside `[start, end)`, counted, with no row brought here; windows without
        rows are left out. Errors: `StoreUnavailable`.
        """

    def mark_ended(self, use_case: str, at: datetime, reason: str) -> None:
        """Tell consumers that no rows come any more: the table has it as its comment, and stays as it is.

        A table of all ended use cases, for programs, has it too.
        """

    def ended(self, use_case: str) -> str | None:
        """What consumers are told of the end; None while the use case goes on."""

    def size(self, use_case: str) -> PublishedSize:
        """What the use case has published."""

    def erase(self, use_case: str) -> PublishedSize:
        """Remove all rows; the table and what its comment says stay. What was removed."""

    def remove(self, use_case: str, until: datetime) -> int:
        """Remove the rows of windows that ended by then, and say how many. A window keeps its fencing token.

        Errors: `StoreUnavailable`.
        """

    def digest(self, use_case: str, window: Window) -> str:
        """The digest of the window's published rows, comparable with the lake's."""
