"""The facts of the review queue: which rows people are asked about, and what they answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perennial.window import Window


@dataclass(frozen=True)
class ReviewSelection:
    """The rows of a window that people are asked about, as they were chosen when a revision was scored.

    `rows` were to choose from: those of the revision that no earlier one had, since what became of a row once is not
    decided again. `doubtful` of them lay in the band. Each of `questions`, in the order in which they are asked, has
    the row's `entity` (its key as text), its `prediction`, the `probability` with which it was to be chosen, whether it
    is `doubtful`, and whether it is of the `uniform` sample, which holds every row with the same probability.
    """

    use_case: str
    window: Window
    revision: int
    rows: int
    doubtful: int
    questions: tuple[dict[str, Any], ...]
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None


@dataclass(frozen=True)
class HumanLabel:
    """What a person said the outcome of a row is; `value` is None where an answer was withdrawn.

    Of the entries about a row the one answered last counts. `revision` and `model_digest` name the prediction that the
    row was chosen by, `probability` how likely that was, and `origin` where the answer was given.
    """

    use_case: str
    window: Window
    entity: str
    author: str
    answered_at: datetime
    value: float | None
    revision: int
    model_digest: str
    probability: float
    origin: str
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
