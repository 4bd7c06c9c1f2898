"""What a page over all use cases asks of the ledger, in a number of questions that does not grow with their number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from perennial.ledger.entries import DecisionKind, Deployment, RecordedDecision
from perennial.performance.maturity import Maturity
from perennial.verdict import Verdict
from perennial.window import Window

REMEMBERED = 60


@dataclass(frozen=True)
class Status:
    """A use case at a glance.

    `rows_scored` counts live revisions, `windows_failed` and `alarms` count windows whose verdict that counts (see
    `Ledger.validations_between`) or latest drift report is `fail`. `retrains` counts the models that became champion
    after the first (a rollback is none), `retrains_rejected` the retrainings after which the champion stayed.
    `windows_overdue` counts windows whose labels are overdue. `last_window` is the last one ingested.
    """

    use_case: str
    windows_ingested: int
    windows_scored: int
    rows_scored: int
    windows_failed: int
    alarms: int
    retrains: int
    last_window: Window | None = None
    champion: Deployment | None = None
    retrains_rejected: int = 0
    windows_overdue: int = 0


@dataclass(frozen=True)
class Span:
    """The windows of a use case inside `[start, end)`; `metric` is the one of which values are wanted."""

    use_case: str
    start: datetime
    end: datetime
    metric: str = ""


@dataclass(frozen=True)
class Champions:
    """The champions of a use case in short: from when on the first one scores, and the one that was recorded last.

    `metrics` maps the versions of the last `REMEMBERED` deployments to what they should reach in service (see
    `Deployment.expected`).
    """

    first_from: datetime
    version: str
    effective_from: datetime
    recorded_at: datetime
    metrics: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class WindowFacts:
    """What counts of a window's records, without details: its verdict (see `Ledger.validations_between`), and the last
    revision, drift report and measurement.

    What has not been done is None. Of the rows, a `challenger` in roll-out predicted `challenger_share`, if one did,
    and `model_version` the others. `value`, `low` and `high` are of the metric that was asked for. `rows_late` came,
    went or changed after the first look. `run_id` wrote the last of the first three records, at `recorded_at`.
    """

    window: Window
    validation: Verdict | None = None
    rows: int | None = None
    rows_quarantined: int | None = None
    revision: int | None = None
    model_version: str | None = None
    challenger: str | None = None
    challenger_share: float | None = None
    drift: Verdict | None = None
    drift_p_value: float | None = None
    performance: Verdict | None = None
    maturity: Maturity | None = None
    completeness: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    rows_late: int = 0
    run_id: str | None = None
    recorded_at: datetime | None = None


class Overview(Protocol):
    """Questions about several use cases at once. Errors of all: `StoreUnavailable`."""

    def last_ingested_of(self, use_cases: Sequence[str]) -> Mapping[str, Window]:
        """The last window of each use case that has a snapshot; a use case without one is left out."""

    def champions_of(self, use_cases: Sequence[str]) -> Mapping[str, Champions]:
        """The champions of each use case; a use case that has had none is left out."""

    def challengers_of(self, use_cases: Sequence[str]) -> Mapping[str, Deployment]:
        """The entry recorded last for the challenger's role of each use case; one without any is left out."""

    def last_decisions_of(self, use_cases: Sequence[str], kind: DecisionKind) -> Mapping[str, RecordedDecision]:
        """Of each use case the decision of the kind with the latest `as_of`; one without any is left out."""

    def facts_of(self, spans: Sequence[Span]) -> Mapping[str, Sequence[WindowFacts]]:
        """The windows of each span that have any record but a snapshot, by window. A use case has one span."""

    def unscored_of(self, spans: Sequence[Span]) -> Mapping[str, Sequence[tuple[datetime, datetime]]]:
        """What `Ledger.unscored_between` answers, of each use case that has such intervals."""

    def noted_empty_of(self, spans: Sequence[Span]) -> Mapping[str, frozenset[Window]]:
        """What `Ledger.windows_noted_empty` answers, of each use case that has such windows."""
