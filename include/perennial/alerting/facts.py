"""What alerts say beside what the pages show of a use case: reasons, judgements and repairs, read from the ledger."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from perennial.ledger.entries import ApprovalRequest, DecisionKind, Intervention, InterventionKind, RecordedDecision
from perennial.ledger.port import Ledger
from perennial.ledger.rules import recorded_order
from perennial.policy.rollout import ROLL_BACK, STOP
from perennial.review.matters import Concern
from perennial.review.recent import Recent
from perennial.spec.models import UseCase
from perennial.verdict import Verdict
from perennial.window import Window

LATELY = timedelta(days=7)  # for how long an event is told of
REPAIRS = (
    InterventionKind.ALIAS_RESTORED,
    InterventionKind.LAKE_RESTORED,
    InterventionKind.PUBLISHED_RESTORED,
)
MOST_REPAIRS = 60


@dataclass(frozen=True)
class Facts:
    """`reasons` say of the last refused and the last drifted window why, `of_concern` the same of other matters.

    `ended` is the last roll-out that ended without a switch, if nobody did that by hand. `judged` is the last judgement
    of a retraining, and `repairs` what was put right in the stores, if it was lately; the oldest first. `question` is
    what people were asked last, whether or not they have answered: None where the risk tier asks nobody.
    """

    reasons: Mapping[Window, tuple[str, ...]]
    judged: RecordedDecision | None = None
    repairs: tuple[Intervention, ...] = ()
    of_concern: Mapping[Concern, tuple[str, ...]] = field(default_factory=dict)
    ended: RecordedDecision | None = None
    question: ApprovalRequest | None = None


def read(spec: UseCase, recent: Recent, now: datetime, ledger: Ledger) -> Facts:
    """The facts, in a number of questions that does not grow. Errors: `StoreUnavailable`."""
    since = now - LATELY
    reasons = {}
    refused = _last(each.window for each in recent.windows if each.validation is Verdict.FAIL and not each.scored)
    if refused is not None:
        verdicts = ledger.validations_between(spec.name, refused.start, refused.end)
        reasons[refused] = tuple(reason for each in verdicts if each.window == refused for reason in each.reasons)
    drifted = _last(each.window for each in recent.windows if each.scored)
    if drifted is not None:
        reports = ledger.drift_between(spec.name, drifted.start, drifted.end)
        reasons[drifted] = tuple(reason for each in reports if each.window == drifted for reason in each.reasons)
    # A judgement is as of a moment of the data's time, which in a replay lies long ago: it was recorded lately, and of
    # several the one that was recorded last is what holds.
    judged, rolled = (
        [
            each
            for each in ledger.decisions(spec.name, kind, _judged_since(recent, since))
            if each.recorded_at is not None and each.recorded_at >= since
        ]
        for kind in (DecisionKind.PROMOTE, DecisionKind.ROLLOUT)
    )
    ended = [each for each in rolled if each.action in (STOP, ROLL_BACK) and "by" not in each.numbers]
    matters = {Concern.ROLLOUT_OVERDUE: recent.overdue, Concern.STANDBY_NOT_READY: recent.not_ready}
    repairs = ledger.interventions_since(spec.name, REPAIRS, since)
    return Facts(
        reasons,
        judged=max(judged, key=recorded_order, default=None),
        repairs=tuple(repairs)[-MOST_REPAIRS:],
        of_concern={concern: said.reasons for concern, said in matters.items() if said is not None},
        ended=max(ended, key=recorded_order, default=None),
        question=ledger.last_approval_request(spec.name) if spec.risk_tier.approvers else None,
    )


def _judged_since(recent: Recent, since: datetime) -> datetime:
    """From when on judgements are looked at: of the windows shown, or of lately, whichever is earlier."""
    return min(since, recent.windows[0].window.start) if recent.windows else since


def _last(windows: Iterable[Window]) -> Window | None:
    return max(windows, default=None)
