"""What the ledger keeps of what was done outside the ordinary way of the data."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class InterventionKind(StrEnum):
    """What is done to the stores outside the ordinary way of the data."""

    ALIAS_RESTORED = "alias_restored"
    LAKE_RESTORED = "lake_restored"
    PUBLISHED_RESTORED = "published_restored"
    ROWS_ACCEPTED = "rows_accepted"
    FILES_REMOVED = "files_removed"
    WINDOW_EMPTY = "window_empty"
    REPLAY_ASKED = "replay_asked"
    ROLLED_BACK = "rolled_back"
    ALERT_ACKNOWLEDGED = "alert_acknowledged"
    ALERT_SILENCED = "alert_silenced"
    VERSION_ARCHIVED = "version_archived"
    VERSION_RESTORED = "version_restored"
    USE_CASE_ENDED = "use_case_ended"
    DATA_ERASED = "data_erased"
    FEATURE_ALLOWED = "feature_allowed"
    ENTITY_ERASED = "entity_erased"
    ERASURE_FINISHED = "erasure_finished"


@dataclass(frozen=True)
class Intervention:
    """Something that was repaired, allowed or removed, by hand or by maintenance: what was found, and what was done.

    `subject` names it within its kind: a window's key, a role, a snapshot's digest and rule, a table.
    """

    use_case: str
    kind: InterventionKind
    subject: str
    actor: str
    reason: str
    details: Json
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
