"""What the gauges ask of the ledger: the latest of each use case, in questions whose number is always the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from perennial.ledger.entries import ApprovalRequest, DecisionKind
from perennial.ledger.parts.overview import Span
from perennial.window import Window

LAST_DECISIONS = 60  # of each kind


@dataclass(frozen=True)
class LastScored:
    """The last window of a use case, in the data's time, that was scored, by its live revision.

    `recorded` maps the tables `snapshots`, `validations`, `batches` and `drift_reports` to when the run that made the
    revision made its last entry there about the window; a table where it made none is left out. `p_values` are those of
    the columns in the window's last drift report.
    """

    window: Window
    model_version: str
    rows: int
    recorded: Mapping[str, datetime]
    p_values: Mapping[str, float]


@dataclass(frozen=True)
class LastDecisions:
    """Of the last `LAST_DECISIONS` decisions of a kind, those with the same action: how many, and when the last one."""

    kind: DecisionKind
    action: str
    count: int
    last_recorded_at: datetime


@dataclass(frozen=True)
class Stage:
    """The stage that a roll-out under way is in: the challenger's version, and its share of the rows in percent."""

    model_version: str
    share: int


class Latest(Protocol):
    """The part of a `Ledger` that the gauges are computed from. Errors of all: `StoreUnavailable`."""

    def last_scored_of(self, use_cases: Sequence[str]) -> Mapping[str, LastScored]:
        """The last window of each use case that has a batch; a use case without one is left out."""

    def first_scored_of(self, spans: Sequence[Span]) -> Mapping[str, Mapping[Window, datetime]]:
        """When the first revision of each window inside the spans was recorded, by use case and window."""

    def recent_decisions_of(self, use_cases: Sequence[str]) -> Mapping[str, Sequence[LastDecisions]]:
        """The last decisions of each use case, by kind and action; a use case without any is left out."""

    def stages_of(self, use_cases: Sequence[str]) -> Mapping[str, Stage]:
        """The roll-out under way in each use case that has one."""

    def open_requests_of(self, use_cases: Sequence[str]) -> Mapping[str, ApprovalRequest]:
        """The last request for approval of each use case, if it is open.

        It is while nobody rejected it, it neither expired nor lapsed, and fewer people approved it than must.
        """


def p_values(columns: Mapping[str, Any]) -> dict[str, float]:
    """The p-values in the `columns` of a drift report, of those that have one."""
    found = {name: each.get("p_value") for name, each in columns.items() if isinstance(each, Mapping)}
    return {name: float(p_value) for name, p_value in found.items() if p_value is not None}
