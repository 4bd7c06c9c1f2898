"""The rows by which a model proves that it predicts as it did: kept at deployment, or read off what it scored.

Versions that were deployed before such rows were kept get them from the first windows that they scored: what was
predicted of which rows is on record. The model itself is not asked, so that this can be done under any libraries.
"""

import logging

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import NothingKept, RowsRemoved
from perennial.lake.port import raw_table, window_partition
from perennial.ledger.entries import Batch
from perennial.modeling.trial import EXAMPLE, PREDICTION, TRIED_ROWS, as_file
from perennial.ports import Ports
from perennial.registry.port import LoadedModel
from perennial.spec.models import UseCase

log = logging.getLogger(__name__)

WINDOWS_LOOKED_AT = 30  # from the beginning of a deployment


def load_model(spec: UseCase, version: str, digest: str, ports: Ports) -> LoadedModel:
    """The version's model, as `ModelRegistry.load` gives it; where that takes an example that was not kept, keep one.

    Errors: as `ModelRegistry.load`.
    """
    try:
        return ports.registry.load(spec.name, version, digest)
    except NothingKept:
        example = _scored_by(spec, digest, ports)
        if example is None:
            raise
        log.info("%s: version %s gets an example from what it scored", spec.name, version)
        ports.registry.attach(spec.name, version, {EXAMPLE: as_file(example)})
        return ports.registry.load(spec.name, version, digest)


def _scored_by(spec: UseCase, digest: str, ports: Ports) -> pa.Table | None:
    """Some rows that the model scored when it was deployed, with its predictions; None where none are left."""
    for entry in reversed(ports.ledger.deployments(spec.name)):
        if entry.model_digest != digest:
            continue
        first = spec.grid.containing(entry.effective_from)
        end = first.start + WINDOWS_LOOKED_AT * (first.end - first.start)
        for batch in ports.ledger.batches_between(spec.name, first.start, end):
            if batch.model_digest == digest and batch.rows and (rows := _rows_of(spec, batch, ports)) is not None:
                return rows
    return None


def _rows_of(spec: UseCase, batch: Batch, ports: Ports) -> pa.Table | None:
    partition = window_partition(batch.window)
    snapshots = ports.ledger.snapshots(batch.use_case, batch.window)
    version = next(each.version for each in snapshots if each.digest == batch.snapshot_digest)
    try:
        said = ports.lake.read(batch.table, partition, version=batch.version)
        rows = ports.lake.read(raw_table(spec.name), partition, version=version)
    except RowsRemoved:
        return None
    said = said.filter(pc.equal(said.column("model_digest"), batch.model_digest)).slice(0, TRIED_ROWS)
    keys = said.column(spec.key).combine_chunks()
    rows = rows.filter(pc.is_in(rows.column(spec.key), value_set=keys)).sort_by(spec.key)
    needed = rows.select([name for name in spec.feature_columns if name in rows.column_names])
    return needed.append_column(PREDICTION, said.sort_by(spec.key).column("prediction"))
