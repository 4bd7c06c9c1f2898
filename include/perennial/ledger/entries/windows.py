"""What the ledger keeps of a window: its data, its verdict, its predictions, and how they lay and did."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perennial.performance.maturity import Maturity
from perennial.verdict import Verdict
from perennial.window import Window

Json = dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """The immutable rows of one window as ingested.

    `remarks` say, when these rows were first read, what was left out of the window and which rows validation will set
    aside, in sentences. They are None in entries of before remarks were kept, which is not the same as none.
    """

    use_case: str
    window: Window
    table: str
    version: int
    digest: str
    rows: int
    columns: Json
    query: str
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
    remarks: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ValidationResult:
    """What the checks said about one snapshot. `suite_digest` names the rules they were.

    `number` counts how often they said it with other rules' verdicts on the snapshot in between: the verdict that was
    recorded last counts. `quarantine_digest` names the rows that were set aside, as the lake's commit of them does;
    None where there were none, in entries of before it was kept, and where an entity was erased since.
    """

    use_case: str
    window: Window
    snapshot_digest: str
    suite_digest: str
    verdict: Verdict
    reasons: tuple[str, ...]
    rows: int
    rows_quarantined: int
    result: Json
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
    number: int = 0
    quarantine_digest: str | None = None


@dataclass(frozen=True)
class Batch:
    """One committed revision of a window's predictions, made by one model, or by the two in `parts`.

    `parts` are `perennial.ledger.entries.rollout.Part` as JSON; the model named here is the champion's, and without
    parts that of all rows. `fencing_token` is that of the lease it was made under; `code_version` and `lock_digest` say
    what ran (see `perennial.code_version`). `decision` is the champion's rule by which rows were decided for, as
    `perennial.modeling.decision.DecisionRule` writes it; None where it has none.
    """

    use_case: str
    window: Window
    revision: int
    snapshot_digest: str
    suite_digest: str
    scoring_digest: str
    model_version: str
    model_digest: str
    table: str
    version: int
    digest: str
    rows: int
    resolution: str
    fencing_token: int
    code_version: str
    lock_digest: str
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
    parts: tuple[Json, ...] = ()
    decision: Json | None = None


@dataclass(frozen=True)
class DriftReport:
    """How far a window lies from what its model considers normal.

    `reference_windows` is the number of windows it was ranked among. `missing` are the drifted columns, if all of them
    are unusual only by their missing values. `columns` maps each column to its own evidence: `p_value`, and whether its
    `missing` values are what is unusual. `basis_digest` names what else it was measured by: the rules that the rows
    passed, the reference, the level ("" in entries of 0.1.0, which don't say). `number` counts the window's
    measurements: each follows a change, and the last one counts.
    """

    use_case: str
    window: Window
    snapshot_digest: str
    model_digest: str
    verdict: Verdict
    p_value: float | None
    reference_windows: int
    missing: tuple[str, ...]
    columns: Json
    reasons: tuple[str, ...]
    report: Json
    profile: Json
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
    basis_digest: str = ""
    number: int = 0


@dataclass(frozen=True)
class LateRows:
    """What a later look at a window's source found changed, and what became of it.

    `version` is the lake's of the snapshot that was found, which replaced that of `version_before`. Of a window that
    was empty before, they are the same, and `rows_before` is 0. Rows are compared by their key: `new`, `gone`, and
    `changed` in any column. `revision` is the live one afterwards, and `predictions_changed` how many entities have
    another prediction than before, lost theirs, or have their first one.
    """

    use_case: str
    window: Window
    version: int
    version_before: int
    as_of: datetime
    rows_before: int
    rows: int
    new: int
    gone: int
    changed: int
    revision: int
    predictions_changed: int
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None


@dataclass(frozen=True)
class Performance:
    """How good a batch was, by the labels that had arrived by `as_of`.

    The entry with the latest `as_of` counts: labels that came after all make a new one. `completeness` is the share of
    predicted rows that are settled: they have a label, or it is known that no outcome will come of them
    (`without_outcome`, which 0.1.0 did not count); `metrics` maps metric name to value, and
    `intervals` to its 95% interval (`low`, `high`, `standard_error`). `estimates` maps metric name to the same and the
    `value` as it is expected of all rows, from the predictions alone. `arrivals` are the shares of rows that were
    settled at the ages of `perennial.performance.delay`, only of a final window. `label_drift` says how unusual the
    labels are (`verdict`, `p_value`, `reasons`), only of a final window whose model knows the labels it was trained on.
    `labels_version` is the version of the labels' table that was read, None when it was not there yet; `labels_digest`
    names what was known of the window's labels then (None in entries of before it was kept). While it stays the same,
    and the maturity, no further entry is made.
    """

    use_case: str
    window: Window
    revision: int
    model_version: str
    model_digest: str
    as_of: datetime
    maturity: Maturity
    rows: int
    labelled: int
    completeness: float
    verdict: Verdict
    metrics: dict[str, float]
    intervals: Json
    estimates: Json
    arrivals: tuple[float, ...]
    label_drift: Json
    labels_version: int | None
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
    without_outcome: int = 0
    labels_digest: str | None = None

    @property
    def settled(self) -> int:
        """How many rows have a label, or will never have one."""
        return self.labelled + self.without_outcome
