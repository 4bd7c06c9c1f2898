"""Rescore: the windows of a model that was rolled back are predicted again by the one that is in force there now.

That is the champion alone, where a canary was withdrawn, or the version that a person put back. The windows are read
off the ledger: those with rows by another model, and those that were scored since, whose run may have been killed
before all was published. So a run that was killed anywhere is finished by the next.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from perennial.errors import PermanentError, RollbackUnfinished
from perennial.jobs.predict import score, select_for_review, shadow
from perennial.jobs.predict.monitor import measure_drift
from perennial.ledger.entries import Batch, Deployment, Intervention, InterventionKind
from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.records.model_choice import ModelChoice
from perennial.records.retained import on_record
from perennial.records.rollout import unfinished_rollbacks
from perennial.records.scorers import challengers_part
from perennial.spec.load import LoadedUseCase
from perennial.spec.retirement import RowClass
from perennial.spec.rollout import has_stages
from perennial.window import Window
from perennial.wording import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rescored:
    """How many windows were scored again by this run, and which can't be, each with the reason.

    `seconds` passed from the decision to the last of its windows that was scored again; None while some are left.
    """

    windows: int
    failed: tuple[str, ...]
    seconds: float | None


def run(
    use_case: LoadedUseCase, ports: Ports, run_id: str, *, actor: str, on_window: OnWindow = nobody
) -> Rescored | None:
    """Score again what rollbacks left to do; None where there is nothing.

    Each window keeps its earlier revisions. When all of a rollback are done, an intervention says how long it took.
    `on_window` hears how far it is. Errors: `StoreUnavailable`, `WindowBusy`, `LeaseLost`, `DeploymentMoved`.
    """
    entries = unfinished_rollbacks(use_case.name, ports.ledger)
    done = [_finished(use_case, entry, ports, run_id, actor, on_window) for entry in entries]
    found = [each for each in done if each is not None]
    if not found:
        return None
    seconds = [each.seconds for each in found if each.seconds is not None]
    return Rescored(
        windows=sum(each.windows for each in found),
        failed=tuple(text for each in found for text in each.failed),
        seconds=max(seconds) if len(seconds) == len(found) else None,
    )


def require_all(use_case: LoadedUseCase, found: Rescored | None) -> None:
    """Errors: `RollbackUnfinished` when some windows could not be scored again."""
    if found is not None and found.failed:
        raise RollbackUnfinished(
            f"{use_case.name}: {counted(len(found.failed), 'window')} of a rollback can't be scored again, so their "
            f"published predictions stay as they were: {'; '.join(found.failed)}. Remove the cause; then the next "
            "evaluation scores them, or repeat this run."
        )


def _finished(
    use_case: LoadedUseCase, entry: Deployment, ports: Ports, run_id: str, actor: str, on_window: OnWindow
) -> Rescored | None:
    left = _left(entry, ports)
    failed, rows, changed = [], 0, 0
    for number, batch in enumerate(left, start=1):
        try:
            changed += _score_again(use_case, batch.window, ports, run_id)
        except PermanentError as error:
            log.warning("%s %s: can't be scored again: %s", use_case.name, batch.window, error)
            failed.append(f"{batch.window}: {type(error).__name__}: {error}")
        rows += batch.rows
        on_window(WindowsDone(number, len(left), rows))
    if failed:
        return Rescored(changed, tuple(failed), None)
    with ports.ledger.deciding(use_case.name):
        if entry.id not in {each.id for each in unfinished_rollbacks(use_case.name, ports.ledger)}:
            return None  # another evaluation did the same meanwhile, and has told it
        return Rescored(changed, (), _recorded(entry, ports, run_id, actor))


def _left(entry: Deployment, ports: Ports) -> list[Batch]:
    """The windows with rows by another model, and those that were scored since the entry, and may not be published;
    but none whose snapshots went by age: these can't be scored again.
    """
    left = [each for each in _of_time(entry, ports) if _by_another(each, entry) or _scored_since(each, entry)]
    removed = on_record(entry.use_case, ports.ledger)
    gone = [each for each in left if removed.has(RowClass.RAW, each.window, each.recorded_at)]
    if gone:
        log.warning(
            "%s: %d windows of the rollback stay as they are, from %s to %s: their snapshots went by age.",
            *(entry.use_case, len(gone), gone[0].window, gone[-1].window),
        )
    return [each for each in left if each not in gone]


def _by_another(batch: Batch, entry: Deployment) -> bool:
    if entry.withdraws is None:
        return batch.model_digest != entry.model_digest
    part = challengers_part(batch)
    return part is not None and part.model_digest == entry.model_digest


def _scored_since(batch: Batch, entry: Deployment) -> bool:
    assert batch.recorded_at is not None, "a stored batch has the time it was recorded"
    assert entry.recorded_at is not None, "a stored entry has the time it was recorded"
    return batch.revision > 1 and batch.recorded_at >= entry.recorded_at


def _score_again(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> bool:
    """Score a window as it was, and do anew what followed from its predictions; whether they changed."""
    scored = score.run_again(use_case, window, ports, run_id, model=ModelChoice())
    batch = ports.ledger.latest_batch(use_case.name, window)
    assert batch is not None, "it was scored"
    select_for_review.run(use_case, window, ports, run_id)
    if has_stages(use_case.spec.rollout):
        shadow.beside(use_case, window, ports, run_id)
    reports = ports.ledger.drift_of(use_case.name, window)
    if reports and reports[-1].model_digest != batch.model_digest:
        measure_drift(use_case, batch, ports, run_id)
    return scored.changed


def _since(entry: Deployment, ports: Ports) -> datetime:
    """Where the time begins whose windows are scored again."""
    if entry.rescores_from is not None:
        return entry.rescores_from
    return next(e.effective_from for e in ports.ledger.deployments(entry.use_case) if e.id == entry.withdraws)


def _of_time(entry: Deployment, ports: Ports) -> Sequence[Batch]:
    return ports.ledger.batches_between(entry.use_case, _since(entry, ports), entry.effective_from)


def _recorded(entry: Deployment, ports: Ports, run_id: str, actor: str) -> float:
    """The seconds from the decision to the last window's new revision, which go on record."""
    begun = entry.recorded_at
    assert begun is not None, "a stored entry has the time it was recorded"
    times = [e.recorded_at for e in _of_time(entry, ports) if e.recorded_at and _scored_since(e, entry)]
    seconds = (max(times, default=begun) - begun).total_seconds()
    version = entry.model_version if entry.withdraws is not None else _before(entry, ports)
    details = {"version": version, "windows": len(times), "seconds": seconds}
    if entry.rescores_from is not None:
        details["restored"] = entry.model_version
    ports.ledger.record_intervention(
        Intervention(
            use_case=entry.use_case,
            kind=InterventionKind.ROLLED_BACK,
            subject=str(entry.id),
            actor=actor,
            reason=entry.reason,
            details=details,
            run_id=run_id,
        )
    )
    log.warning(
        "%s: version %s was rolled back; %d windows were scored again, %.0f s after the decision",
        *(entry.use_case, version, len(times), seconds),
    )
    return seconds


def _before(entry: Deployment, ports: Ports) -> str:
    """The version from which a champion that was put back took over."""
    champions = [e for e in ports.ledger.deployments(entry.use_case) if e.role is entry.role]
    before = [e for e in champions if (e.id or 0) < (entry.id or 0) and e.model_digest != entry.model_digest]
    return before[-1].model_version
