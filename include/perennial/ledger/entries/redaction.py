"""What the ledger keeps of its own only changes: an entity was taken out of entries that named it."""

from dataclasses import dataclass
from datetime import datetime

from perennial.window import Window


@dataclass(frozen=True)
class Redaction:
    """That entries about a window named an entity, and no longer do. `subject` stands for the entity (its tombstone's).

    Of so many `validations` samples were removed, so many `questions` were taken out of selections for review, and so
    many `answers` of people removed.
    """

    use_case: str
    window: Window
    subject: str
    validations: int
    questions: int
    answers: int
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
