"""Assemble: the training set as of a moment, from snapshots that passed and windows whose truth was known (I6)."""

import logging
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from perennial.digest import table_digest
from perennial.errors import (
    NotEnoughData,
)
from perennial.jobs.retrain.assembling.immature import weigh
from perennial.jobs.retrain.assembling.labelled_windows import (
    LabelledWindow,
    LabelledWindows,
    label_windows,
    people_alone,
    source_rows,
)
from perennial.jobs.retrain.assembling.rows import rows_of, taken_out
from perennial.lake.port import training_table
from perennial.ordered import ordered
from perennial.performance.delay import usual_share
from perennial.performance.labels import UnmatchedLabels
from perennial.performance.maturity import far_too_few
from perennial.ports import Ports
from perennial.progress import OnWindow, nobody
from perennial.records.first_model import first_training, history_too_short
from perennial.records.labels import overdue_text
from perennial.records.retirement import refuse_ended
from perennial.records.training_set import (
    ExcludedWindow,
    ImmatureWindow,
    TrainingManifest,
    WeightedWindow,
    keep_manifest,
    weighted_partition,
)
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.window import Window, stamp
from perennial.wording import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assembled:
    """A training set; `training_id` is the digest of its manifest.

    `excluded` windows could not take part, `immature` ones (with `immature_rows` rows, as far as these were ingested)
    were too young. Of `without_outcome` rows of mature windows it is known that no outcome will come; they take no
    part. `by_people` of the rows have a person's answer for a label. `weighted` immature windows, counted nowhere else,
    teach the refit alone. `days_behind` is how old the newest row was at `as_of`.
    """

    training_id: str
    as_of: datetime
    rows: int
    windows: int
    excluded: int
    digest: str
    immature: int = 0
    immature_rows: int = 0
    days_behind: float | None = None
    without_outcome: int = 0
    by_people: int = 0
    weighted: int = 0


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, on_window: OnWindow = nobody) -> Assembled:
    """Put together every clean row of the training history that has a label and whose window was mature by `as_of`.

    Labels that come early may differ from those that come late, so a window takes part only `labels.mature_after` its
    end, and not while its labels are overdue. Windows that were never ingested or validated are, first. A window that
    is refused or fails is left out, with its reason in the manifest. `on_window` hears how far it is.

    Errors: `NotEnoughData`, `SourceUnavailable`, `InvalidQuery`, `StoreUnavailable`, `UseCaseEnded`.
    """
    spec = use_case.spec
    refuse_ended(spec.name, ports.ledger)
    windows = list(training_windows(spec, as_of))
    mature = [window for window in windows if window.end + spec.labels.mature_after <= as_of]
    young = windows[len(mature) :]
    history = label_windows(use_case, mature, as_of, ports, run_id, on_window)
    used, unusable = _usable(history.windows)
    excluded = [ExcludedWindow(window, reason) for window, reason in history.refused.items()] + unusable
    weighted, refused = _weighted(use_case, used, young, as_of, ports, run_id)
    teaching = {each.part.window for each in weighted.windows}
    ingested = ports.ledger.snapshots_between(spec.name, young[0].start, young[-1].end) if young else ()
    counts = {each.window: each.rows for each in ingested}
    immature = [ImmatureWindow(each, counts.get(each), refused.get(each, "")) for each in young if each not in teaching]
    _tell(use_case, as_of, excluded, [each.strange for each in history.windows if each.strange])
    rows = sum(each.labelled.num_rows for each in used)
    if rows < spec.training.min_rows:
        raise NotEnoughData(_too_little(spec, as_of, rows, history, excluded, immature))
    parts = tuple(each.part for each in used)
    too_large = dict(sum((each.beyond for each in history.windows if each.beyond), Counter[str]()))
    without_outcome = sum(each.part.without_outcome for each in history.windows)
    windows_left = deque(used)
    del used, unusable, history  # the rows of a window leave the memory when they are put in order, among all others
    with ordered(taken_out(windows_left)) as training:
        digest = training.digest()
        partition = f"{as_of:%Y-%m-%dT%H:%MZ}-{digest[:12]}"
        if weighted.windows:  # first, so that the version of the training set holds both
            ports.lake.replace(training_table(spec.name), weighted_partition(partition), weighted.rows)
        commit = ports.lake.replace(training_table(spec.name), partition, training)
        times = [pc.max(chunk.column(spec.event_time)).as_py() for chunk in training.chunks([spec.event_time])]
    newest: datetime = max(times).astimezone(UTC)
    manifest = TrainingManifest(
        use_case=spec.name,
        as_of=as_of,
        table=commit.table,
        partition=partition,
        version=commit.version,
        digest=digest,
        rows=rows,
        windows=parts,
        excluded=tuple(sorted(excluded, key=lambda each: each.window)),
        immature=tuple(immature),
        newest=newest,
        too_large=too_large,
        weighted=weighted.windows,
        weighted_partition=weighted_partition(partition) if weighted.windows else None,
        weighted_digest=table_digest(weighted.rows) if weighted.windows else None,
    )
    log.info("%s as of %s: %d rows of %d windows. %s", spec.name, stamp(as_of), rows, len(parts), manifest.behind())
    if without_outcome:
        log.info("%s as of %s: of %d further rows no outcome will come.", spec.name, stamp(as_of), without_outcome)
    return Assembled(
        training_id=keep_manifest(manifest, ports),
        as_of=as_of,
        rows=rows,
        windows=len(parts),
        excluded=len(excluded),
        digest=digest,
        without_outcome=without_outcome,
        by_people=sum(each.by_people for each in parts),
        weighted=len(weighted.windows),
        immature=len(immature),
        immature_rows=sum(each.rows or 0 for each in immature),
        days_behind=round((as_of - newest).total_seconds() / 86_400, 2),
    )


def training_windows(spec: UseCase, as_of: datetime) -> Iterator[Window]:
    """The windows of the training history that had ended by `as_of`, oldest first."""
    end = min(spec.grid.containing(as_of).start, spec.end or as_of)
    begin = max(spec.start, spec.grid.containing(as_of - spec.training.history).start)
    if begin < end:
        yield from spec.grid.between(begin, end)


def _usable(windows: Sequence[LabelledWindow]) -> tuple[list[LabelledWindow], list[ExcludedWindow]]:
    """The mature windows whose labels came, and why the others can't be used, although they could be read.

    Of a window whose labels are overdue, those that people gave are used all the same: which of the others came is no
    accident. Where no window has any label but those, they are all that is expected.
    """
    delivered = any(each.part.settled > each.part.by_people for each in windows)
    settled = [each.part.settled - delivered * each.part.by_people for each in windows]
    share = usual_share([labels / each.rows for each, labels in zip(windows, settled, strict=True) if labels])
    late = [each for each, labels in zip(windows, settled, strict=True) if far_too_few(labels, each.rows, share)]
    rescued = {each.part.window: people_alone(each) for each in late if each.part.by_people}
    overdue = [each for each in late if each.part.window not in rescued]
    for each in rescued.values():
        log.info(
            "%s takes part with the %d labels that people gave; those of its source are overdue.",
            each.part.window,
            each.part.labelled,
        )
    barren = [each for each in windows if each.part.settled and not each.part.labelled]
    excluded = [
        *(ExcludedWindow(each.part.window, _overdue(each, share)) for each in overdue),
        *(ExcludedWindow(each.part.window, "no outcome will come of any of its rows") for each in barren),
    ]
    usable = [rescued.get(each.part.window, each) for each in windows if each not in overdue]
    return [each for each in usable if each.part.labelled], excluded


def _overdue(window: LabelledWindow, share: float | None) -> str:
    part = window.part
    found = overdue_text(part.labelled, part.without_outcome, window.rows, share)
    text = f"its labels are overdue: {found}"
    return f"{text}; {window.strange}" if window.strange else text


@dataclass(frozen=True)
class _Weighted:
    """Immature windows that the refit may learn from, and their rows that have a label."""

    windows: tuple[WeightedWindow, ...]
    rows: pa.Table


def _weighted(
    use_case: LoadedUseCase,
    mature: Sequence[LabelledWindow],
    windows: Sequence[Window],
    as_of: datetime,
    ports: Ports,
    run_id: str,
) -> tuple[_Weighted, dict[Window, str]]:
    """The immature windows that can be weighted, where the spec asks for that, and why others can't."""
    if use_case.spec.training.immature != "weighted":
        return _Weighted((), pa.table({})), {}
    # People are asked about rows that are like no others: how likely their labels were to arrive tells nothing.
    read = label_windows(use_case, windows, as_of, ports, run_id, people=False)
    by_source = [replace(each, labelled=source_rows(each.labelled)) for each in mature]
    found, others = weigh(use_case, by_source, read.windows, as_of, ports)
    refused = read.refused | {part.window: reason for part, reason in others.items()}
    for window, reason in refused.items():
        log.info(
            "%s as of %s: %s is not mature and can't be weighted: %s.", use_case.name, stamp(as_of), window, reason
        )
    window_of = {each.part: each for each in read.windows}
    rows = rows_of([window_of[each.part] for each in found]) if found else pa.table({})
    return _Weighted(tuple(found), rows), refused


def _tell(
    use_case: LoadedUseCase, as_of: datetime, excluded: Sequence[ExcludedWindow], strange: Sequence[UnmatchedLabels]
) -> None:
    for each in excluded:
        log.warning("%s as of %s: %s is left out: %s", use_case.name, stamp(as_of), each.window, each.reason)
    if strange:
        found = f"in {counted(len(strange), 'window')} labels match no row: {strange[-1]}"
        log.warning("%s as of %s: %s.", use_case.name, stamp(as_of), found)


def _too_little(
    spec: UseCase,
    as_of: datetime,
    rows: int,
    history: LabelledWindows,
    excluded: Sequence[ExcludedWindow],
    immature: Sequence[ImmatureWindow],
) -> str:
    candidates = history.windows
    strange = [each.strange for each in candidates if each.strange]
    labels = sum(each.labels for each in candidates)
    if strange and not any(each.part.labelled for each in candidates):
        return (
            f"{spec.name}: {counted(labels, 'label')} came for {counted(len(candidates), 'window')} before "
            f"{as_of:%Y-%m-%dT%H:%MZ}, but none matched a row. In the last of them {strange[-1]}. Write keys the same "
            f"way in the source and in labels.source; `{spec.key}` is the key."
        )
    way_on = (
        "Every window was left out: correct the reasons listed here, or retrain as of a later time."
        if excluded and not candidates
        else _way_on(spec, as_of, rows / len(candidates) if candidates else 0.0)
    )
    young = f", {counted(len(immature), 'window')} younger than labels.mature_after" if immature else ""
    return (
        f"{spec.name}: {counted(rows, 'labelled row')} of mature windows before {as_of:%Y-%m-%dT%H:%MZ} "
        f"({len(candidates) + len(excluded)} windows, {len(excluded)} left out{young}); `training.min_rows` asks for "
        f"{spec.training.min_rows:,}. {way_on}"
        + _read_again(spec, history.outdated)
        + (f"\n  - in {counted(len(strange), 'window')} labels match no row: {strange[-1]}" if strange else "")
        + "".join(f"\n  - {each.window}: {' '.join(each.reason.split())}" for each in excluded[:5])
    )


def _way_on(spec: UseCase, as_of: datetime, rows_per_window: float) -> str:
    """What to do about a training set that is too small, where windows have so many labelled rows."""
    if too_short := history_too_short(spec, rows_per_window):
        return f"A later time would not help: {too_short}."
    enough = first_training(spec, as_of, rows_per_window)
    later = f"as of {enough:%Y-%m-%dT%H:%MZ} or later" if enough > as_of else "as of another time"
    return f"Retrain {later}, lengthen `training.history`, or lower `training.min_rows`."


def _read_again(spec: UseCase, outdated: Sequence[Window]) -> str:
    """How to bring windows up to date that were ingested with other columns."""
    if not outdated:
        return ""
    first, last = (f"{moment:%Y-%m-%dT%H:%MZ}" for moment in (outdated[0].start, outdated[-1].end))
    return (
        f" {counted(len(outdated), 'window')} were ingested before use_case.yaml had all of its columns: "
        f"`perennial ingest {spec.name} --from {first} --to {last}` reads them again."
    )
