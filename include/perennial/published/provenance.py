"""What says where rows come from: published once for each batch, and not with each of its rows.

A row says its revision and its model's version. With its window that names the batch, which has the rest.
"""

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch
from perennial.window import Window

REFERENCE = {"revision": pa.int64(), "model_version": pa.string()}  # in each row
OF_BATCHES = {"model_digest": pa.string(), "snapshot_digest": pa.string(), "run_id": pa.string()}
TYPES = {**REFERENCE, **OF_BATCHES}


def split(use_case: str, window: Window, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows without the columns `OF_BATCHES`; and those columns with the `REFERENCE`, one row a batch.

    While a challenger is in canary, a window has a batch of each of its two models.

    Errors: `SchemaMismatch` when a column of these is lacking, of another type, or null, or when rows of one revision
    and model version say different things.
    """
    wrong = [
        f"{name} is {rows.schema.field(name).type if name in rows.column_names else 'not there'}, not {kind}"
        for name, kind in TYPES.items()
        if name not in rows.column_names or rows.schema.field(name).type != kind
    ]
    if wrong:
        raise SchemaMismatch(f"{use_case}: the predictions for {window} do not say their batch: {'; '.join(wrong)}.")
    batches = rows.select(list(TYPES)).group_by(list(TYPES)).aggregate([])
    null = [name for name in TYPES if batches.column(name).null_count]
    if null:
        raise SchemaMismatch(
            f"{use_case}: predictions for {window} have no {', '.join(null)}. Nothing was published: a row has to say "
            "which batch it is of."
        )
    if batches.group_by(list(REFERENCE)).aggregate([]).num_rows < batches.num_rows:
        raise SchemaMismatch(
            f"{use_case}: predictions for {window} of one revision and model version have different "
            f"{', '.join(OF_BATCHES)}. Nothing was published; `perennial score` makes a window's rows as one batch."
        )
    return rows.drop_columns(list(OF_BATCHES)), batches


def joined(rows: pa.Table, batches: pa.Table) -> pa.Table:
    """The rows with what their batches say, as they were before `split`; null where there is no such batch."""
    said = dict.fromkeys(OF_BATCHES, pa.nulls(rows.num_rows, pa.string()))
    for batch in batches.to_pylist():
        mine = pc.and_(*(pc.equal(rows.column(name), batch[name]) for name in REFERENCE))
        said = {name: pc.if_else(mine, batch[name], before) for name, before in said.items()}
    for name, values in said.items():
        rows = rows.append_column(name, values)
    return rows
