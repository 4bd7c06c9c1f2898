"""What data a task read and wrote, exactly: the table's version in the lake, the model's version, digests.

A task leaves it when its work is done, and `openlineage` puts it into the event that Airflow's provider sends. Nothing
is looked up unless the provider is told to ask us. It is kept in the process of the task: XCom would need the API
server for what is needed in this process only.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from perennial.lake.port import labels_table, predictions_table, quarantine_table, raw_table
from perennial.settings import PUBLISHED_CONNECTION, Settings
from perennial.sources.port import Connections
from perennial.spec.load import LoadedUseCase
from perennial.spec.sources import FileSource, PostgresSource, Source
from perennial_airflow import configuration
from perennial_airflow.xcom import Json

if TYPE_CHECKING:
    from perennial.ports import Ports

log = logging.getLogger(__name__)

EXTRACTOR = "perennial_airflow.openlineage.PerennialExtractor"
POSTGRES_PORT = 5432


@dataclass(frozen=True)
class DataSet:
    """Data by the names that OpenLineage gives it, as of a version.

    `digest` is over its content (of one window, where it is about one), `windows` are their keys, `queries` the SQL
    that a source is asked with: its tables are found in it.
    """

    namespace: str
    name: str
    version: str = ""
    digest: str = ""
    rows: int | None = None
    windows: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


@dataclass(frozen=True)
class Lineage:
    """What a task read and wrote."""

    inputs: tuple[DataSet, ...]
    outputs: tuple[DataSet, ...]


@dataclass(frozen=True)
class Places:
    """Where data is: the stores, the settings, and the named connections."""

    ports: "Ports"
    settings: Settings
    connections: Connections

    def lake(self, table: str, version: object = "", **more: Any) -> DataSet:
        """A table of the lake, by its place in the store."""
        url, _, rest = self.ports.lake.location(table).partition("://")
        if not rest:
            return DataSet("file", url, str(version), **more)
        bucket, _, path = rest.partition("/")
        return (
            DataSet("file", f"/{path}", str(version), **more)
            if url == "file"
            else DataSet(f"{url}://{bucket}", path, str(version), **more)
        )

    def source(self, use_case: LoadedUseCase, source: Source) -> DataSet:
        """Where rows or labels come from."""
        if isinstance(source, PostgresSource):
            namespace, database = _database(self.connections.url(source.connection))
            return DataSet(namespace, f"{database}.{source.query}", query=use_case.queries[str(source.query)])
        if isinstance(source, FileSource):
            return DataSet("file", f"{source.path}/{source.pattern}")
        return DataSet(f"s3://{source.bucket}", source.prefix)

    def published(self, use_case: str, **more: Any) -> DataSet:
        """The table that others read predictions from."""
        from perennial.published.names import table_of

        namespace, database = _database(self.connections.url(PUBLISHED_CONNECTION))
        return DataSet(namespace, ".".join((database, *table_of(use_case).strings)), **more)

    def model(self, use_case: str, version: str, digest: str) -> DataSet:
        """A version of the use case's model in the registry."""
        parts = urlsplit(self.settings.require_mlflow())
        return DataSet(f"mlflow://{parts.netloc.rpartition('@')[2]}", f"models/{use_case}", version, digest)


def _database(url: str) -> tuple[str, str]:
    """The namespace of the server, and the name of the database."""
    parts = urlsplit(url)
    return f"postgres://{parts.hostname or 'localhost'}:{parts.port or POSTGRES_PORT}", parts.path.strip("/")


def _windows(results: Sequence[Json]) -> tuple[str, ...]:
    from perennial_airflow.each_window import windows_in

    return tuple(window.key for window in windows_in(results))


def _rows(results: Sequence[Json]) -> int:
    return sum(each["rows"] for each in results)


def _digest(results: Sequence[Json]) -> str:
    """Of one window; several have none together."""
    return str(results[0]["digest"]) if len(results) == 1 else ""


def _raw(use_case: LoadedUseCase, results: Sequence[Json], places: Places) -> DataSet:
    """The snapshots of the windows, as of the version that has the last of them."""
    from perennial_airflow.each_window import windows_in

    found = [places.ports.ledger.latest_snapshot(use_case.name, window) for window in windows_in(results)]
    known = [each for each in found if each is not None]
    return places.lake(
        raw_table(use_case.name),
        max((each.version for each in known), default=""),
        digest=known[0].digest if len(known) == 1 else "",
        windows=_windows(results),
    )


def ingested(use_case: LoadedUseCase, results: Sequence[Json], places: Places) -> Lineage:
    """From the source to snapshots."""
    written = places.lake(
        raw_table(use_case.name),
        max((each["version"] for each in results), default=""),
        digest=_digest(results),
        rows=_rows(results),
        windows=_windows(results),
        columns={name: str(column.kind) for name, column in use_case.spec.columns.items()},
    )
    return Lineage((places.source(use_case, use_case.spec.source),), (written,))


def validated(use_case: LoadedUseCase, results: Sequence[Json], places: Places) -> Lineage:
    """From snapshots to the rows that were set aside."""
    table, aside = quarantine_table(use_case.name), sum(each["rows_quarantined"] for each in results)
    written = places.lake(table, places.ports.lake.version(table) or "", rows=aside, windows=_windows(results))
    return Lineage((_raw(use_case, results, places),), (written,) if aside else ())


def _predictions(use_case: LoadedUseCase, results: Sequence[Json], places: Places) -> DataSet:
    from perennial_airflow.each_window import windows_in

    found = [places.ports.ledger.latest_batch(use_case.name, window) for window in windows_in(results)]
    known = [each for each in found if each is not None]
    return places.lake(
        predictions_table(use_case.name),
        max((each.version for each in known), default=""),
        digest=known[0].digest if len(known) == 1 else "",
        rows=sum(each.rows for each in known),
        windows=_windows(results),
    )


def scored(use_case: LoadedUseCase, results: Sequence[Json], places: Places) -> Lineage:
    """From snapshots and models to predictions, in the lake and published."""
    models = {(str(each["model_version"]), str(each["model_digest"])): None for each in results}
    predictions = _predictions(use_case, results, places)
    published = places.published(
        use_case.name, digest=predictions.digest, rows=predictions.rows, windows=predictions.windows
    )
    used = (places.model(use_case.name, *each) for each in models)
    return Lineage((_raw(use_case, results, places), *used), (predictions, published))


def monitored(use_case: LoadedUseCase, results: Sequence[Json], places: Places) -> Lineage:
    """Snapshots and predictions were compared with what the model knows; nothing was written outside the ledger."""
    return Lineage((_raw(use_case, results, places), _predictions(use_case, results, places)), ())


def labels_collected(use_case: LoadedUseCase, result: Json, places: Places) -> Lineage:
    """From the source of labels to the lake."""
    table = labels_table(use_case.name)
    written = places.lake(table, places.ports.lake.version(table) or "", rows=result["new"])
    return Lineage((places.source(use_case, use_case.spec.labels.source),), (written,))


def assembled(use_case: LoadedUseCase, result: Json, places: Places) -> Lineage:
    """From snapshots and labels to a training set."""
    from perennial.records.training_set import read_manifest

    manifest = read_manifest(result["training_id"], places.ports)
    windows = tuple(each.window.key for each in manifest.windows)
    raw = places.lake(raw_table(use_case.name), max(each.version for each in manifest.windows), windows=windows)
    labels = labels_table(use_case.name)
    training = places.lake(
        manifest.table, manifest.version, digest=manifest.digest, rows=manifest.rows, windows=windows
    )
    return Lineage((raw, places.lake(labels, places.ports.lake.version(labels) or "")), (training,))


def deployed(use_case: LoadedUseCase, result: Json, places: Places) -> Lineage:
    """From a training set to a version of the model."""
    from perennial.ledger.entries import DeployedRole

    model = places.model(use_case.name, str(result["model_version"]), str(result["model_digest"]))
    entry = places.ports.ledger.current_deployment(use_case.name, DeployedRole(result["role"]))
    if entry is None or entry.id != result["deployment_id"]:
        return Lineage((), (model,))
    learnt = entry.training
    training = places.lake(learnt["table"], learnt["version"], digest=learnt["digest"], rows=learnt["rows"])
    return Lineage((training,), (model,))


Trace = Callable[[LoadedUseCase, Any, Places], Lineage]
TRACES: dict[str, Trace] = {
    "ingest": ingested,
    "validate": validated,
    "score": scored,
    "monitor": monitored,
    "collect_labels": labels_collected,
    "assemble": assembled,
    "deploy": deployed,
    "rollback": deployed,
}
_left: list[Lineage] = []


def is_asked_for() -> bool:
    """Whether the provider for OpenLineage is told to ask us."""
    return EXTRACTOR in configuration.lineage_extractors()


def leave(task: str, use_case: LoadedUseCase, result: Any) -> None:
    """Keep what the task did, if somebody wants to know. The task has done its work and must not fail for this."""
    _left.clear()
    trace = TRACES.get(task)
    if trace is None or not is_asked_for():
        return
    from perennial.wiring import open_ports
    from perennial_airflow.connections import AirflowConnections

    try:
        settings, connections = Settings.from_environment(), AirflowConnections()
        _left.append(trace(use_case, result, Places(open_ports(settings, connections), settings, connections)))
    except Exception:
        log.exception("The lineage of %s will be missing. The task's own work is not affected.", task)


def take() -> Lineage | None:
    """What the task that ran last in this process has left."""
    return _left.pop() if _left else None
