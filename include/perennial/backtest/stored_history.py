"""A copy of the stored history in memory, for living through it again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from perennial import clock
from perennial.artifacts.port import Artifacts
from perennial.errors import EmptyWindow, NotIngested, RowsExpired
from perennial.jobs.retrain.assemble import training_windows
from perennial.lake.memory import InMemoryLake
from perennial.lake.port import labels_table, quarantine_table, raw_table, window_partition
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.ports import Ports
from perennial.published.memory import InMemoryPublished
from perennial.quality.labels import label_schema
from perennial.records.labels import delivered_labels
from perennial.records.retained import snapshot_table
from perennial.registry.memory import MemoryRegistry
from perennial.sources.port import Extract, Source
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import Limits, UseCase
from perennial.spec.sources import Source as SourceSpec
from perennial.window import Window, longest_run


@dataclass(frozen=True)
class StoredHistory:
    """The stores as they would be without any model: snapshots, verdicts and labels."""

    lake: InMemoryLake
    ledger: InMemoryLedger

    def ports(self, artifacts: Artifacts) -> Ports:
        """Separate stores with the same content. Only artefacts are shared, because they are named by their content."""

        def source(_use_case: LoadedUseCase, _source: SourceSpec) -> _NothingNew:
            return _NothingNew()

        return Ports(source, self.lake.copy(), self.ledger.copy(), MemoryRegistry(), InMemoryPublished(), artifacts)


class _NothingNew(Source):
    """A source that has no more than what is in the lake."""

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        del as_of, limits, keys
        raise EmptyWindow(f"{window} is not in the stored history.")


def stored_history(use_case: LoadedUseCase, windows: Sequence[Window], ports: Ports) -> StoredHistory:
    """Copy the latest snapshots of these windows, and of those the first model is trained on."""
    spec = use_case.spec
    lake, ledger = InMemoryLake(), InMemoryLedger(clock.now)
    for intervention in ports.ledger.interventions(spec.name):
        ledger.record_intervention(intervention)
    absent = []
    for window in [*training_windows(spec, windows[0].start), *windows]:
        snapshot = ports.ledger.latest_snapshot(spec.name, window)
        verdict = ports.ledger.counting_verdict(spec.name, window)
        if snapshot is None or verdict is None or verdict.snapshot_digest != snapshot.digest:
            absent.append(window)
            continue
        partition = window_partition(window)
        try:
            rows = snapshot_table(snapshot, ports)
        except RowsExpired:
            absent.append(window)
            continue
        commit = lake.replace(raw_table(spec.name), partition, rows)
        ledger.record_snapshot(replace(snapshot, table=commit.table, version=commit.version))
        ledger.record_validation(verdict)
        quarantined = ports.lake.read(quarantine_table(spec.name), partition)
        if quarantined.num_columns:
            lake.replace(quarantine_table(spec.name), partition, quarantined)
        lake.replace(labels_table(spec.name), partition, _labels(use_case, window, ports))
    if any(window in absent for window in windows):
        first, last = absent[0], absent[-1]
        which = f"{spec.name} --from {_name(spec, first.start)} --to {_name(spec, last.end)}"
        raise NotIngested(
            f"{len(absent)} windows of {spec.name} are not in the lake with a verdict, from {first} to {last}. Run "
            f"`perennial ingest {which}` and `perennial validate {which}` first.{_longest_there(spec, windows, absent)}"
        )
    return StoredHistory(lake, ledger)


def _longest_there(spec: UseCase, windows: Sequence[Window], absent: Sequence[Window]) -> str:
    run = longest_run(each for each in windows if each not in absent)
    if not run:
        return ""
    return f" The longest stretch that is there: `--from {_name(spec, run[0].start)} --to {_name(spec, run[-1].end)}`."


def _name(spec: UseCase, boundary: datetime) -> str:
    return spec.grid.name_of(spec.grid.containing(boundary))


def _labels(use_case: LoadedUseCase, window: Window, ports: Ports) -> pa.Table:
    """All labels of the window: those in the lake, or the source's where none were collected yet."""
    spec = use_case.spec
    labels = ports.lake.read(labels_table(spec.name), window_partition(window))
    if labels.num_rows:
        return labels
    try:
        return delivered_labels(use_case, window, clock.now(), ports)
    except EmptyWindow:
        return label_schema(spec).empty_table()
