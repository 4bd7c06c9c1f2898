"""Everything that a job may touch, in one frozen bundle."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perennial.artifacts.port import Artifacts
from perennial.lake.port import Lake
from perennial.ledger.port import Ledger
from perennial.published.port import PublishedPredictions
from perennial.registry.port import ModelRegistry
from perennial.sources.port import Missing, Source, nothing_is_missing
from perennial.spec.load import LoadedUseCase
from perennial.spec.sources import Source as SourceSpec

if TYPE_CHECKING:  # it takes what models are made of, which most processes never need
    from perennial.modeling.attempt import Attempt, Attempted
    from perennial.modeling.trial import ModelTrial, Tried


@dataclass(frozen=True)
class Ports:
    """The world as a job sees it.

    `source` turns a source of a spec into one that can be asked; `missing` says what of a window has not come yet.
    `tried` tries a model before it is deployed; None stands for this process, for stores in memory.
    `attempted` fits and measures one candidate, in the same way.
    """

    source: Callable[[LoadedUseCase, SourceSpec], Source]
    lake: Lake
    ledger: Ledger
    registry: ModelRegistry
    published: PublishedPredictions
    artifacts: Artifacts
    missing: Missing = nothing_is_missing
    tried: "Callable[[ModelTrial], Tried] | None" = None
    attempted: "Callable[[Attempt], Attempted] | None" = None
