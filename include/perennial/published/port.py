"""What the rest of the system asks of the table that consumers read."""

from typing import Protocol

import pyarrow as pa

from perennial.lease import Lease
from perennial.window import Window


class PublishedPredictions(Protocol):
    """The live revision of every window, in a database table per use case that consumers query."""

    def publish(self, use_case: str, window: Window, rows: pa.Table, lease: Lease | None = None) -> None:
        """Make `rows` the whole published content of the window, in one transaction.

        The transaction keeps the lease's fencing token too.

        Errors: `LeaseLost` when a later lease published the window; `StoreUnavailable`.
        """

    def read(self, use_case: str, window: Window) -> pa.Table:
        """The window's published rows, in canonical order. Errors: `StoreUnavailable`."""

    def digest(self, use_case: str, window: Window) -> str:
        """The digest of the window's published rows, comparable with the lake's."""
