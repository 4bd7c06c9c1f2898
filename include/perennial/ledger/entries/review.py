"""The facts of the review queue: which rows people are asked about, what they answered, and what that tells."""

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


@dataclass(frozen=True)
class ReviewMeasurement:
    """What the answers given by `as_of` say of the newest model, in the windows between `since` and `until`.

    `left_out` windows of the model lack answers of some kind. The others have `rows`, of which `questions` were asked
    about; people `answered` some, and of `outcomes` the source's outcome is known. `effective_rows` is how many rows,
    chosen uniformly, would tell as much. `metrics` maps each metric to its estimate (`value`, `low`, `high`,
    `standard_error`), `ordinary` to what the source's labels alone say of the same windows, as far as these are final.
    `agreement` is `perennial.performance.agreement.Agreement` as JSON.
    """

    use_case: str
    as_of: datetime
    since: datetime
    until: datetime
    model_version: str
    windows: int
    left_out: int
    rows: int
    questions: int
    answered: int
    outcomes: int
    effective_rows: float
    metrics: dict[str, Any]
    ordinary: dict[str, Any]
    agreement: dict[str, Any]
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
