"""What the ledger in memory keeps of how good predictions were."""

import copy
from collections.abc import Sequence
from datetime import datetime

from perennial.ledger import rules
from perennial.ledger.entries import Batch, Performance
from perennial.ledger.memory.entries import FOREVER, EntriesInMemory
from perennial.ledger.rows import utc, utc_or_none
from perennial.performance.maturity import Maturity
from perennial.window import Window


class InMemoryMeasurements(EntriesInMemory):
    """The part of `InMemoryLedger` that is about performance."""

    def record_performance(self, performance: Performance) -> Performance:
        """Append the measurement, or return the one that is there."""
        return self._record(performance)

    def performance_of(self, use_case: str, window: Window) -> Sequence[Performance]:
        """All measurements of the window, by `as_of`."""
        found = self._of(Performance, lambda entry: (entry.use_case, entry.window) == (use_case, window))
        return sorted(found, key=lambda entry: entry.as_of)

    def measurements_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[Performance]:
        """All measurements of each window inside `[start, end)`, by window."""
        first, last = utc(start, "start"), utc(end, "end")
        found = self._of(
            Performance,
            lambda entry: entry.use_case == use_case and first <= entry.window.start and entry.window.end <= last,
        )
        return sorted(found, key=lambda entry: (entry.window, entry.as_of))

    def performance_between(
        self,
        use_case: str,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Sequence[Performance]:
        """The entry with the latest `as_of` for each window inside `[start, end)`, by window."""
        about, known = utc_or_none(as_of, "as_of") or FOREVER, utc_or_none(known_at, "known_at") or FOREVER
        return self._between(
            Performance,
            use_case,
            start,
            end,
            lambda entry: (entry.as_of, entry.revision, entry.id),
            lambda entry: entry.as_of <= about and rules.recorded_at(entry) <= known,
        )

    def labelled_between(self, use_case: str, start: datetime, end: datetime, *, as_of: datetime) -> tuple[int, int]:
        """How many windows inside `[start, end)` were measured by then, and the labels of those that are final."""
        found = self.performance_between(use_case, start, end, as_of=as_of)
        return len(found), sum(each.labelled for each in found if each.maturity is Maturity.FINAL)

    def last_final(self, use_case: str, as_of: datetime, count: int) -> Sequence[Performance]:
        """The last `count` windows whose newest entry up to `as_of` is final, by window."""
        final = [entry for entry in self._measured(use_case, as_of) if entry.maturity is Maturity.FINAL]
        return [copy.deepcopy(entry) for entry in final[-count:]]

    def batches_without_truth(self, use_case: str, as_of: datetime) -> Sequence[Batch]:
        """The live revision of each window that ended by `as_of` and whose labels are still waited for."""
        until = utc(as_of, "as_of")
        newest: dict[tuple[Window, int], Performance] = {}
        entries = self._found(Performance, lambda entry: entry.use_case == use_case and entry.as_of <= until)
        for entry in sorted(entries, key=lambda entry: entry.as_of):
            newest[entry.window, entry.revision] = entry
        return [
            copy.deepcopy(batch)
            for batch in self._newest(Batch, use_case, lambda entry: entry.revision)
            if batch.window.end <= until and not rules.settled(newest.get((batch.window, batch.revision)))
        ]

    def _measured(self, use_case: str, as_of: datetime | None = None) -> list[Performance]:
        """The newest entry (up to `as_of`) of each window, by window."""
        until = utc_or_none(as_of, "as_of") or FOREVER
        return self._newest(Performance, use_case, lambda e: (e.as_of, e.revision), lambda e: e.as_of <= until)
