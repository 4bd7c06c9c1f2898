"""Preview: what scoring windows would do, without doing it."""

from collections.abc import Iterable
from dataclasses import dataclass

from perennial.errors import PermanentError
from perennial.ports import Ports
from perennial.records.batch import inputs, made_of, require_features
from perennial.records.gate import gated
from perennial.records.model_choice import ModelChoice
from perennial.registry.port import LoadedModel
from perennial.spec.load import LoadedUseCase
from perennial.window import Window


@dataclass(frozen=True)
class Preview:
    """What would become of one window. `snapshot` is the lake's version; `why_not` says what stands in the way."""

    window: Window
    snapshot: int | None
    snapshot_digest: str | None
    live_revision: int | None
    live_model: str | None
    model: str | None
    would_be: str
    why_not: str | None


def run(use_case: LoadedUseCase, windows: Iterable[Window], ports: Ports, *, model: ModelChoice) -> list[Preview]:
    """Say for each window which snapshot would be scored with which model, and which revision that would make.

    It is about the snapshots that are there: whether the source has changed since, only ingesting can tell.
    Errors: `StoreUnavailable`.
    """
    models: dict[str, LoadedModel] = {}
    return [_preview(use_case, window, ports, model, models) for window in windows]


def _preview(
    use_case: LoadedUseCase, window: Window, ports: Ports, model: ModelChoice, models: dict[str, LoadedModel]
) -> Preview:
    snapshot = ports.ledger.latest_snapshot(use_case.name, window)
    live = ports.ledger.latest_batch(use_case.name, window)
    revision = live.revision if live else None
    would_be, why_not, version = "nothing yet", None, None
    try:
        deployment = model.resolve(use_case.spec, window, ports.ledger)
        gate = gated(use_case, window, ports)
        same = live is not None and made_of(live) == inputs(use_case, gate, deployment)
        if not same:
            digest = deployment.model_digest
            if digest not in models:
                models[digest] = ports.registry.load(use_case.name, deployment.model_version, digest)
            require_features(use_case, gate.snapshot, models[digest])
    except PermanentError as error:
        why_not = f"{type(error).__name__}: {error}"
    else:
        would_be = "unchanged" if same else f"revision {(revision or 0) + 1}"
        version = deployment.model_version
    return Preview(
        window=window,
        snapshot=snapshot.version if snapshot else None,
        snapshot_digest=snapshot.digest if snapshot else None,
        live_revision=revision,
        live_model=live.model_version if live else None,
        model=version,
        would_be=would_be,
        why_not=why_not,
    )
