"""What decisions about retraining ask of the ledger: of a thousand windows only the values that count."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from perennial.ledger.entries import DriftReport, Json, Performance
from perennial.performance.maturity import Maturity
from perennial.verdict import Verdict
from perennial.window import Window

_NOTHING: Mapping[str, float | None] = {}


class Estimate(NamedTuple):
    """A metric of a window as it was expected of all rows, from the predictions alone.

    `correction` is what to add to `value`, and `error_sd` the SD of its errors, all in the metric's unit.
    `standard_error` is None where the ledger has none, because it was infinite, or because nobody computed it then.
    """

    value: float
    standard_error: float | None
    correction: float
    error_sd: float


class MetricOfWindow(NamedTuple):
    """What the measurement that counts of a window says of one metric.

    `value` and `estimate` are None where it was not measured or estimated; `standard_error` is as that of `Estimate`.
    """

    window: Window
    model_digest: str
    maturity: Maturity
    rows: int
    labelled: int
    value: float | None
    standard_error: float | None
    estimate: Estimate | None

    @classmethod
    def of(cls, entry: Performance, metric: str) -> "MetricOfWindow":
        """What the whole entry says of the metric."""
        measured: Mapping[str, float | None] = entry.intervals.get(metric, _NOTHING)
        said: Mapping[str, float | None] = entry.estimates.get(metric, _NOTHING)
        return cls(
            window=entry.window,
            model_digest=entry.model_digest,
            maturity=entry.maturity,
            rows=entry.rows,
            labelled=entry.labelled,
            value=entry.metrics.get(metric),
            standard_error=measured.get("standard_error"),
            estimate=estimate_of(  # 0.1.0 had other names for the last two
                said.get("value"),
                said.get("standard_error"),
                said.get("usual_gap", said.get("bias_correction")),
                said.get("usual_spread", said.get("error_sd")),
            ),
        )


class DriftOfWindow(NamedTuple):
    """What the drift report that counts of a window says; its fields are those of `DriftReport`.

    `rows` are those of the window's live revision, 0 without one.
    """

    window: Window
    verdict: Verdict
    p_value: float | None
    reference_windows: int
    missing: tuple[str, ...]
    columns: Json
    rows: int

    @classmethod
    def of(cls, report: DriftReport, rows: int = 0) -> "DriftOfWindow":
        """What the whole report says."""
        return cls(
            window=report.window,
            verdict=report.verdict,
            p_value=report.p_value,
            reference_windows=report.reference_windows,
            missing=report.missing,
            columns=report.columns,
            rows=rows,
        )


class Evidence(Protocol):
    """The part of a `Ledger` that decisions about retraining read. Errors of all: `StoreUnavailable`."""

    def metric_between(
        self, use_case: str, start: datetime, end: datetime, metric: str, *, as_of: datetime
    ) -> Sequence[MetricOfWindow]:
        """What the entries that `performance_between` finds as of that moment say of the metric, by window."""

    def drift_of_model_between(
        self, use_case: str, start: datetime, end: datetime, model_digest: str
    ) -> Sequence[DriftOfWindow]:
        """What those reports say that `drift_between` finds and that are about the model's predictions, by window."""


def estimate_of(
    value: float | None, standard_error: float | None, correction: float | None, error_sd: float | None
) -> Estimate | None:
    """The estimate of these numbers; None where it lacks one that it can't be used without."""
    if value is None or correction is None or error_sd is None:
        return None
    return Estimate(value, standard_error, correction, error_sd)
