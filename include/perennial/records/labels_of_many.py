"""Collecting the labels of many windows at once: one look at the lake, one lease and one commit for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from perennial.digest import canonical
from perennial.errors import EmptyWindow, SourceRejected
from perennial.lake.port import labels_table, window_partition
from perennial.ordered import OrderedTable
from perennial.ports import Ports
from perennial.quality.labels import conform_labels, label_schema
from perennial.records.distinct_labels import in_memory
from perennial.records.labels import collect, extracted_labels, settled, tell_contradictions
from perennial.records.labels_together import (
    conformed_together,
    contradict_nowhere,
    distinct_together,
    settled_together,
)
from perennial.records.leases import free_labels
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.window import Window


@dataclass(frozen=True)
class CollectedLabels:
    """Of many windows the labels that are `known`, all that the lake holds after collecting them, and how many of these
    are `new`; and why those of others are `refused`.
    """

    known: dict[Window, pa.Table]
    new: dict[Window, int]
    refused: dict[Window, str]


def collect_many(
    use_case: LoadedUseCase,
    windows: Sequence[Window],
    as_of: datetime,
    ports: Ports,
    run_id: str,
    *,
    version: int | None = None,
) -> CollectedLabels:
    """`collect` for many windows, of which a use case with much history has thousands: one commit takes all new labels.

    They are looked for in that `version` of the labels' table first (default: its present one). Errors: as `collect`,
    except `SourceRejected`.
    """
    spec, table = use_case.spec, labels_table(use_case.name)
    arrived, refused = _delivered(use_case, windows, as_of, ports)
    held = {each: window_partition(each) for each in arrived}
    before = ports.lake.read_many(table, dict.fromkeys(held.values(), version))
    known = {window: before[partition] for window, partition in held.items()}
    together = _distinct({each: labels for each, labels in arrived.items() if known[each].num_rows}, known)[0]
    lacking = [each for each, labels in {**arrived, **together}.items() if labels.num_rows != known[each].num_rows]
    new = dict.fromkeys(arrived, 0)
    with free_labels(use_case.name, lacking, ports, run_id) as leases:
        now = ports.lake.read_many(table, {held[window]: None for window in leases})
        distinct, agree = _distinct(
            {window: arrived[window] for window in leases}, {window: now[held[window]] for window in leases}, spec
        )
        ports.lake.replace_many(
            table,
            {held[window]: labels for window, labels in distinct.items()},
            {held[window]: lease for window, lease in leases.items()},
        )
    for window, labels in distinct.items():
        if not agree:
            tell_contradictions(spec, window, OrderedTable(labels))
        known[window], new[window] = labels, labels.num_rows - now[held[window]].num_rows
    for window in (each for each in lacking if each not in distinct):  # another run works on them: wait for it
        try:
            new[window] = collect(use_case, window, as_of, ports, run_id).new
            known[window] = ports.lake.read(table, held[window])
        except SourceRejected as error:  # what the source said a moment ago is not what it says now
            refused[window] = str(error)
            del known[window], new[window]
    return CollectedLabels(known, new, refused)


def settled_of_many(spec: UseCase, known: Mapping[Window, pa.Table], as_of: datetime) -> dict[Window, pa.Table]:
    """`settled` of each window: one label per entity, as `settled_labels` gives them."""
    some = {window: labels for window, labels in known.items() if labels.num_rows}
    together = settled_together(spec, some, as_of) or {}
    return {
        window: together[window] if window in together else settled(spec, window, labels, as_of)
        for window, labels in known.items()
    }


def _delivered(
    use_case: LoadedUseCase, windows: Sequence[Window], as_of: datetime, ports: Ports
) -> tuple[dict[Window, pa.Table], dict[Window, str]]:
    """`delivered_labels` of each window, and why those of others are refused."""
    found: dict[Window, pa.Table | None] = {}
    refused: dict[Window, str] = {}
    for window in windows:
        try:
            found[window] = extracted_labels(use_case, window, as_of, ports)
        except EmptyWindow:  # no file of labels is there yet
            found[window] = None
        except SourceRejected as error:
            refused[window] = str(error)
    delivered = {window: rows for window, rows in found.items() if rows is not None}
    conformed = conformed_together(use_case.spec, delivered)
    arrived: dict[Window, pa.Table] = {}
    for window, rows in found.items():
        try:
            if rows is None:
                arrived[window] = label_schema(use_case.spec).empty_table()
            elif conformed is not None:
                arrived[window] = conformed[window]
            else:
                arrived[window] = conform_labels(use_case.spec, rows, use_case.line)
        except SourceRejected as error:
            refused[window] = str(error)
    return arrived, dict(sorted(refused.items()))


def _distinct(
    arrived: Mapping[Window, pa.Table], known: Mapping[Window, pa.Table], spec: UseCase | None = None
) -> tuple[dict[Window, pa.Table], bool]:
    """`in_memory` of each window, in canonical order; and whether surely none contradict each other, where the
    spec is given.
    """
    together = distinct_together(arrived, known)
    if together is None:
        return {window: canonical(in_memory(labels, known[window])) for window, labels in arrived.items()}, False
    agree = spec is not None and contradict_nowhere(spec, together)
    return dict(zip(arrived, together.apart(), strict=True)), agree
