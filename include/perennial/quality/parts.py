"""Questions about all values of a column together, such as which occur more than once, answered part by part.

Equal values are in the same part, told by a hash, so that each part can be asked by itself. The parts lie in files of a
temporary folder; one is in memory at a time.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from perennial.ordered import writing_aside
from perennial.quality.chunks import Chosen
from perennial.quality.row_rules import Mask
from perennial.scratch import scratch_folder

PART_ROWS = 1_000_000  # of a part, about; as many are held in memory without parts


def mask_by_parts(rows: Chosen, name: str, answer: Callable[[pa.ChunkedArray], Mask]) -> Mask:
    """What `answer` says of each value of the column; of missing ones it must say no.

    It may depend on other values only in so far as they are equal. Errors: `StoreUnavailable` without room for parts.
    """
    if rows.num_rows <= PART_ROWS:
        return answer(rows.table([name]).column(name))
    found = np.zeros(rows.num_rows, dtype=np.bool_)
    with _parts(rows, name) as parts:
        for part in parts:
            mask = answer(part.column("value"))
            found[part.column("row").to_numpy()[mask]] = True
    return found


def count_distinct(rows: Chosen, name: str) -> int:
    """How many different values there are. Errors: `StoreUnavailable` without room for parts."""
    if rows.in_one_chunk:
        return int(pc.count_distinct(rows.table([name]).column(name)).as_py())
    held: list[pa.Array] = []
    for values in rows.column(name):
        held.append(pc.unique(values).drop_null())
        if sum(map(len, held)) > 2 * PART_ROWS:
            held = [pc.unique(pa.concat_arrays(held))]
            if len(held[0]) > PART_ROWS:
                held.clear()
                with _parts(rows, name) as parts:
                    return sum(int(pc.count_distinct(part.column("value")).as_py()) for part in parts)
    return len(pc.unique(pa.concat_arrays(held)))


@contextmanager
def _parts(rows: Chosen, name: str) -> Iterator[Iterator[pa.Table]]:
    """The values that are not missing, and the numbers of their rows, in tables of about `PART_ROWS`."""
    count = -(-rows.num_rows // PART_ROWS)
    schema = pa.schema([("value", rows.schema.field(name).type), ("row", pa.int64())])
    with ExitStack() as stack:
        with writing_aside():
            folder = stack.enter_context(scratch_folder())
            paths = [folder / f"{part}.arrow" for part in range(count)]
            files = [pa.ipc.new_stream(path, schema) for path in paths]
        first = 0
        for values in rows.column(name):
            numbers = np.flatnonzero(values.is_valid().to_numpy()) + first
            first += len(values)
            present = values.drop_null()
            part_of = _hashes(present) % np.uint64(count)
            order = np.argsort(part_of, kind="stable")
            sorted_ = pa.table([present.take(pa.array(order)), pa.array(numbers[order])], schema=schema)
            ends = np.searchsorted(part_of[order], np.arange(count + 1, dtype=np.uint64))
            with writing_aside():
                for file, start, end in zip(files, ends, ends[1:], strict=False):
                    file.write_table(sorted_.slice(start, end - start))
        with writing_aside():
            for file in files:
                file.close()
        yield map(_read, paths)


def _read(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        return reader.read_all()


def _hashes(values: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """The same for equal values; `values` has no nulls."""
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    array = values.to_numpy()
    if array.dtype == np.float64:
        array = array + 0.0  # -0.0 is equal to 0.0
    return pd.util.hash_array(array, categorize=False)
