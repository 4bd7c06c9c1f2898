"""Clean rows beside their labels, those of many windows at once."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.features.build import too_large
from perennial.performance.labels import join_labels
from perennial.spec.models import UseCase
from perennial.stacked import Stack, stacked
from perennial.window import Window

_ROW, _LABEL = "\x01row", "\x01label"  # the windows of a row and of its label


@dataclass(frozen=True)
class Joined:
    """The rows of a window that have an outcome (`labelled`), of so many `settled` labels that match a row.

    `beyond` counts, by column, rows that are left out because of a number that is too large, `unusable` in all.
    `by_people` of the rows have a person's answer for their label.
    """

    settled: int
    labelled: pa.Table
    without_outcome: int
    unusable: int = 0
    by_people: int = 0
    beyond: Counter[str] = field(default_factory=Counter)


def joined_together(
    spec: UseCase, rows: Mapping[Window, pa.Table], labels: Mapping[Window, pa.Table]
) -> dict[Window, Joined]:
    """The rows of all windows beside their labels; of none, where windows have to be looked at one by one: their tables
    differ, an entity has labels in several of them, people give labels, too, or a number is too large.
    """
    mine = stacked(list(rows.values()))
    theirs = stacked([labels[window].select(sorted(labels[window].column_names)) for window in rows])
    if spec.review is not None or mine is None or theirs is None:
        return {}
    if pc.count_distinct(theirs.rows.column(spec.key)).as_py() < theirs.rows.num_rows:
        return {}
    found = join_labels(
        mine.rows.append_column(_ROW, pa.array(mine.numbers)),
        theirs.rows.append_column(_LABEL, pa.array(theirs.numbers)),
        spec.key,
    )
    numbers = found.column(_ROW).to_numpy()
    settled = Stack(found, numbers, mine.tables).filter(numbers == found.column(_LABEL).to_numpy())
    labelled = settled.filter(settled.rows.column(spec.labels.column).is_valid().to_numpy())
    names = [*sorted(spec.columns), spec.labels.column]
    if too_large(spec, labelled.rows):
        return {}
    tables = labelled.of(labelled.rows.select(names)).apart()
    counts = np.array(settled.counts())
    without = counts - labelled.counts()
    return {
        window: Joined(int(count), table, int(lacking))
        for window, count, table, lacking in zip(rows, counts, tables, without, strict=True)
    }
