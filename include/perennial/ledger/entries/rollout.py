"""What the ledger keeps of a roll-out beside its stages: who scored which rows, and how the two models did on the same.

A stage is a `Deployment` with the role of challenger and a `share`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perennial.window import Window


@dataclass(frozen=True)
class Part:
    """The rows of a batch that one of its models predicted.

    The challenger's has the `share` of rows in percent and the `salt` that chose them, and `deployment`, the id of its
    stage. Where it `failed`, this says why, it has no rows, and the champion predicted all. `decision` is the rule by
    which its rows were decided for, as in `Batch`; the champion's stands there.
    """

    role: str
    model_version: str
    model_digest: str
    rows: int
    share: int | None = None
    salt: str = ""
    deployment: int | None = None
    failed: str = ""
    decision: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return dict(vars(self))


def challengers_share(parts: Sequence[Mapping[str, Any]], rows: int) -> tuple[str | None, float | None]:
    """The version in roll-out that predicted rows of a batch with these parts, and which share of them.

    Both are None where the champion predicted all `rows`.
    """
    part = next((each for each in parts if each["role"] == "challenger" and each["rows"]), None)
    return (None, None) if part is None or not rows else (part["model_version"], part["rows"] / rows)


@dataclass(frozen=True)
class ShadowBatch:
    """What the other model said of each row of a revision: of rows that the champion predicted, the challenger, and the
    other way round. Nothing of it is published.

    With the revision's own predictions, every row then has one of both models. `rows` are those of the revision.
    """

    use_case: str
    window: Window
    revision: int
    champion_digest: str
    challenger_version: str
    challenger_digest: str
    snapshot_digest: str
    suite_digest: str
    scoring_digest: str
    table: str
    version: int
    digest: str
    rows: int
    fencing_token: int
    code_version: str
    lock_digest: str
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None


@dataclass(frozen=True)
class PairedGain:
    """By how much the challenger was better than the champion on the same labelled rows of a window.

    `gain` is in the metric's unit, negative where the challenger was worse; it and the values are None where these rows
    leave the metric undefined. `as_of` is when the window was measured finally. `rows` have a label and both
    predictions.
    """

    use_case: str
    window: Window
    revision: int
    champion_digest: str
    challenger_digest: str
    metric: str
    as_of: datetime
    gain: float | None
    champion: float | None
    challenger: float | None
    rows: int
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
