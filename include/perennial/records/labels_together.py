"""Labels of many windows at once: what is done row by row is done once for all of them.

Each function calls what does it for one window, and gives each window what that would give it. Where it might not,
because the windows' tables differ or something is odd in any of them, it gives None: then they are done one by one.
"""

from collections.abc import Mapping
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from perennial.digest import canonical
from perennial.errors import SchemaMismatch
from perennial.performance.labels import contradicting, last_labels
from perennial.quality.labels import canonical_labels, have_arrived, too_large_to_judge
from perennial.spec.models import UseCase
from perennial.stacked import Stack, stacked
from perennial.window import Window

_NUMBER = "\x01window"  # sorts before the names of columns, so that the labels of a window stay together

Tables = Mapping[Window, pa.Table]


def conformed_together(spec: UseCase, delivered: Tables) -> dict[Window, pa.Table] | None:
    """`conform_labels` of each; None where that fails for any."""
    stack = stacked(list(delivered.values()))
    if stack is None:
        return None
    try:
        labels = stack.of(canonical_labels(spec, stack.rows))
    except SchemaMismatch:
        return None
    arrived = labels.filter(have_arrived(spec, labels.rows).to_numpy())
    return dict(zip(delivered, arrived.apart(), strict=True))


def distinct_together(arrived: Tables, known: Tables) -> Stack | None:
    """The different labels of each window: those that were known and those that arrived, windows as in `arrived`.

    Those of each are in canonical order.
    """
    both: list[pa.Table] = []
    for window, labels in arrived.items():
        before = known[window]
        both += [before.select(labels.column_names) if before.num_rows else labels.slice(0, 0), labels]
    stack = stacked(both)
    if stack is None:
        return None
    numbered = stack.rows.append_column(_NUMBER, pa.array(stack.numbers // 2))
    found = canonical(numbered.group_by(numbered.column_names).aggregate([]))
    return Stack(found.drop_columns([_NUMBER]), found.column(_NUMBER).to_numpy(), len(arrived))


def settled_together(spec: UseCase, labels: Tables, as_of: datetime) -> dict[Window, pa.Table] | None:
    """The last label of each entity of each window; None where any of them is too large to judge by."""
    stack = stacked(list(labels.values()))
    if stack is None:
        return None
    numbered = stack.rows.append_column(_NUMBER, pa.array(stack.numbers))
    found = last_labels(numbered, **_names(spec), as_of=as_of, within=(_NUMBER,))
    if pc.any(too_large_to_judge(found.column(spec.labels.column))).as_py():
        return None
    last = Stack(found.select(stack.rows.column_names), found.column(_NUMBER).to_numpy(), len(labels))
    return dict(zip(labels, last.apart(), strict=True))


def contradict_nowhere(spec: UseCase, distinct: Stack) -> bool:
    """Whether surely no window has `contradicting` labels; another window may have the same key."""
    return len(contradicting(distinct.rows, **_names(spec))) == 0


def _names(spec: UseCase) -> dict[str, str]:
    return {"key": spec.key, "label": spec.labels.column, "arrival": spec.labels.arrival_time}
