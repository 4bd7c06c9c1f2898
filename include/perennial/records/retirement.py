"""What the ledger says of retirement: which versions are archived, and whether the use case has ended."""

from datetime import datetime

from perennial.errors import UseCaseEnded, VersionArchived
from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ledger.port import Ledger


def archived_versions(use_case: str, ledger: Ledger) -> dict[str, Intervention]:
    """The versions that are archived now, each with the entry that says so."""
    entries = _of_versions(use_case, ledger)
    last = {entry.subject: entry for entry in entries}
    return {name: entry for name, entry in last.items() if entry.kind is InterventionKind.VERSION_ARCHIVED}


def restored_versions(use_case: str, ledger: Ledger) -> dict[str, datetime]:
    """The versions that were restored from the archive, each with when that was done last."""
    return {
        entry.subject: entry.recorded_at
        for entry in ledger.interventions(use_case, InterventionKind.VERSION_RESTORED)
        if entry.recorded_at is not None
    }


def last_archived(use_case: str, version: str, ledger: Ledger) -> Intervention | None:
    """The entry that archived the version last, whether or not it was restored since."""
    entries = ledger.interventions(use_case, InterventionKind.VERSION_ARCHIVED)
    return next((entry for entry in reversed(entries) if entry.subject == version), None)


def refuse_archived(use_case: str, version: str, ledger: Ledger) -> None:
    """Errors: `VersionArchived` when the version is in the archive, and so can't be put into service."""
    entry = archived_versions(use_case, ledger).get(version)
    if entry is not None:
        raise VersionArchived(
            f"Version {version} of {use_case} was archived on {entry.recorded_at:%Y-%m-%d} by {entry.actor}: "
            f"{entry.reason}. Bring it back with `perennial restore-version {use_case} {version} --reason …`, then do "
            "this again."
        )


def ending(use_case: str, ledger: Ledger) -> Intervention | None:
    """The entry that ended the use case; None while it goes on."""
    found = ledger.interventions(use_case, InterventionKind.USE_CASE_ENDED)
    return found[0] if found else None


def refuse_ended(use_case: str, ledger: Ledger) -> None:
    """Errors: `UseCaseEnded` when the use case was decommissioned."""
    entry = ending(use_case, ledger)
    if entry is not None:
        raise UseCaseEnded(
            f"{use_case} was ended on {entry.recorded_at:%Y-%m-%d} by {entry.actor}: {entry.reason}. Nothing new is "
            "made for it; what was kept stays readable. To begin again, give the use case a new name."
        )


def _of_versions(use_case: str, ledger: Ledger) -> list[Intervention]:
    kinds = (InterventionKind.VERSION_ARCHIVED, InterventionKind.VERSION_RESTORED)
    found = [entry for kind in kinds for entry in ledger.interventions(use_case, kind)]
    return sorted(found, key=lambda entry: entry.id or 0)
