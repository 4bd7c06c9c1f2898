"""Assemble: the training set as of a moment, from snapshots that passed and labels that had arrived (I6)."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from perennial.digest import table_digest
from perennial.errors import (
    NotEnoughData,
    NotIngested,
    NotValidated,
    SourceRejected,
    ValidationFailed,
)
from perennial.jobs.predict import ingest, validate
from perennial.lake.port import training_table
from perennial.performance.labels import join_labels
from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.records.gate import Gated, clean_rows
from perennial.records.labels import collect, known_labels
from perennial.records.training_set import (
    WINDOW_COLUMN,
    ExcludedWindow,
    TrainingManifest,
    TrainingWindow,
    keep_manifest,
)
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.window import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assembled:
    """A training set; `training_id` is the digest of its manifest."""

    training_id: str
    as_of: datetime
    rows: int
    windows: int
    excluded: int
    digest: str


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, on_window: OnWindow = nobody) -> Assembled:
    """Put together every clean row of the training history whose label had arrived by `as_of`.

    Windows that were never ingested or validated are, first. A window that is refused or fails is left out, with its
    reason in the manifest. `on_window` hears how far it is.

    Errors: `NotEnoughData`, `SourceUnavailable`, `InvalidQuery`, `StoreUnavailable`.
    """
    spec = use_case.spec
    used: list[TrainingWindow] = []
    excluded: list[ExcludedWindow] = []
    parts: list[pa.Table] = []
    windows = list(training_windows(spec, as_of))
    for done, window in enumerate(windows):
        on_window(WindowsDone(done, len(windows), sum(part.num_rows for part in parts)))
        try:
            gate, rows = _clean_rows(use_case, window, ports, run_id)
        except (SourceRejected, ValidationFailed) as error:
            excluded.append(ExcludedWindow(window, str(error)))
            continue
        collect(use_case, window, as_of, ports, run_id)
        labelled = join_labels(rows, known_labels(use_case, window, as_of, ports), spec.key)
        labelled = labelled.drop_columns([spec.labels.arrival_time])
        parts.append(labelled.append_column(WINDOW_COLUMN, pa.repeat(window.key, labelled.num_rows)))
        used.append(_part(window, gate, labelled.num_rows))
    training = pa.concat_tables(parts) if parts else pa.table({})
    if training.num_rows < spec.training.min_rows:
        raise NotEnoughData(
            f"{spec.name}: {training.num_rows:,} labelled rows in {len(used)} windows before {as_of:%Y-%m-%dT%H:%MZ} "
            f"({len(excluded)} windows left out); `training.min_rows` asks for {spec.training.min_rows:,}. "
            "Retrain as of a later time, lengthen `training.history`, or lower `training.min_rows`."
            + "".join(f"\n  - {each.window}: {each.reason}" for each in excluded[:5])
        )
    digest = table_digest(training)
    partition = f"{as_of:%Y-%m-%dT%H:%MZ}-{digest[:12]}"
    commit = ports.lake.replace(training_table(spec.name), partition, training)
    manifest = TrainingManifest(
        use_case=spec.name,
        as_of=as_of,
        table=commit.table,
        partition=partition,
        version=commit.version,
        digest=digest,
        rows=training.num_rows,
        windows=tuple(used),
        excluded=tuple(excluded),
    )
    log.info("%s as of %s: %d rows of %d windows", spec.name, as_of, training.num_rows, len(used))
    return Assembled(keep_manifest(manifest, ports), as_of, training.num_rows, len(used), len(excluded), digest)


def training_windows(spec: UseCase, as_of: datetime) -> Iterator[Window]:
    """The windows of the training history that had ended by `as_of`, oldest first."""
    end = min(spec.grid.containing(as_of).start, spec.end or as_of)
    begin = max(spec.start, spec.grid.containing(as_of - spec.training.history).start)
    if begin < end:
        yield from spec.grid.between(begin, end)


def _clean_rows(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> tuple[Gated, pa.Table]:
    try:
        return clean_rows(use_case, window, ports)
    except NotIngested:
        ingest.run(use_case, window, ports, run_id)
        validate.run(use_case, window, ports, run_id)
    except NotValidated:
        validate.run(use_case, window, ports, run_id)
    return clean_rows(use_case, window, ports)


def _part(window: Window, gate: Gated, labelled: int) -> TrainingWindow:
    return TrainingWindow(window, gate.snapshot.digest, gate.snapshot.version, str(gate.validation.verdict), labelled)
