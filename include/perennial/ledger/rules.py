"""The rules of every ledger, wherever it stores: how deployments follow each other, and what a rival is answered."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from perennial.errors import DeploymentConflict, DeploymentMoved, WindowBusy
from perennial.ledger.entries import (
    Batch,
    DeployedRole,
    Deployment,
    DriftReport,
    LedgerEntry,
    Performance,
    ValidationResult,
)
from perennial.ledger.rows import same_content
from perennial.performance.maturity import Maturity
from perennial.verdict import Verdict


def following(deployment: Deployment, current: Deployment | None, scored_until: datetime | None) -> Deployment:
    """The deployment as it may be appended after `current`, its effective time moved forward where it must be.

    `scored_until` is the end of the last window that the use case has scored. Errors: `DeploymentConflict` when the
    deployment does not supersede `current`.
    """
    if deployment.supersedes != (current.id if current else None):
        raise DeploymentConflict(_conflict(deployment, current))
    bounds = [deployment.effective_from]
    if current is not None:
        bounds.append(current.effective_from)
    if scored_until is not None and (deployment.role is DeployedRole.CHAMPION or deployment.share is not None):
        bounds.append(scored_until)
    return replace(deployment, effective_from=max(bounds))


def together(
    deployments: Sequence[Deployment], current: Sequence[Deployment | None], scored_until: datetime | None
) -> list[Deployment]:
    """Each as `following` has it, all from the latest of their effective times on. Errors: `DeploymentConflict`."""
    found = [following(each, before, scored_until) for each, before in zip(deployments, current, strict=True)]
    begins = max(each.effective_from for each in found)
    return [replace(each, effective_from=begins) for each in found]


def recorded_before(deployments: Sequence[Deployment], current: Sequence[Deployment | None]) -> list[Deployment]:
    """The current entries, if an earlier attempt recorded all of these deployments; else none."""
    pairs = zip(deployments, current, strict=True)
    recorded = [before for each, before in pairs if before is not None and repeats(each, before)]
    return recorded if len(recorded) == len(deployments) else []


def repeats(deployment: Deployment, current: Deployment | None) -> bool:
    """Whether `current` is this very deployment, recorded by an earlier attempt whose answer was lost."""
    if current is None or deployment.run_id != current.run_id:
        return False
    return same_content(replace(deployment, effective_from=current.effective_from), current)


def data_subjects(use_case: str) -> tuple[str, str, str]:
    """What leases on the use case's data, on its labels and on its shadow are about."""
    return use_case, f"{use_case}/labels", f"{use_case}/shadow"


def in_force(entries: Iterable[Deployment], role: DeployedRole, effective: datetime) -> Deployment | None:
    """Of the entries known, the one in force for the role at the effective time; those withdrawn are none.

    One that `rescores_from` an earlier time is in force from then on instead of those that were recorded before it.
    """
    own = [each for each in entries if each.role is role]
    passed = [(each.withdraws, each.id or 0) for each in own if each.withdraws is not None]
    standing = [e for e in own if not any(first <= (e.id or 0) < last for first, last in passed)]
    begun = [each for each in standing if (each.rescores_from or each.effective_from) <= effective]
    return max(begun, key=lambda each: (each.effective_from, each.id), default=None)


def failed(entries: Iterable[ValidationResult | DriftReport]) -> int:
    """How many of the entries have the verdict `fail`."""
    return sum(entry.verdict is Verdict.FAIL for entry in entries)


def settled(entry: Performance | None) -> bool:
    """Whether a window with this newest measurement is no longer asked about: it is final, or was given up.

    0.1.0 called windows final by time alone; one with rows of which none is settled is still waited for.
    """
    if entry is None:
        return False
    if entry.maturity is Maturity.FINAL:
        return entry.settled > 0 or entry.rows == 0
    return entry.maturity is Maturity.GIVEN_UP


def check_still_in_force(batch: Batch, expected: Deployment, found: Deployment | None) -> None:
    """Errors: `DeploymentMoved` when the deployment in force at the window's start is not the expected one."""
    if found is not None and found.id == expected.id:
        return
    now = f"version {found.model_version} by {found.actor}" if found else "no deployment"
    raise DeploymentMoved(
        f"Window {batch.window.key} of {batch.use_case} was scored with version {expected.model_version} (deployment "
        f"{expected.id}), but now {now} is in force at its start. Nothing was recorded; score the window again."
    )


def check_same_challenger(batch: Batch, expected: Deployment | None, found: Deployment | None) -> None:
    """Errors: `DeploymentMoved` when another stage of a roll-out is in force at the window's start than expected."""
    stage = found if found is not None and found.in_rollout else None
    if (stage.id if stage else None) == (expected.id if expected else None):
        return
    raise DeploymentMoved(
        f"Window {batch.window.key} of {batch.use_case} was scored with {_stage(expected)}, but now {_stage(stage)} is "
        "in force at its start. Nothing was recorded; score the window again."
    )


def _stage(entry: Deployment | None) -> str:
    return f"version {entry.model_version} in roll-out at {entry.share}%" if entry else "no challenger"


def check_same_batch(batch: Batch, recorded: Batch) -> None:
    """Errors: `WindowBusy` when the recorded revision holds other predictions: two runs raced."""
    if not same_content(batch, recorded):
        raise WindowBusy(
            f"Revision {batch.revision} of window {batch.window.key} of {batch.use_case} was recorded by run "
            f"{recorded.run_id} with other content (digest {recorded.digest[:12]}, not {batch.digest[:12]}): two runs "
            "worked on the window at once. Run this again; it will start from what is recorded."
        )


def _conflict(deployment: Deployment, current: Deployment | None) -> str:
    predecessor = "nothing" if deployment.supersedes is None else f"deployment {deployment.supersedes}"
    tried = (
        f"Version {deployment.model_version} was not made {deployment.role} of {deployment.use_case}: "
        f"it was to supersede {predecessor}"
    )
    if current is None:
        return f"{tried}, but the role was never held. Deploy the first version with supersedes=None."
    return (
        f"{tried}, but the role is held by version {current.model_version} (deployment {current.id}), deployed by "
        f"{current.actor} at {current.recorded_at:%Y-%m-%d %H:%M:%S%z}: {current.reason}. "
        "Compare with that version, then decide again."
    )


def recorded_at(entry: LedgerEntry) -> datetime:
    """When a stored entry was recorded."""
    assert entry.recorded_at is not None, "a stored entry has the time it was recorded"
    return entry.recorded_at


def recorded_order(entry: LedgerEntry) -> int:
    """A number that is greater, the later a stored entry was recorded."""
    assert entry.id is not None, "a stored entry has an id"
    return entry.id
