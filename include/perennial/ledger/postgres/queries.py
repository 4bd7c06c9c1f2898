"""What is asked of the ledger's tables, as SQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, Table, exists, false, func, literal, select, true, tuple_
from sqlalchemy.dialects.postgresql import distinct_on

from perennial.ledger.entries import DecisionKind, DeployedRole, InterventionKind
from perennial.ledger.postgres.schema.measurements import age_of, performance, settles
from perennial.ledger.postgres.schema.tables import (
    batches,
    decisions,
    deployments,
    drift_reports,
    interventions,
    leases,
    snapshots,
    validations,
)
from perennial.ledger.rules import data_subjects
from perennial.performance.maturity import Maturity
from perennial.verdict import PROMOTE, Verdict
from perennial.window import Window

Query = Select[*tuple[Any, ...]]
_REVISION = ("window_start", "window_end", "revision")  # of a use case


def of_window(table: Table, use_case: str, window: Window) -> Query:
    """The entries about exactly this window."""
    return select(table).where(
        table.c.use_case == use_case, table.c.window_start == window.start, table.c.window_end == window.end
    )


def leases_not_given_back(use_case: str) -> Query:
    """Subject, start and end of each such lease on the use case's data and labels."""
    at = (leases.c.subject, leases.c.window_start, leases.c.window_end)
    return select(*at).where(leases.c.subject.in_(data_subjects(use_case)), ~leases.c.settled).order_by(*at)


def newest_per_window(
    table: Table, use_case: str, *age: str, as_of: datetime | None = None, known_at: datetime | None = None
) -> Query:
    """Of each window the entry that is greatest by the columns `age`, the most important first; by window.

    It is chosen among the entries as of that moment, and recorded by that moment: a newer one does not hide those.
    """
    window = (table.c.window_start, table.c.window_end)
    return (
        select(table)
        .where(
            table.c.use_case == use_case,
            true() if as_of is None else table.c.as_of <= as_of,
            true() if known_at is None else table.c.recorded_at <= known_at,
        )
        .ext(distinct_on(*window))
        .order_by(*window, *(table.c[name].desc() for name in age))
    )


def on_latest_snapshot() -> ColumnElement[bool]:
    """Whether a verdict is on the latest snapshot of its window."""
    same = (snapshots.c[name] == validations.c[name] for name in ("use_case", "window_start", "window_end"))
    latest = select(snapshots.c.digest).where(*same).order_by(snapshots.c.id.desc()).limit(1)
    return validations.c.snapshot_digest == latest.scalar_subquery()


def counting_verdicts(use_case: str) -> Query:
    """Of each window the last verdict on its latest snapshot, or where that has none, the last one; by window."""
    window = (validations.c.window_start, validations.c.window_end)
    return (
        select(validations)
        .where(validations.c.use_case == use_case)
        .ext(distinct_on(*window))
        .order_by(*window, on_latest_snapshot().desc(), validations.c.id.desc())
    )


def measured(use_case: str, as_of: datetime | None = None, known_at: datetime | None = None) -> Query:
    """Of each window the measurement that counts, of those as of that moment and recorded by that moment; by window."""
    return newest_per_window(performance, use_case, "as_of", "revision", "id", as_of=as_of, known_at=known_at)


def labelled(newest: Query) -> Select[int, int]:
    """How many windows these measurements are of, and the labels of those that are final."""
    found = newest.subquery()
    final = found.c.maturity == Maturity.FINAL.value
    return select(func.count(), func.coalesce(func.sum(found.c.labelled).filter(final), 0))


def last_final(use_case: str, as_of: datetime, count: int) -> Query:
    """The last windows whose newest measurement is final, the last one first."""
    window = (performance.c.window_start, performance.c.window_end)
    newest = (
        select(performance)
        .where(performance.c.use_case == use_case, performance.c.as_of <= as_of)
        .ext(distinct_on(*window))
        .order_by(
            *(each.desc() for each in window),
            performance.c.as_of.desc(),
            performance.c.revision.desc(),
            performance.c.id.desc(),
        )
        .subquery()
    )
    return (
        select(newest)
        .where(newest.c.maturity == Maturity.FINAL.value)
        .order_by(newest.c.window_start.desc(), newest.c.window_end.desc())
        .limit(count)
    )


def without_truth(use_case: str, as_of: datetime) -> Query:
    """The live batches whose newest measurement does not settle them (see `perennial.ledger.rules.settled`).

    Of a long past nearly all are settled, so the windows in doubt are found first, by what indexes hold, and only of
    these entries are read.
    """
    doubtful = _of_unsettled_batches(use_case, as_of).union(_measured_again(use_case, as_of)).subquery("doubtful")
    start, end = doubtful.c
    live = (
        select(batches)
        .where(batches.c.use_case == use_case, batches.c.window_start == start, batches.c.window_end == end)
        .order_by(batches.c.revision.desc())
        .limit(1)
        .lateral("live")
    )
    newest = (
        select(settles(performance).label("settled"))
        .where(
            *(performance.c[name] == live.c[name] for name in ("use_case", *_REVISION)), performance.c.as_of <= as_of
        )
        .order_by(performance.c.as_of.desc(), performance.c.id.desc())
        .limit(1)
        .lateral("newest")
    )
    return (
        select(live)
        .select_from(doubtful.join(live, true()).outerjoin(newest, true()))
        .where(live.c.window_end <= as_of, ~func.coalesce(newest.c.settled, false()))
        .order_by(live.c.window_start, live.c.window_end)
    )


def _of_unsettled_batches(use_case: str, as_of: datetime) -> Select[Any, Any]:
    """The windows that ended by then whose live batch no measurement settles."""
    ended = newest_per_window(batches, use_case, "revision").where(batches.c.window_end <= as_of)
    named = [batches.c[name] for name in _REVISION]
    # In the index's order, backwards: so nothing is sorted.
    backwards = ended.with_only_columns(*named).order_by(None).order_by(*(column.desc() for column in named))
    live = backwards.subquery("last")
    settling = exists().where(
        performance.c.use_case == use_case,
        performance.c.as_of <= as_of,
        settles(performance),
        *(performance.c[name] == live.c[name] for name in _REVISION),
    )
    return select(live.c.window_start, live.c.window_end).where(~settling)


def _measured_again(use_case: str, as_of: datetime) -> Select[Any, Any]:
    """The windows with a measurement that does not settle them, and may be newer than one that does.

    Measured later, a window is older: so only measurements of at least the least age at which any window was settled
    can be that. They are few, because no window is final before `mature_after`.
    """
    settling = performance.alias("settling")
    youngest = (
        select(age_of(settling)).where(settling.c.use_case == use_case, settles(settling)).order_by(age_of(settling))
    )
    return select(performance.c.window_start, performance.c.window_end).where(
        performance.c.use_case == use_case,
        performance.c.as_of <= as_of,
        ~settles(performance),
        age_of(performance) >= youngest.limit(1).scalar_subquery(),
    )


def inside(table: Table, start: datetime, end: datetime) -> ColumnElement[bool]:
    """Whether the entry's window lies wholly inside `[start, end)`."""
    return (table.c.window_start >= start) & (table.c.window_end <= end)


def of_role(use_case: str, role: DeployedRole) -> Query:
    """The role's deployments, the one recorded last first."""
    return (
        select(deployments)
        .where(deployments.c.use_case == use_case, deployments.c.role == role.value)
        .order_by(deployments.c.id.desc())
    )


def in_force(use_case: str, role: DeployedRole, effective: datetime, known_at: datetime | None = None) -> Query:
    """The role's deployment at the effective time, of those recorded by `known_at` (default: all).

    Of two that begin together, it is the later recorded one. One that was withdrawn by then is none. One that rescores
    windows of before is in force there, too, instead of those before it.
    """
    known = deployments.c.recorded_at <= known_at if known_at is not None else true()
    later = deployments.alias("later")
    withdrawn = exists().where(
        later.c.use_case == use_case,
        later.c.role == role.value,
        later.c.withdraws <= deployments.c.id,
        later.c.id > deployments.c.id,
        later.c.recorded_at <= known_at if known_at is not None else true(),
    )
    return (
        select(deployments)
        .where(
            deployments.c.use_case == use_case,
            deployments.c.role == role.value,
            (deployments.c.effective_from <= effective) | (deployments.c.rescores_from <= effective),
            known,
            ~withdrawn,
        )
        .order_by(deployments.c.effective_from.desc(), deployments.c.id.desc())
        .limit(1)
    )


def first_per_window(table: Table, use_case: str) -> Query:
    """Of each window the entry that was recorded first; by window."""
    window = (table.c.window_start, table.c.window_end)
    return select(table).where(table.c.use_case == use_case).ext(distinct_on(*window)).order_by(*window, table.c.id)


def unscored(use_case: str, start: datetime, end: datetime) -> Query:
    """Start and end of the intervals between one scored window and the next, where they don't meet."""
    scored = (
        select(batches.c.window_start, batches.c.window_end)
        .where(batches.c.use_case == use_case, inside(batches, start, end))
        .distinct()
    )
    ends = [select(*(literal(at, batches.c.window_start.type) for _ in range(2))) for at in (start, end)]
    edges = scored.union_all(*ends).subquery()
    begun, ended = edges.c
    following = select(ended.label("begun"), func.lead(begun).over(order_by=(begun, ended)).label("ended")).subquery()
    return select(following).where(following.c.ended > following.c.begun).order_by(following.c.begun)


def last_ingested(use_case: str) -> Query:
    """Start and end of the last window that has a snapshot."""
    return (
        select(snapshots.c.window_start, snapshots.c.window_end)
        .where(snapshots.c.use_case == use_case)
        .order_by(snapshots.c.window_start.desc())
        .limit(1)
    )


def key_bounds(start: datetime, end: datetime) -> tuple[str, str]:
    """Two texts between which the names of the windows in the interval sort: they begin with their start."""
    first, last = (Window(at, at + timedelta(minutes=1)).key.partition("--")[0] for at in (start, end))
    return first, last


def noted_empty(use_case: str, start: datetime, end: datetime) -> Select[str]:
    """The names of the windows in the interval that are known to be empty."""
    first, last = key_bounds(start, end)
    return select(interventions.c.subject).where(
        interventions.c.use_case == use_case,
        interventions.c.kind == InterventionKind.WINDOW_EMPTY.value,
        interventions.c.subject.collate("C").between(first, last),  # names of windows sort by their start
    )


def interventions_on(use_case: str, kind: InterventionKind, windows: Sequence[str]) -> Query:
    """The interventions of the kind whose details name one of the windows, in the order they were recorded."""
    return (
        select(interventions)
        .where(
            interventions.c.use_case == use_case,
            interventions.c.kind == kind.value,
            interventions.c.details["window"].astext.in_(windows),
        )
        .order_by(interventions.c.id)
    )


def scored_until(use_case: str) -> Query:
    """The end of the last window scored."""
    return select(func.max(batches.c.window_end)).where(batches.c.use_case == use_case)


def counts(use_case: str) -> Query:
    """The numbers of `Status`, and the last window, in one row."""
    window = (snapshots.c.window_start, snapshots.c.window_end)
    ingested = select(*window).where(snapshots.c.use_case == use_case).distinct().subquery()
    last = select(*window).where(snapshots.c.use_case == use_case).order_by(*(at.desc() for at in window)).limit(1)
    scored = _only(newest_per_window(batches, use_case, "revision"), batches.c.rows)
    validated = _only(counting_verdicts(use_case).where(_failed_ever(use_case)), validations.c.verdict)
    monitored = _only(newest_per_window(drift_reports, use_case, "id"), drift_reports.c.verdict)
    looked_at = _only(measured(use_case), performance.c.maturity)
    champions = of_role(use_case, DeployedRole.CHAMPION).order_by(None).subquery()
    how_many = func.count()
    return select(
        select(how_many).select_from(ingested).scalar_subquery().label("windows_ingested"),
        select(how_many).select_from(scored).scalar_subquery().label("windows_scored"),
        select(func.coalesce(func.sum(scored.c.rows), 0)).scalar_subquery().label("rows_scored"),
        select(how_many).where(validated.c.verdict == Verdict.FAIL.value).scalar_subquery().label("windows_failed"),
        select(how_many).where(monitored.c.verdict == Verdict.FAIL.value).scalar_subquery().label("alarms"),
        select(func.greatest(func.count(champions.c.model_digest.distinct()) - 1, 0))
        .scalar_subquery()
        .label("retrains"),
        select(func.count(decisions.c.as_of.distinct()))
        .where(
            decisions.c.use_case == use_case,
            decisions.c.kind == DecisionKind.PROMOTE.value,
            decisions.c.action != PROMOTE,
        )
        .scalar_subquery()
        .label("retrains_rejected"),
        select(how_many)
        .where(looked_at.c.maturity == Maturity.OVERDUE.value)
        .scalar_subquery()
        .label("windows_overdue"),
        last.with_only_columns(snapshots.c.window_start).scalar_subquery().label("last_start"),
        last.with_only_columns(snapshots.c.window_end).scalar_subquery().label("last_end"),
    )


def _failed_ever(use_case: str) -> ColumnElement[bool]:
    """Whether a verdict is on a window that failed at some time: to ask of all which one counts takes long."""
    window = (validations.c.window_start, validations.c.window_end)
    failed = (validations.c.use_case == use_case, validations.c.verdict == Verdict.FAIL.value)
    return tuple_(*window).in_(select(*window).where(*failed))


def _only(newest: Query, column: ColumnElement[Any]) -> Subquery:
    """Of each of them that column alone: entries are wide, and to sort them whole takes most of the time."""
    return newest.with_only_columns(column).subquery()
