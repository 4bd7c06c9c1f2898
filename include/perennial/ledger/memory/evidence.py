"""What decisions about retraining read of the ledger in memory."""

from collections.abc import Sequence
from datetime import datetime

from perennial.ledger import rules
from perennial.ledger.entries import Batch, DriftReport
from perennial.ledger.memory.measurements import InMemoryMeasurements
from perennial.ledger.parts.evidence import DriftOfWindow, MetricOfWindow


class InMemoryEvidence(InMemoryMeasurements):
    """The part of `InMemoryLedger` that decisions about retraining read."""

    def metric_between(
        self, use_case: str, start: datetime, end: datetime, metric: str, *, as_of: datetime
    ) -> Sequence[MetricOfWindow]:
        """What the measurements that count as of that moment say of the metric, by window."""
        found = self.performance_between(use_case, start, end, as_of=as_of)
        return [MetricOfWindow.of(entry, metric) for entry in found]

    def drift_of_model_between(
        self, use_case: str, start: datetime, end: datetime, model_digest: str
    ) -> Sequence[DriftOfWindow]:
        """What the reports say that count and are about the model's predictions, by window."""
        live = self._between(Batch, use_case, start, end, lambda entry: entry.revision)
        rows = {batch.window: batch.rows for batch in live}
        found = self._between(DriftReport, use_case, start, end, rules.recorded_order)
        return [
            DriftOfWindow.of(report, rows.get(report.window, 0))
            for report in found
            if report.model_digest == model_digest
        ]
