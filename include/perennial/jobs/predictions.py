"""The rows of a batch: key, event time, prediction, and how they came to be."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from perennial.digest import table_digest
from perennial.features.build import feature_frame
from perennial.modeling.predict import predict
from perennial.registry.port import LoadedModel
from perennial.spec.models import UseCase

PROVENANCE = ("revision", "run_id")  # columns that say how a batch came to be, not what was predicted


@dataclass(frozen=True)
class Provenance:
    """What every row of a batch says about where it comes from, beside its model."""

    snapshot_digest: str
    revision: int
    run_id: str


def predicted(spec: UseCase, chunks: Iterable[pa.Table], model: LoadedModel, origin: Provenance) -> pa.Table:
    """Predict the clean rows that come in chunks; only a chunk's features are in memory at once."""
    constants = {
        "model_version": model.version,
        "model_digest": model.digest,
        "snapshot_digest": origin.snapshot_digest,
        "revision": origin.revision,
        "run_id": origin.run_id,
    }
    scored = []
    for rows in chunks:
        if rows.num_rows == 0:
            continue
        columns = {
            spec.key: rows.column(spec.key),
            "event_time": rows.column(spec.event_time),
            "prediction": pa.array(predict(model.pipeline, spec.task, feature_frame(spec, rows)), pa.float64()),
            **{name: pa.repeat(value, rows.num_rows) for name, value in constants.items()},
        }
        scored.append(pa.table(columns))
    return pa.concat_tables(scored)


def content_digest(predictions: pa.Table) -> str:
    """The digest of what was predicted, whichever run and revision made it."""
    return table_digest(predictions.drop_columns(list(PROVENANCE)))
