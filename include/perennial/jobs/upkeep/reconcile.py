"""Reconcile: what follows the ledger is compared with it, and put right: aliases, the lake's head, published tables,
and the model cards in the registry. All windows are compared; of which ones rows are read, `survey` says.

A run that was killed is repaired by its own retry. This finds what nobody retries: an alias that was moved by hand,
rows that were changed in a store, a run that was given up; and what backups of different moments left of each other
(docs/operations.md). What it can't put right it names, with what to do, after all else was put right.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from perennial.errors import NotReconciled, PermanentError, RowsRemoved, WindowBusy
from perennial.jobs.retrain import card
from perennial.jobs.upkeep import lost_versions, survey, unmended
from perennial.ledger.entries import DeployedRole, Intervention, InterventionKind
from perennial.ports import Ports
from perennial.records.batch import compare_stores, restore_stores
from perennial.records.leases import data_lease
from perennial.records.retained import removals
from perennial.records.rollout import alias_of
from perennial.spec.load import LoadedUseCase
from perennial.spec.retirement import RowClass

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reconciled:
    """How much was looked at and what was put right, a sentence each; `busy` windows are left to who works on them.

    `windows` were compared, and of `read` of them the rows; those whose predictions went by age are none of them.
    `unmended` says, in sentences, what differs and can't be put right without a person, and what to do.
    """

    use_case: str
    windows: int
    read: int
    restored: tuple[str, ...]
    busy: tuple[str, ...]
    unmended: tuple[str, ...] = ()


def run(
    use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, *, actor: str, everything: bool = False
) -> Reconciled:
    """Put right whatever differs from the ledger in windows that ended by `as_of`; each repair is an intervention.

    With `everything`, the rows of all windows are read, which takes time in proportion to the past: for stores that
    were brought back.

    A revision that the lake has lost is none that stores could be brought back to: nothing of its window is touched.
    Errors: `StoreUnavailable`, `LeaseLost`.
    """
    spec = use_case.spec
    again = lost_versions.registered_again(spec, ports, run_id, actor)
    missing = lost_versions.still_missing(spec.name, ports)
    restored = again + [
        text
        for role in DeployedRole
        if role not in missing and (text := _restore_alias(spec.name, role, ports, run_id, actor))
    ]
    known = ports.ledger.batches_between(spec.name, spec.start, as_of)
    removed = removals(spec, as_of, ports.ledger)
    batches = [each for each in known if not removed.has(RowClass.PREDICTIONS, each.window, each.recorded_at)]
    differing = survey.differing(spec, batches, as_of, ports, removed)
    due = [each for each in batches if everything or each.window in differing or survey.is_due(each, as_of)]
    busy, lost = [], []
    for batch in due:
        try:
            found = compare_stores(batch, ports, head_is_live=batch.window not in differing, removed=removed)
            if found.lake_agrees and found.published_agrees:
                continue
            with data_lease(spec.name, batch.window, ports, run_id) as lease:
                live = ports.ledger.latest_batch(spec.name, batch.window) or batch
                done = restore_stores(live, ports, lease, run_id, actor=actor, removed=removed)
                restored += [f"{batch.window}: {kind.value.replace('_', ' ')}" for kind in done]
        except WindowBusy as error:
            log.warning("%s", error)
            busy.append(batch.window.key)
        except RowsRemoved as error:
            log.warning("%s", error)
            lost.append(batch.window)
    restored += [text for role in DeployedRole if (text := _restore_card(use_case, role, as_of, ports))]
    left = (*missing.values(), *unmended.of_windows(use_case, as_of, known, lost, ports))
    for text in left:
        log.warning("%s", text)
    log.info("%s: %d windows compared, %d read, %d repairs", spec.name, len(batches), len(due), len(restored))
    return Reconciled(spec.name, len(batches), len(due), tuple(restored), tuple(busy), left)


def require_all(found: Reconciled) -> None:
    """Errors: `NotReconciled` when something can't be put right without a person."""
    if found.unmended:
        raise NotReconciled(" ".join(found.unmended))


def _restore_alias(use_case: str, role: DeployedRole, ports: Ports, run_id: str, actor: str) -> str | None:
    current = ports.ledger.current_deployment(use_case, role)
    wanted = alias_of(current)
    found = ports.registry.alias(use_case, role)
    if found == wanted:
        return None
    ports.registry.set_alias(use_case, role, wanted)
    text = f"the alias {role} pointed at {_version(found)}, the ledger has {_version(wanted)}; it was set accordingly"
    log.warning("%s: %s", use_case, text)
    ports.ledger.record_intervention(
        Intervention(
            use_case=use_case,
            kind=InterventionKind.ALIAS_RESTORED,
            subject=role,
            actor=actor,
            reason=text,
            details={"found": found, "ledger": wanted, "deployment": current.id if current else None},
            run_id=run_id,
        )
    )
    return text


def _restore_card(use_case: LoadedUseCase, role: DeployedRole, as_of: datetime, ports: Ports) -> str | None:
    """Bring the card of the version in the role up to date; a sentence where it was missing."""
    current = ports.ledger.current_deployment(use_case.name, role)
    if current is None:
        return None
    try:
        done = card.write(use_case.spec, current.model_version, as_of, ports)
    except PermanentError as error:  # such as a version that somebody registered by hand
        log.warning("%s: version %s has no model card: %s", use_case.name, current.model_version, error)
        return None
    return f"the model card of version {done.version} was missing; it was attached" if done.missing else None


def _version(version: str | None) -> str:
    return f"version {version}" if version else "no version"
