"""What speaks against retraining now, although something calls for it. Each blocker says why, and until when."""

from collections.abc import Callable, Sequence
from datetime import UTC, timedelta

from perennial.policy.evidence import DriftPoint, RetrainingEvidence
from perennial.spec.monitoring import Monitoring
from perennial.wording import counted

MONTH = timedelta(days=30)


def failed_validation(_spec: Monitoring, evidence: RetrainingEvidence) -> str | None:
    """The data is broken at present: a model trained on it could not be trusted."""
    if evidence.failed is None:
        return None
    return f"The last window that was validated, {evidence.failed}, failed. Correct the source, then run it again."


def cooling_down(spec: Monitoring, evidence: RetrainingEvidence) -> str | None:
    """The last deployment, retraining or rejection was a short while ago."""
    events = {
        "deployment": evidence.deployed_at,
        "retraining": max((each for each in evidence.retrains if each < evidence.as_of), default=None),
        "rejection of a challenger": evidence.rejected_at,
    }
    known = {name: moment for name, moment in events.items() if moment is not None}
    if not known:
        return None
    name, last = max(known.items(), key=lambda event: event[1])
    if evidence.as_of >= last + spec.cooldown:
        return None
    days = spec.cooldown.total_seconds() / 86_400
    until = f"{(last + spec.cooldown).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"The last {name} is less than {days:g} days old: no retraining before {until}."


def asked_for_already(spec: Monitoring, evidence: RetrainingEvidence) -> str | None:
    """A retraining for this moment, or one soon after, is already decided, for another window or by another trigger."""
    coming = [each for each in evidence.retrains if evidence.as_of <= each < evidence.as_of + spec.cooldown]
    if not coming:
        return None
    return f"A retraining as of {min(coming).astimezone(UTC):%Y-%m-%d %H:%M} UTC was already decided."


def too_little_new(spec: Monitoring, evidence: RetrainingEvidence) -> str | None:
    """Training again on what the model in force knew would give the same model."""
    if evidence.new_labels is None or evidence.new_labels >= spec.min_new_labels:
        return None
    return (
        f"{counted(evidence.new_labels, 'final label')} came since the model in force was trained; "
        f"{spec.min_new_labels:,} are needed to learn something new."
    )


def too_few_to_tell(_spec: Monitoring, evidence: RetrainingEvidence) -> str | None:
    """The last challenger's labels were too few to tell: most rows that would judge the next are the same ones.

    It waits for the labels that were missing, though no longer than until the holdout is a new one.
    """
    awaited = evidence.awaited
    if awaited is None or evidence.as_of >= awaited.until or awaited.come >= awaited.needed - awaited.had:
        return None
    return (
        f"The last challenger could not be told from the model in force by {counted(awaited.had, 'labelled row')}; "
        f"about {awaited.needed:,} would be enough. Since its holdout {counted(awaited.come, 'final label')} came: no "
        f"retraining before {awaited.needed - awaited.had:,} have come, or the whole holdout is new, "
        f"{awaited.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
    )


def budget_spent(spec: Monitoring, evidence: RetrainingEvidence) -> str | None:
    """As many models were trained in the last 30 days as the spec allows."""
    recent = sorted({each for each in evidence.retrains if evidence.as_of - MONTH < each < evidence.as_of})
    if len(recent) < spec.max_retrains_per_month:
        return None
    free = recent[-spec.max_retrains_per_month] + MONTH
    return (
        f"{counted(len(recent), 'retraining')} in the last 30 days, which is all that max_retrains_per_month allows: "
        f"no retraining before {free.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
    )


def too_little_after_shift(since_shift: Sequence[DriftPoint]) -> str | None:
    """Drift calls for retraining, but no window since it began is mature: a new model could not learn from it either.

    `since_shift` are the windows from the first one on that carries the evidence. It is asked only when drift is the
    trigger; see `decide`.
    """
    if any(point.learnable is not False for point in since_shift):
        return None
    return (
        f"There is too little data after the shift: none of the {counted(len(since_shift), 'window')} since "
        f"{since_shift[0].window.start.astimezone(UTC):%Y-%m-%d %H:%M} UTC is mature, and a new model could learn "
        "nothing of it."
    )


BLOCKERS: tuple[Callable[[Monitoring, RetrainingEvidence], str | None], ...] = (
    failed_validation,
    cooling_down,
    asked_for_already,
    too_little_new,
    too_few_to_tell,
    budget_spent,
)
