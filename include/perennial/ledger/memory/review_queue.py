"""What the ledger in memory keeps of the review queue."""

from collections.abc import Sequence
from datetime import datetime

from perennial.lease import Lease
from perennial.ledger.entries import HumanLabel, ReviewMeasurement, ReviewSelection
from perennial.ledger.memory.entries import EntriesInMemory, inside
from perennial.ledger.rows import utc


class InMemoryReviewQueue(EntriesInMemory):
    """The part of `InMemoryLedger` that is about people's labels."""

    def record_selection(self, selection: ReviewSelection, lease: Lease | None = None) -> ReviewSelection:
        """Append the selection, or return the one that is there."""
        return self._record(selection, lease)

    def selections_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[ReviewSelection]:
        """The selections from the windows inside `[start, end)`, by window and revision."""
        found = self._of(ReviewSelection, lambda entry: entry.use_case == use_case)
        within = inside((entry.window for entry in found), start, end)
        return sorted((e for e in found if e.window in within), key=lambda entry: (entry.window, entry.revision))

    def last_selections(self, use_case: str, limit: int, until: datetime | None = None) -> Sequence[ReviewSelection]:
        """The last `limit` selections from windows that ended by `until`, the newest window first."""
        last = None if until is None else utc(until, "until")
        found = self._of(ReviewSelection, lambda e: e.use_case == use_case and (last is None or e.window.end <= last))
        return sorted(found, key=lambda entry: (entry.window, entry.revision), reverse=True)[:limit]

    def record_human_label(self, label: HumanLabel) -> HumanLabel:
        """Append the answer, or return the one that is there."""
        return self._record(label)

    def human_labels_between(
        self, use_case: str, start: datetime, end: datetime, answered_by: datetime | None = None
    ) -> Sequence[HumanLabel]:
        """The answers about the windows inside `[start, end)` given by that moment, in the order they were given."""
        last = None if answered_by is None else utc(answered_by, "answered_by")
        found = self._of(HumanLabel, lambda e: e.use_case == use_case and (last is None or e.answered_at <= last))
        within = inside((entry.window for entry in found), start, end)
        return sorted((e for e in found if e.window in within), key=lambda entry: (entry.answered_at, entry.id))

    def record_review_measurement(self, found: ReviewMeasurement) -> ReviewMeasurement:
        """Append the measurement, or return the one that is there."""
        return self._record(found)

    def last_review_measurement(self, use_case: str) -> ReviewMeasurement | None:
        """The one with the latest `as_of`, of several the one recorded last."""
        found = self._of(ReviewMeasurement, lambda entry: entry.use_case == use_case)
        return max(found, key=lambda entry: (entry.as_of, entry.id), default=None)
