"""What the ledger keeps of the review queue: which rows people are asked about, and their answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from perennial.lease import Lease
from perennial.ledger.entries import HumanLabel, ReviewMeasurement, ReviewSelection


class ReviewQueue(Protocol):
    """The part of a `Ledger` that is about people's labels. Errors of all: `StoreUnavailable`."""

    def record_selection(self, selection: ReviewSelection, lease: Lease | None = None) -> ReviewSelection:
        """Natural key: (use case, window, revision). The first one stands. Errors: `LeaseLost`."""

    def selections_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[ReviewSelection]:
        """The selections from the windows inside `[start, end)`, by window and revision."""

    def last_selections(self, use_case: str, limit: int, until: datetime | None = None) -> Sequence[ReviewSelection]:
        """The last `limit` selections from windows that ended by `until` (default: all), the newest window first."""

    def record_human_label(self, label: HumanLabel) -> HumanLabel:
        """Natural key: (use case, window, entity, author, answered at). The first one stands."""

    def human_labels_between(
        self, use_case: str, start: datetime, end: datetime, answered_by: datetime | None = None
    ) -> Sequence[HumanLabel]:
        """The answers about the windows inside `[start, end)` given by that moment, in the order they were given."""

    def record_review_measurement(self, found: ReviewMeasurement) -> ReviewMeasurement:
        """Natural key: (use case, as of, run). The first one stands."""

    def last_review_measurement(self, use_case: str) -> ReviewMeasurement | None:
        """The one with the latest `as_of`, of several the one recorded last."""
