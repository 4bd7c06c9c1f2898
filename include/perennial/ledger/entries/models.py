"""What the ledger keeps of models: which one serves as what, and what was decided about them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

Json = dict[str, Any]

IN_SERVICE = "in_service"  # of a deployment's training: metrics as the mean of the holdout's windows


class DeployedRole(StrEnum):
    """What a deployed model version is used for."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


@dataclass(frozen=True)
class Deployment:
    """A model version that holds a role from an effective time on, until the next entry for the role.

    `supersedes` is the id of the entry that held the role when this one was made, None for the first. `metrics` are
    those that the judged model had on its holdout. `training` says what the version was trained on, which model was
    judged (`judged_digest`), and, where that one was `refitted` before it was deployed, how alike the two are.
    A challenger's is a stage of its roll-out: `share` is the percentage of rows it predicts, 0 in the shadow, chosen by
    `salt`; one that `ends` gives the role to nobody. The role's entries from the id that one `withdraws` on count no
    more. A champion that `rescores_from` an earlier time is in force from then on, instead of those before it: the
    windows that they predicted are scored again. `approved_by` agreed to it (None: the policy alone); `code_version`
    and `lock_digest` say what deployed it.
    """

    use_case: str
    role: DeployedRole
    model_version: str
    model_digest: str
    effective_from: datetime
    supersedes: int | None
    actor: str
    reason: str
    training: Json
    metrics: dict[str, float]
    approved_by: str | None
    code_version: str
    lock_digest: str
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
    share: int | None = None
    salt: str = ""
    ends: bool = False
    withdraws: int | None = None
    rescores_from: datetime | None = None

    def expected(self, metric: str) -> float | None:
        """What the metric should be in service; None where it was not measured.

        It is the mean of the holdout's windows, because in service it is a mean of windows, too. Of all holdout rows
        together it may be quite another number: a ranking metric then also counts that stormy days are told from calm
        ones. That is taken where the judge had too few windows.
        """
        known: dict[str, float] = {**self.metrics, **self.training.get(IN_SERVICE, {})}
        return known.get(metric)

    @property
    def in_rollout(self) -> bool:
        """Whether it is a stage in which the challenger scores rows, in the shadow or published."""
        return self.share is not None and not self.ends


class DecisionKind(StrEnum):
    """The questions that are decided."""

    RETRAIN_ON_DRIFT = "retrain_on_drift"
    RETRAIN_ON_PERFORMANCE = "retrain_on_performance"
    PROMOTE = "promote"
    EXPORT = "export"
    ROLLOUT = "rollout"
    STANDBY = "standby"


@dataclass(frozen=True)
class RecordedDecision:
    """A decision as it was taken. At most one per (use case, kind, subject)."""

    use_case: str
    kind: DecisionKind
    subject: str
    as_of: datetime
    action: str
    reasons: tuple[str, ...]
    numbers: Json
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None


@dataclass(frozen=True)
class Backtest:
    """How rival retraining policies would have done on the stored windows from `since` to `until`.

    `policies` maps each policy's name to what differs in it from the spec's `monitoring` of the time. `results` are
    what became of each, as `perennial.backtest.backtest.PolicyResult` has it. They are judged by `metric`.
    """

    use_case: str
    since: datetime
    until: datetime
    windows: int
    metric: str
    policies: Json
    results: tuple[Json, ...]
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
