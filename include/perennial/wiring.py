"""From settings to ports: the one place where adapters are chosen."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from perennial.anchors.store import AnchorStore
from perennial.artifacts.store import ArtifactStore
from perennial.lake.delta import DeltaLake
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ports import Ports
from perennial.published.postgres import PostgresPublished
from perennial.registry.mlflow import MlflowRegistry
from perennial.settings import (
    LEDGER_CONNECTION,
    LEDGER_READER,
    PUBLISHED_CONNECTION,
    PUBLISHED_READER,
    Settings,
)
from perennial.sources import ready
from perennial.sources.cache import FileCache
from perennial.sources.factory import source_of
from perennial.sources.port import Connections, Source
from perennial.spec.load import LoadedUseCase
from perennial.spec.sources import Source as SourceSpec
from perennial.window import Window
from perennial.wiring_records import lake_options

if TYPE_CHECKING:
    from perennial.modeling.attempt import Attempt, Attempted
    from perennial.modeling.trial import ModelTrial, Tried

READING_SECONDS = 10.0  # for one statement of who only reads


def open_ports(settings: Settings, connections: Connections) -> Ports:
    """The real world, by the settings' addresses and the named connections."""
    return _ports(
        settings,
        connections,
        PostgresLedger(connections.url(LEDGER_CONNECTION)),
        PostgresPublished(connections.url(PUBLISHED_CONNECTION)),
    )


def open_reading_ports(settings: Settings, connections: Connections, timeout: float = READING_SECONDS) -> Ports:
    """The same for who only reads the records, by the connections of the readers.

    Sessions of the databases are read-only whoever the user is, and a statement is given up after `timeout` seconds.
    """
    return _ports(
        settings,
        connections,
        PostgresLedger(connections.url(LEDGER_READER), reading_timeout=timeout),
        PostgresPublished(connections.url(PUBLISHED_READER), reading_timeout=timeout),
    )


def _ports(settings: Settings, connections: Connections, ledger: PostgresLedger, published: PostgresPublished) -> Ports:
    options = lake_options(settings, connections)
    source = source_opener(connections)

    def missing(use_case: LoadedUseCase, window: Window, as_of: datetime) -> str | None:
        wanted = use_case.spec.source
        return (
            None
            if wanted.ready is None
            else ready.missing(use_case, window, as_of, source(use_case, wanted), connections)
        )

    return Ports(
        source=source,
        lake=DeltaLake(settings.lake_url, options),
        ledger=ledger,
        registry=MlflowRegistry(settings.require_mlflow(), settings.home / "cache" / "models"),
        published=published,
        artifacts=ArtifactStore(f"{settings.lake_url.rstrip('/')}/artifacts", options),
        missing=missing,
        tried=_tried,
        attempted=_attempted,
    )


def _tried(trial: "ModelTrial") -> "Tried":
    from perennial.jobs.retrain.trying.fresh_process import tried_in_fresh_process  # noqa: PLC0415 - only deploying needs it

    return tried_in_fresh_process(trial)


def _attempted(attempt: "Attempt") -> "Attempted":
    from perennial.jobs.retrain.trying.attempt_process import attempted_in_process  # noqa: PLC0415 - only training needs it

    return attempted_in_process(attempt)


def open_anchors(settings: Settings, connections: Connections) -> AnchorStore:
    """Where the ledger's anchors are kept."""
    return AnchorStore(settings.anchors_url, lake_options(settings, connections))


def open_archive(settings: Settings, connections: Connections) -> ArtifactStore:
    """Where archived models are kept."""
    return ArtifactStore(settings.archive_url, lake_options(settings, connections))


def source_opener(connections: Connections) -> Callable[[LoadedUseCase, SourceSpec], Source]:
    """What opens the sources of any use case; nothing is read before they are asked, and files are kept in mind."""
    cache = FileCache()

    def source(use_case: LoadedUseCase, wanted: SourceSpec) -> Source:
        return source_of(use_case, wanted, connections, cache)

    return source
