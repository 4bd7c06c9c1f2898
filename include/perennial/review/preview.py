"""Preview: what scoring windows would do, without doing it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from perennial.errors import NotIngested, NotValidated, PermanentError
from perennial.ports import Ports
from perennial.records.batch import inputs, made_of, require_features
from perennial.records.gate import gated
from perennial.records.model_choice import ModelChoice
from perennial.registry.port import LoadedModel
from perennial.review.prefetched import prefetched
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial.wording import counted


class Outcome(StrEnum):
    """What would become of a window.

    `OPEN`: its rows must be ingested or validated first, and only then can be said what they make. `STOPPED`: it can't
    be scored.
    """

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    OPEN = "open"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Preview:
    """What would become of one window. `snapshot` is the lake's version; `why_not` says what stands in the way.

    `model` is the version that would score it, None where there is none.
    """

    window: Window
    outcome: Outcome
    snapshot: int | None
    snapshot_digest: str | None
    live_revision: int | None
    live_model: str | None
    model: str | None
    would_be: str
    why_not: str | None


def run(use_case: LoadedUseCase, windows: Iterable[Window], ports: Ports, *, model: ModelChoice) -> list[Preview]:
    """Say for each window which snapshot would be scored with which model, and which revision that would make.

    The windows follow each other. It is about the snapshots that are there: whether the source has changed since, only
    ingesting can tell. Errors: `StoreUnavailable`.
    """
    chosen = list(windows)
    if not chosen:
        return []
    known = prefetched(use_case, chosen, ports)
    models: dict[str, LoadedModel] = {}
    return [_preview(use_case, window, known, model, models) for window in chosen]


def summary(previews: Sequence[Preview]) -> str:
    """All of them in one line.

    >>> summary([])
    '0 windows: 0 new, 0 changed, 0 unchanged'
    """
    found = Counter(each.outcome for each in previews)
    always = (Outcome.NEW, Outcome.CHANGED, Outcome.UNCHANGED)
    rare = ((Outcome.OPEN, "not ingested or not validated yet"), (Outcome.STOPPED, "can't be scored"))
    said = [f"{found[each]} {each}" for each in always] + [
        f"{found[each]} {word}" for each, word in rare if found[each]
    ]
    return f"{counted(len(previews), 'window')}: {', '.join(said)}"


def _preview(
    use_case: LoadedUseCase, window: Window, ports: Ports, model: ModelChoice, models: dict[str, LoadedModel]
) -> Preview:
    snapshot = ports.ledger.latest_snapshot(use_case.name, window)
    live = ports.ledger.latest_batch(use_case.name, window)
    revision = live.revision if live else None
    outcome, would_be, why_not, version = Outcome.STOPPED, "nothing yet", None, None
    try:
        assignment = model.resolve(use_case.spec, window, ports.ledger)
        deployment = assignment.champion
        version = deployment.model_version
        gate = gated(use_case, window, ports)
        same = live is not None and made_of(live) == inputs(use_case, gate, assignment)
        if not same:
            digest = deployment.model_digest
            if digest not in models:
                models[digest] = ports.registry.load(use_case.name, deployment.model_version, digest)
            require_features(use_case, gate.snapshot, models[digest])
    except PermanentError as error:
        why_not = f"{type(error).__name__}: {error}"
        if isinstance(error, NotIngested | NotValidated):
            outcome = Outcome.OPEN
    else:
        would_be = "unchanged" if same else f"revision {(revision or 0) + 1}"
        outcome = Outcome.UNCHANGED if same else Outcome.CHANGED if live else Outcome.NEW
    return Preview(
        window=window,
        outcome=outcome,
        snapshot=snapshot.version if snapshot else None,
        snapshot_digest=snapshot.digest if snapshot else None,
        live_revision=revision,
        live_model=live.model_version if live else None,
        model=version,
        would_be=would_be,
        why_not=why_not,
    )
