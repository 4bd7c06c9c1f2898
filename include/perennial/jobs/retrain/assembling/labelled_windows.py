"""The windows of a training history: of each the clean rows that have a label, or why it can't take part."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import NotIngested, NotValidated, SourceRejected, ValidationFailed
from perennial.features.build import too_large
from perennial.jobs.predict import ingest, validate
from perennial.jobs.retrain.assembling.garbage import no_search_for_cycles
from perennial.jobs.retrain.assembling.gates import Gates, read_gates
from perennial.jobs.retrain.assembling.joined import Joined, joined_together
from perennial.jobs.retrain.assembling.taking_in import TakenIn, take_in
from perennial.lake.port import labels_table
from perennial.ledger.entries import Snapshot
from perennial.performance.labels import LABELLED_BY, LabelledBy, UnmatchedLabels, join_labels, with_outcome
from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.records.gate import Gated, clean_rows, rows_of_snapshots
from perennial.records.human_labels import beside, chosen_as_doubtful, human_outcomes
from perennial.records.labels import unmatched_labels
from perennial.records.labels_of_many import collect_many, settled_of_many
from perennial.records.retained import on_record, refusal
from perennial.records.training_set import TrainingWindow
from perennial.spec.load import LoadedUseCase
from perennial.spec.problems import listed
from perennial.spec.retirement import RowClass
from perennial.window import Window

# Windows: so many small ones share what a lease, a commit and a look at the ledger cost. PostgreSQL keeps a lock for
# each, and has room for 6,400 of all its sessions, where nobody says otherwise.
AT_ONCE = 480
ROWS_AT_ONCE = 250_000  # … and of larger ones as many as have so many rows


@dataclass(frozen=True)
class LabelledWindow:
    """A window's part in a training set: its clean rows that have a label (`labelled`), of `rows` clean ones in all.

    `labels` counts those that were collected; `strange` are those that match no row. `beyond` counts the rows that were
    left out because of a number no estimator computes with, by column.
    """

    part: TrainingWindow
    labelled: pa.Table
    rows: int
    labels: int
    strange: UnmatchedLabels | None
    beyond: Counter[str]


@dataclass(frozen=True)
class LabelledWindows:
    """Windows that could be read, and why others were `refused`, both in the order of time.

    `outdated` are those of the refused that were ingested before the spec had all of its columns.
    """

    windows: tuple[LabelledWindow, ...]
    refused: dict[Window, str]
    outdated: tuple[Window, ...]


def label_windows(
    use_case: LoadedUseCase,
    windows: Sequence[Window],
    as_of: datetime,
    ports: Ports,
    run_id: str,
    on_window: OnWindow = nobody,
    *,
    people: bool = True,
) -> LabelledWindows:
    """Read the windows with the labels that had arrived by `as_of`. Those never ingested or validated are, first.

    What people answered by `as_of` are labels, too, of rows that the source says nothing of; unless `people` is false.
    `on_window` hears how far it is. Errors: `SourceUnavailable`, `InvalidQuery`, `StoreUnavailable`.
    """
    found: list[LabelledWindow] = []
    refused: dict[Window, str] = {}
    outdated: list[Window] = []
    with no_search_for_cycles():
        gates = read_gates(use_case, windows, ports)
    table = labels_table(use_case.name)
    labels_version = ports.lake.version(table)
    done = rows = 0
    with ports.lake.holding(table, labels_version), ports.lake.holding(table, None):
        while done < len(windows):
            with no_search_for_cycles():
                clean = _clean_windows(use_case, _next(windows[done:], gates), gates, ports, run_id)
                labels = collect_many(use_case, list(clean.rows), as_of, ports, run_id, version=labels_version)
                settled = settled_of_many(use_case.spec, labels.known, as_of)
                joined = joined_together(
                    use_case.spec, {each: rows for each, (_, rows) in clean.rows.items() if each in settled}, settled
                )
            outdated += clean.outdated
            refused |= clean.refused | labels.refused
            for window in clean.windows:
                on_window(WindowsDone(done, len(windows), rows))
                done += 1
                if window not in refused:
                    gate, its_rows = clean.rows[window]
                    its_labels = settled[window]
                    its = joined.get(window) or _joined(
                        use_case, window, its_rows, its_labels, as_of, ports, people=people
                    )
                    found.append(_label(use_case, gate, its_rows, its_labels, its, ports))
                    rows += found[-1].labelled.num_rows
    return LabelledWindows(tuple(found), dict(sorted(refused.items())), tuple(outdated))


def _next(windows: Sequence[Window], gates: Gates) -> Sequence[Window]:
    """As many of the first windows as are read at once."""
    rows = list(itertools.accumulate(gates.rows(window) for window in windows[:AT_ONCE]))
    return windows[: max(1, sum(each <= ROWS_AT_ONCE for each in rows))]


@dataclass(frozen=True)
class _Clean:
    """Of `windows` the gates and clean rows, and why others have none; all in the order of time.

    `outdated` are those of the refused that were ingested before the spec had all of its columns.
    """

    windows: Sequence[Window]
    rows: dict[Window, tuple[Gated, pa.Table]]
    refused: dict[Window, str]
    outdated: list[Window]


def _clean_windows(
    use_case: LoadedUseCase, windows: Sequence[Window], gates: Gates, ports: Ports, run_id: str
) -> _Clean:
    """The clean rows of the windows, or of the first of them, where many were never ingested.

    What is usual is done for many windows at once, and the rest one by one.
    """
    taken = TakenIn()
    if new := [window for window in windows if gates.is_new(window)]:
        taken = take_in(use_case, new, ports, run_id)
        later = next((window for window in new if window not in taken.looked_at), None)
        windows = [window for window in windows if later is None or window < later]
    found, refused = taken.clean, taken.refused
    lacking = {window: names for window in windows if (names := _undelivered(use_case, gates.snapshots.get(window)))}
    refused |= {each: f"it was ingested without the column {listed(names)}" for each, names in lacking.items()}
    known = on_record(use_case.name, ports.ledger)
    for window in (each for each in windows if each not in refused and each in gates.snapshots):
        if said := refusal(use_case.name, RowClass.RAW, window, gates.snapshots[window].recorded_at, known):
            refused[window] = str(said)
    usual = {each: gate for each in windows if each not in refused and (gate := gates.gate(each)) is not None}
    read = rows_of_snapshots([gate.snapshot for gate in usual.values()], ports.lake)
    found |= {window: (gate, gate.clean(read.pop(window), use_case.spec.key)) for window, gate in usual.items()}
    for window in (each for each in windows if each not in found and each not in refused):
        try:
            found[window] = _clean_rows(use_case, window, ports, run_id)
        except (SourceRejected, ValidationFailed) as error:
            refused[window] = str(error)
    return _Clean(windows, {each: found[each] for each in windows if each in found}, refused, list(lacking))


def _undelivered(use_case: LoadedUseCase, snapshot: Snapshot | None) -> list[str]:
    """The columns that came into the spec after the window was ingested."""
    return [name for name in use_case.spec.columns if name not in snapshot.columns] if snapshot else []


def _label(
    use_case: LoadedUseCase, gate: Gated, rows: pa.Table, labels: pa.Table, joined: Joined, ports: Ports
) -> LabelledWindow:
    """The window's clean rows with the labels that are settled."""
    window, labelled = gate.snapshot.window, joined.labelled
    strange = unmatched_labels(use_case, window, labels, ports) if labels.num_rows > joined.settled else None
    return LabelledWindow(
        part=_part(window, gate, labelled.num_rows, joined.without_outcome, joined.by_people),
        labelled=labelled,
        rows=rows.num_rows - joined.unusable,
        labels=labels.num_rows,
        strange=strange,
        beyond=joined.beyond,
    )


def _joined(
    use_case: LoadedUseCase,
    window: Window,
    rows: pa.Table,
    labels: pa.Table,
    as_of: datetime,
    ports: Ports,
    *,
    people: bool,
) -> Joined:
    """What `joined_together` gives the window, and the answers of people beside it."""
    spec = use_case.spec
    settled = join_labels(rows, labels, spec.key)
    labelled = with_outcome(settled, spec.labels.column)
    without_outcome = settled.num_rows - labelled.num_rows
    labelled = labelled.select([*sorted(spec.columns), spec.labels.column])  # older snapshots may have more
    if spec.review is not None:
        labelled = _with_people(use_case, window, rows, labels, labelled, as_of, ports, people=people)
    known, beyond = labelled.num_rows, Counter[str]()
    if masks := too_large(spec, labelled):
        beyond.update({name: pc.sum(mask).as_py() for name, mask in masks.items()})
        labelled = labelled.filter(pc.invert(reduce(pc.or_, masks.values())))
    return Joined(
        settled=settled.num_rows,
        labelled=labelled,
        without_outcome=without_outcome,
        unusable=known - labelled.num_rows,
        by_people=labelled.num_rows - source_rows(labelled).num_rows,
        beyond=beyond,
    )


def _clean_rows(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> tuple[Gated, pa.Table]:
    """The window's gate and clean rows, after whatever it lacks of ingesting and validating."""
    try:
        return clean_rows(use_case, window, ports)
    except NotIngested:
        ingest.run(use_case, window, ports, run_id)
        validate.run(use_case, window, ports, run_id)
    except NotValidated:
        validate.run(use_case, window, ports, run_id)
    return clean_rows(use_case, window, ports)


def _part(window: Window, gate: Gated, labelled: int, without_outcome: int, by_people: int) -> TrainingWindow:
    snapshot, verdict = gate.snapshot, str(gate.validation.verdict)
    return TrainingWindow(window, snapshot.digest, snapshot.version, verdict, labelled, without_outcome, by_people)


def source_rows(labelled: pa.Table) -> pa.Table:
    """The rows whose label came from the source."""
    if LABELLED_BY not in labelled.column_names:
        return labelled
    return labelled.filter(pc.equal(labelled.column(LABELLED_BY), LabelledBy.SOURCE.value))


def people_alone(window: LabelledWindow) -> LabelledWindow:
    """The window without the labels of its source; and without any, where people gave none."""
    labelled = window.labelled.slice(0, 0)
    if window.part.by_people:
        by = window.labelled.column(LABELLED_BY)
        labelled = window.labelled.filter(pc.not_equal(by, LabelledBy.SOURCE.value))
    return replace(window, labelled=labelled, part=replace(window.part, labelled=labelled.num_rows))


def _with_people(
    use_case: LoadedUseCase,
    window: Window,
    rows: pa.Table,
    labels: pa.Table,
    labelled: pa.Table,
    as_of: datetime,
    ports: Ports,
    *,
    people: bool,
) -> pa.Table:
    """The labelled rows and those that people labelled, with a column that says which are which."""
    spec = use_case.spec
    marked = labelled.append_column(LABELLED_BY, pa.repeat(LabelledBy.SOURCE.value, labelled.num_rows))
    human = beside(labels, human_outcomes(spec, window, as_of, ports), spec.key) if people else labels.slice(0, 0)
    if human.num_rows == 0:
        return marked
    answered = join_labels(rows, human, spec.key)
    doubtful = pa.array(sorted(chosen_as_doubtful(spec, window, ports)), pa.string())
    as_doubtful = pc.is_in(answered.column(spec.key).cast(pa.string()), value_set=doubtful)
    by = pc.if_else(as_doubtful, LabelledBy.PERSON_AS_DOUBTFUL.value, LabelledBy.PERSON.value)
    return pa.concat_tables([marked, answered.append_column(LABELLED_BY, by).select(marked.column_names)])
