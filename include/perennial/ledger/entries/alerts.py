"""What the ledger keeps of alerts: what each look at them found for a receiver, and how it was delivered."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class Delivery(StrEnum):
    """How an attempt to deliver something ended: `refused` when the receiver answered that it does not take it."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class AlertNotice:
    """What one look at a use case's alerts found for a receiver: what is to be told, and what has been told then.

    Notices of a receiver (`route`) are numbered from 1. `news` are `perennial.alerting.news.News` as JSON; a notice
    without any is not sent. `told` maps the keys of alerts that stand to `perennial.alerting.news.Told` as JSON.
    """

    use_case: str
    route: str
    number: int
    as_of: datetime
    news: tuple[Json, ...]
    told: Json
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None


@dataclass(frozen=True)
class AlertDelivery:
    """An attempt, numbered from 1, to deliver a notice; `error` says why it was not delivered, else it is ""."""

    use_case: str
    route: str
    number: int
    attempt: int
    outcome: Delivery
    error: str
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
