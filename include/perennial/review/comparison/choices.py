"""What of a use case can be compared: its last windows, its models, and the windows with several revisions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from perennial.ledger.entries import DeployedRole
from perennial.ports import Ports
from perennial.review import timeline
from perennial.spec.models import UseCase
from perennial.window import Window

WINDOWS, MODELS = 100, 50


@dataclass(frozen=True)
class KnownWindow:
    """A window that was ingested. `name` is what `--window` finds it by; `revisions` of its predictions there are."""

    window: Window
    name: str
    revisions: int


@dataclass(frozen=True)
class KnownModel:
    """A version that was deployed, first for data from `since` on."""

    version: str
    since: datetime


@dataclass(frozen=True)
class Choices:
    """The last `WINDOWS` windows that were ingested and the last `MODELS` versions, the newest first."""

    use_case: str
    title: str
    windows: tuple[KnownWindow, ...]
    models: tuple[KnownModel, ...]
    format: Literal[1] = 1


def run(spec: UseCase, ports: Ports) -> Choices:
    """What can be compared. Errors: `StoreUnavailable`."""
    return Choices(spec.name, spec.title, known_windows(spec, ports), known_models(spec, ports))


def known_windows(spec: UseCase, ports: Ports) -> tuple[KnownWindow, ...]:
    """The last `WINDOWS` windows that were ingested, the newest first. Errors: `StoreUnavailable`."""
    last = ports.ledger.last_ingested(spec.name)
    windows = timeline.last_windows(spec, last.end, WINDOWS) if last else []
    if not windows:
        return ()
    ends = windows[0].start, windows[-1].end
    ingested = {each.window for each in ports.ledger.snapshots_between(spec.name, *ends)}
    revisions = {each.window: each.revision for each in ports.ledger.batches_between(spec.name, *ends)}
    return tuple(
        KnownWindow(window, spec.grid.name_of(window), revisions.get(window, 0))
        for window in reversed(windows)
        if window in ingested
    )


def known_models(spec: UseCase, ports: Ports) -> tuple[KnownModel, ...]:
    """The last `MODELS` versions that were deployed, the newest first. Errors: `StoreUnavailable`."""
    first: dict[str, datetime] = {}
    for entry in ports.ledger.deployments(spec.name):
        if entry.role is DeployedRole.CHAMPION:
            first.setdefault(entry.model_version, entry.effective_from)
    return tuple(KnownModel(version, since) for version, since in reversed(first.items()))[:MODELS]
