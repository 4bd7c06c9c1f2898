"""Replay: a window goes its way again, after rows were let in or its source was mended."""

from dataclasses import dataclass

from perennial.errors import PermanentError
from perennial.jobs.predict import ingest, score, shadow, validate
from perennial.ports import Ports
from perennial.records.model_choice import ModelChoice
from perennial.spec.load import LoadedUseCase
from perennial.spec.rollout import has_stages
from perennial.window import Window


@dataclass(frozen=True)
class Replayed:
    """A window's way through ingest, validation and scoring again. `error` says where it ended early."""

    window: Window
    quarantined_before: int
    quarantined_after: int
    revision_before: int | None
    revision_after: int | None
    error: str | None = None


def run(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> Replayed:
    """Ingest, validate and score the window again, as it was. Errors: `StoreUnavailable`, `WindowBusy`, `LeaseLost`."""
    before, revision = _quarantined(use_case, window, ports), _revision(use_case, window, ports)
    error = None
    try:
        ingest.run(use_case, window, ports, run_id)
        validate.run(use_case, window, ports, run_id)
        score.run(use_case, window, ports, run_id, model=ModelChoice())
        if has_stages(use_case.spec.rollout):
            shadow.beside(use_case, window, ports, run_id)
    except PermanentError as defect:
        error = f"{type(defect).__name__}: {defect}"
    after = _quarantined(use_case, window, ports)
    return Replayed(window, before, after, revision, _revision(use_case, window, ports), error)


def _quarantined(use_case: LoadedUseCase, window: Window, ports: Ports) -> int:
    verdict = ports.ledger.counting_verdict(use_case.name, window)
    return 0 if verdict is None else verdict.rows_quarantined


def _revision(use_case: LoadedUseCase, window: Window, ports: Ports) -> int | None:
    batch = ports.ledger.latest_batch(use_case.name, window)
    return batch.revision if batch else None
