"""What says where rows come from: published once for each batch, and not with each of its rows.

A row says its revision and its model's version. With its window that names the batch, which has the rest.
"""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch
from perennial.window import Window

REFERENCE = {"revision": pa.int64(), "model_version": pa.string()}  # in each row
OF_BATCHES = {"model_digest": pa.string(), "snapshot_digest": pa.string(), "run_id": pa.string()}
TYPES = {**REFERENCE, **OF_BATCHES}


def batches_of(use_case: str, window: Window, schema: pa.Schema, chunks: Iterable[pa.Table]) -> pa.Table:
    """The batches that the rows are of, one row each: the columns of `TYPES`, which the chunks have, too.

    While a challenger is in canary, a window has a batch of each of its two models.

    Errors: `SchemaMismatch` when a column of these is lacking, of another type, or null, or when rows of one revision
    and model version say different things.
    """
    wrong = [
        f"{name} is {schema.field(name).type if name in schema.names else 'not there'}, not {kind}"
        for name, kind in TYPES.items()
        if name not in schema.names or schema.field(name).type != kind
    ]
    if wrong:
        raise SchemaMismatch(
            f"{use_case}: the predictions for {window} do not say which batch they are of: "
            f"{'; '.join(wrong)}. Nothing was published; `perennial score` writes these columns."
        )
    batches = pa.schema(list(TYPES.items())).empty_table()
    for chunk in chunks:
        batches = _distinct(pa.concat_tables([batches, _distinct(chunk, TYPES)]), TYPES)
    null = [name for name in TYPES if batches.column(name).null_count]
    if null:
        raise SchemaMismatch(
            f"{use_case}: predictions for {window} have no {', '.join(null)}. Nothing was published: a row has to say "
            "which batch it is of."
        )
    if _distinct(batches, REFERENCE).num_rows < batches.num_rows:
        raise SchemaMismatch(
            f"{use_case}: predictions for {window} of one revision and model version have different "
            f"{', '.join(OF_BATCHES)}. Nothing was published; `perennial score` makes a window's rows as one batch."
        )
    return batches


def _distinct(rows: pa.Table, columns: Iterable[str]) -> pa.Table:
    return rows.select(list(columns)).group_by(list(columns)).aggregate([])


def joined(rows: pa.Table, batches: pa.Table) -> pa.Table:
    """The rows as they were before they were published, with what their batches say; null where a batch is gone."""
    said = dict.fromkeys(OF_BATCHES, pa.nulls(rows.num_rows, pa.string()))
    for batch in batches.to_pylist():
        mine = pc.and_(*(pc.equal(rows.column(name), batch[name]) for name in REFERENCE))
        said = {name: pc.if_else(mine, batch[name], before) for name, before in said.items()}
    for name, values in said.items():
        rows = rows.append_column(name, values)
    return rows
