"""What is asked of the ledger's tables, as SQL."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, func, select, true
from sqlalchemy.dialects.postgresql import distinct_on

from perennial.ledger.entries import DeployedRole
from perennial.ledger.tables import batches, deployments, drift_reports, snapshots, validations
from perennial.verdict import Verdict
from perennial.window import Window

Query = Select[*tuple[Any, ...]]


def of_window(table: Table, use_case: str, window: Window) -> Query:
    """The entries about exactly this window."""
    return select(table).where(
        table.c.use_case == use_case, table.c.window_start == window.start, table.c.window_end == window.end
    )


def newest_per_window(table: Table, use_case: str, *age: str) -> Query:
    """Of each window the entry that is greatest by the columns `age`, the most important first; by window."""
    window = (table.c.window_start, table.c.window_end)
    return (
        select(table)
        .where(table.c.use_case == use_case)
        .ext(distinct_on(*window))
        .order_by(*window, *(table.c[name].desc() for name in age))
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

    Of two that begin together, it is the later recorded one.
    """
    known = deployments.c.recorded_at <= known_at if known_at is not None else true()
    return (
        select(deployments)
        .where(
            deployments.c.use_case == use_case,
            deployments.c.role == role.value,
            deployments.c.effective_from <= effective,
            known,
        )
        .order_by(deployments.c.effective_from.desc(), deployments.c.id.desc())
        .limit(1)
    )


def scored_until(use_case: str) -> Query:
    """The end of the last window scored."""
    return select(func.max(batches.c.window_end)).where(batches.c.use_case == use_case)


def counts(use_case: str) -> Query:
    """The numbers of `Status`, and the last window, in one row."""
    ingested = newest_per_window(snapshots, use_case, "id").subquery()
    scored = newest_per_window(batches, use_case, "revision").subquery()
    validated = newest_per_window(validations, use_case, "id").subquery()
    monitored = newest_per_window(drift_reports, use_case, "id").subquery()
    champions = of_role(use_case, DeployedRole.CHAMPION).order_by(None).subquery()
    last = select(ingested).order_by(ingested.c.window_start.desc(), ingested.c.window_end.desc()).limit(1).subquery()
    how_many = func.count()
    return select(
        select(how_many).select_from(ingested).scalar_subquery().label("windows_ingested"),
        select(how_many).select_from(scored).scalar_subquery().label("windows_scored"),
        select(func.coalesce(func.sum(scored.c.rows), 0)).scalar_subquery().label("rows_scored"),
        select(how_many).where(validated.c.verdict == Verdict.FAIL.value).scalar_subquery().label("windows_failed"),
        select(how_many).where(monitored.c.verdict == Verdict.FAIL.value).scalar_subquery().label("alarms"),
        select(func.greatest(how_many - 1, 0)).select_from(champions).scalar_subquery().label("retrains"),
        select(last.c.window_start).scalar_subquery().label("last_start"),
        select(last.c.window_end).scalar_subquery().label("last_end"),
    )
