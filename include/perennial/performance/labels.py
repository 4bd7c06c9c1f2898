"""Outcomes as they were known at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch
from perennial.joining import with_columns_of
from perennial.spec.names import Task

MOST_SHOWN = 5
LABELLED_BY = "labelled_by"  # a column of training sets, only of use cases with a review queue


class LabelledBy(StrEnum):
    """Who said what a row's outcome is: `person` of a row that the random share would have chosen, too."""

    SOURCE = "source"
    PERSON = "person"
    PERSON_AS_DOUBTFUL = "person_as_doubtful"


def last_labels(
    labels: pa.Table, *, key: str, label: str, arrival: str, as_of: datetime, within: Sequence[str] = ()
) -> pa.Table:
    """The last label of each entity that had arrived by `as_of`, ordered by `key`; of each within what the columns
    `within` say, which come first in the order then.

    A null outcome says that none will come (a cancelled flight never lands); it withdraws an earlier one, and an
    outcome that arrives later replaces it. Of outcomes that arrived at one instant the greatest counts, so that the
    answer doesn't depend on the order of rows. Rows without key or arrival time don't count.
    """
    arrived = labels.filter(pc.less_equal(labels.column(arrival), _like(as_of, labels.column(arrival).type)))
    arrived = arrived.filter(pc.is_valid(arrived.column(key)))
    if arrived.num_rows == 0:
        return arrived
    order = [(name, "ascending", "at_start") for name in (*within, key, arrival, label)]
    arrived = arrived.take(pc.sort_indices(arrived, sort_keys=order))
    last = np.zeros(arrived.num_rows, dtype=bool)
    last[-1] = True
    for name in (*within, key):
        keys = arrived.column(name).combine_chunks()
        last[:-1] |= pc.not_equal(keys[:-1], keys[1:]).to_numpy(zero_copy_only=False)
    return arrived.filter(pa.array(last))


def active_labels(labels: pa.Table, *, key: str, label: str, arrival: str, as_of: datetime) -> pa.Table:
    """Of the `last_labels` those that have an outcome: what was known of each entity at `as_of`."""
    return with_outcome(last_labels(labels, key=key, label=label, arrival=arrival, as_of=as_of), label)


def with_outcome(labels: pa.Table, label: str) -> pa.Table:
    """The labels, or labelled rows, that have an outcome, without those that say that none will come."""
    known = labels.column(label)
    return labels.filter(pc.is_valid(known)) if known.null_count else labels  # many are not copied for nothing


def join_labels(rows: pa.Table, labels: pa.Table, key: str) -> pa.Table:
    """The rows that have a label, in their order, with the other columns of `labels` beside theirs.

    `labels` has each key once, as `active_labels` or `last_labels` give it.
    """
    return with_columns_of(rows, labels, key)


@dataclass(frozen=True)
class UnmatchedLabels:
    """Labels whose key belongs to no row: `count` of `labels`, with a label's key and a row's as examples, unless keys
    may not be shown.

    `rewritten` of them would match, if keys were written the same way: `how` says how.
    """

    count: int
    labels: int
    label_key: str | None
    row_key: str | None
    rewritten: int = 0
    how: str | None = None

    def __str__(self) -> str:
        """What was found, and what would help."""
        row = f", a row's {self.row_key!r}" if self.row_key is not None else ""
        examples = f" (a label's is {self.label_key!r}{row})" if self.label_key is not None else ""
        text = f"{self.count:,} of {self.labels:,} labels match no row by their key{examples}"
        return text + (f"; {self.how} would match {self.rewritten:,} of them" if self.how else "")


def unmatched(rows: pa.Table, labels: pa.Table, key: str) -> UnmatchedLabels | None:
    """The labels whose key no row has; None where there are none. `labels` has each key once."""
    row_keys = rows.column(key).combine_chunks()
    label_keys = labels.column(key).cast(row_keys.type).combine_chunks()
    strange = label_keys.filter(pc.invert(pc.is_in(label_keys, value_set=row_keys)))
    if len(strange) == 0:
        return None
    free = row_keys.filter(pc.invert(pc.is_in(row_keys, value_set=label_keys)))
    examples = str(strange[0].as_py()), str(free[0].as_py()) if len(free) else None
    if pa.types.is_string(row_keys.type) or pa.types.is_large_string(row_keys.type):
        for how, rewrite in _REWRITINGS.items():
            matching = rewrite(strange).filter(pc.is_in(rewrite(strange), value_set=rewrite(free)))
            if len(matching):
                # A pair of keys that mean the same tells more than two that happen to come first.
                label, row = (each.filter(pc.equal(rewrite(each), matching[0]))[0].as_py() for each in (strange, free))
                return UnmatchedLabels(len(strange), len(label_keys), label, row, len(matching), how)
    return UnmatchedLabels(len(strange), len(label_keys), *examples)


# Ways in which two systems write one key, the likeliest first.
_REWRITINGS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "trimming spaces (in the query, or in the file)": pc.utf8_trim_whitespace,
    "writing all keys in lower case": pc.utf8_lower,
    "dropping leading zeros": lambda keys: pc.utf8_ltrim(keys, characters="0"),
}


def contradicting(labels: pa.Table, *, key: str, label: str, arrival: str) -> pa.ChunkedArray:
    """The keys that have several outcomes with one arrival time, so that none of them is the last; in order."""
    found = labels.group_by([key, arrival]).aggregate([(label, "count_distinct")])
    several = found.filter(pc.greater(found.column(f"{label}_count_distinct"), 1)).column(key)
    return pa.chunked_array([pc.unique(several).sort()], labels.schema.field(key).type)


def truth_of(task: Task, labels: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Outcomes as numbers, shape (rows,): 0 and 1 for classification, the value for regression.

    Errors: `SchemaMismatch` when they are not numbers, or not 0 and 1 (false and true) for classification.
    """
    try:
        truth = np.asarray(labels.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaMismatch(f"Labels must be numbers or booleans; these are {labels.type}: {error}.") from error
    if not np.isfinite(truth).all():
        raise SchemaMismatch("Some labels are missing or infinite; only rows that have a finite label can be judged.")
    if task is Task.BINARY_CLASSIFICATION and not np.isin(truth, (0, 1)).all():
        values = sorted(set(truth.tolist()))
        shown = [f"{value:.15g}" for value in values[:MOST_SHOWN]] + ["…"] * (len(values) > MOST_SHOWN)
        example = f"`outcome = {values[-1]:.15g}`" if len(values) == 2 else "`outcome > 10`"  # noqa: PLR2004
        raise SchemaMismatch(
            f"The labels of a binary classification are 0 and 1, or false and true; these are {', '.join(shown)}. Say "
            f"which of them means yes where labels are read, such as {example} in SQL, or make the task a regression."
        )
    return truth


def _like(instant: datetime, type_: pa.DataType) -> pa.Scalar:
    if type_.tz is None:
        raise SchemaMismatch(f"Arrival times need a time zone; this column is {type_}. Select them with one.")
    return pa.scalar(instant, pa.timestamp("us", tz="UTC")).cast(pa.timestamp(type_.unit, tz=type_.tz), safe=False)
