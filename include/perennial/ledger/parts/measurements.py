"""What the ledger keeps of how good predictions were."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from perennial.ledger.entries import Batch, Performance
from perennial.window import Window


class Measurements(Protocol):
    """The part of a `Ledger` that is about performance. Errors of all: `StoreUnavailable`."""

    def record_performance(self, performance: Performance) -> Performance:
        """Natural key: (use case, window, revision, as_of, labels version). The first one stands.

        Labels that had arrived by `as_of` and were collected later make a new entry, which counts.
        """

    def performance_of(self, use_case: str, window: Window) -> Sequence[Performance]:
        """All measurements of the window, by `as_of`, those of one `as_of` in the order they were recorded."""

    def measurements_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[Performance]:
        """All measurements of each window inside `[start, end)`, by window, those of a window as `performance_of`."""

    def performance_between(
        self,
        use_case: str,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Sequence[Performance]:
        """The entry with the latest `as_of` for each window inside `[start, end)`, by window.

        With `as_of`, of the entries about what was known by then; with `known_at`, of those recorded by then.
        """

    def labelled_between(self, use_case: str, start: datetime, end: datetime, *, as_of: datetime) -> tuple[int, int]:
        """How many windows inside `[start, end)` have an entry as of a moment up to `as_of`; and the labels of those of
        them whose last such entry is final.
        """

    def last_final(self, use_case: str, as_of: datetime, count: int) -> Sequence[Performance]:
        """The last `count` windows whose entry with the latest `as_of` up to `as_of` is final, by window."""

    def batches_without_truth(self, use_case: str, as_of: datetime) -> Sequence[Batch]:
        """The live revision of each window that ended by `as_of` and whose labels are still waited for, by window.

        Waited for are those whose entry with the latest `as_of` up to `as_of` is not final, or is final without a
        single label (0.1.0 called windows final by time alone), or isn't there. What was given up is not waited for.
        """
