"""The ledger's locks: PostgreSQL advisory locks, which end with the session or the transaction that holds them.

A lease on a window is two things. The advisory lock keeps rivals waiting, and ends with its session. The fencing token
in the table `leases` makes the lock safe where locks alone can't be: a holder that was stopped, or whose session broke,
may wake up when another run has the window, and every store then refuses what comes with its smaller fencing token.

A holder shows that it is alive by a small query every few seconds. A rival that waits ends the session of a holder
that has been silent for too long.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
from sqlalchemy import Connection, Row, func, select, text
from sqlalchemy.exc import InterfaceError, OperationalError

from perennial.encoding import lock_key
from perennial.errors import PermanentError, StoreUnavailable, WindowBusy
from perennial.lease import Lease
from perennial.ledger.postgres.connection import LedgerDatabase
from perennial.ledger.postgres.schema.tables import leases
from perennial.window import Window

log = logging.getLogger(__name__)

BEATS_PER_TIMEOUT = 6
_LOCK_NOT_AVAILABLE = "55P03"
# The server must notice a client whose machine is gone, and must not end a session that only waits for its work.
_SESSION = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "idle_session_timeout": "0",
}
_MIGRATED = text("SELECT 1 FROM ledger.leases LIMIT 0")  # a ledger without tables is refused before the work, not after
# What another database user does is hidden from us: such a holder never counts as silent.
_HOLDER = text(
    "SELECT a.pid, a.backend_start, "
    "coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0)::float AS silent_seconds "
    "FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND ((l.classid::bigint << 32) | l.objid::bigint) = :key"
)
# At least the clock in microseconds: so a ledger restored from a backup gives no token smaller than stores have seen.
_TAKE = text(
    "INSERT INTO ledger.leases AS held VALUES (:subject, :window_start, :window_end, "
    "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint, false, :run_id, "
    "coalesce(CAST(:taken_at AS timestamptz), clock_timestamp())) "
    "ON CONFLICT (subject, window_start, window_end) DO UPDATE SET "
    "fencing_token = greatest(held.fencing_token + 1, excluded.fencing_token), settled = false, "
    "run_id = excluded.run_id, taken_at = excluded.taken_at RETURNING fencing_token"
)
# The same for many windows at once.
_TRY_EACH = text("SELECT key FROM unnest(CAST(:keys AS bigint[])) AS key WHERE pg_try_advisory_lock(key)")
_CONTESTED = text(
    "SELECT window_start, window_end FROM ledger.leases "
    "JOIN unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])) AS mine (window_start, window_end) "
    "USING (window_start, window_end) WHERE subject = :subject AND NOT settled"
)
_TAKE_EACH = text(
    "INSERT INTO ledger.leases AS held SELECT :subject, mine.window_start, mine.window_end, "
    "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint, false, :run_id, "
    "coalesce(CAST(:taken_at AS timestamptz), clock_timestamp()) "
    "FROM unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])) AS mine (window_start, window_end) "
    "ON CONFLICT (subject, window_start, window_end) DO UPDATE SET "
    "fencing_token = greatest(held.fencing_token + 1, excluded.fencing_token), settled = false, "
    "run_id = excluded.run_id, taken_at = excluded.taken_at RETURNING window_start, window_end, fencing_token"
)
_GIVE_EACH_BACK = text(
    "UPDATE ledger.leases AS held SET settled = true "
    "FROM unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]), CAST(:tokens AS bigint[])) "
    "AS mine (window_start, window_end, fencing_token) WHERE held.subject = :subject "
    "AND held.window_start = mine.window_start AND held.window_end = mine.window_end "
    "AND held.fencing_token = mine.fencing_token"
)


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait for a lock, and seconds of a holder's silence after which its session is ended."""

    lock: float
    heartbeat: float


@contextmanager
def holding_window(
    database: LedgerDatabase, subject: str, window: Window, run_id: str, taken_at: datetime | None, timeouts: Timeouts
) -> Iterator[Lease]:
    """Hold the window while inside, after waiting for it.

    Work that ends with anything but a `PermanentError` may have a commit under way of which only the answer was lost:
    the window is given back, but the next lease counts as contested. Errors: `WindowBusy` when another session keeps
    it; `StoreUnavailable` when the session with the lock was lost while the caller worked, so that another run may have
    worked on the window too.
    """
    key = lock_key("window", subject, window.key)
    with database.session() as connection:
        with database.own_errors():
            _prepare(connection, f"perennial {subject} {window.key}")
            _acquire(connection, key, subject, window, timeouts)
            lease = _take(connection, subject, window, run_id, taken_at)
        what = f"lease on window {window.key} of {subject}"
        with _working(database, connection, what, timeouts, lambda: _give_back(connection, lease, key)):
            yield lease


@contextmanager
def holding_free(
    database: LedgerDatabase,
    subject: str,
    windows: Collection[Window],
    run_id: str,
    taken_at: datetime | None,
    timeouts: Timeouts,
) -> Iterator[Mapping[Window, Lease]]:
    """Hold those of the windows that nobody holds while inside, as `holding_window`, on one connection for all."""
    if not windows:
        yield {}
        return
    keys = {lock_key("window", subject, window.key): window for window in windows}
    with database.session() as connection:
        with database.own_errors():
            _prepare(connection, f"perennial {subject} {len(windows)} windows")
            free = sorted(keys[key] for key in connection.scalars(_TRY_EACH, {"keys": _array(keys)}))
            leases = _take_each(connection, subject, free, run_id, taken_at) if free else {}
        what = f"leases on {len(free)} windows of {subject} from {min(windows).key} on"
        with _working(database, connection, what, timeouts, lambda: _give_each_back(connection, subject, leases)):
            yield leases


@contextmanager
def _working(
    database: LedgerDatabase, connection: Connection, what: str, timeouts: Timeouts, give_back: Callable[[], None]
) -> Iterator[None]:
    """Show that the holder is alive while inside, and give back what it holds, unless something may be under way."""
    refused: PermanentError | None = None
    with _beating(connection, timeouts.heartbeat / BEATS_PER_TIMEOUT):
        try:
            yield
        except PermanentError as defect:  # nothing is under way: it is given back as after good work
            refused = defect
    try:
        give_back()
    except (OperationalError, InterfaceError) as error:
        raise StoreUnavailable(
            f"The {what} was lost while working on it: the session with the ledger at {database.place} broke. Run this "
            "again: what is recorded already is kept."
        ) from (refused or error)
    if refused is not None:
        raise refused


def current_token(connection: Connection, lease: Lease) -> int:
    """The newest fencing token of the lease's window. Nobody takes the window over until the transaction ends."""
    query = select(leases.c.fencing_token).where(
        leases.c.subject == lease.subject,
        leases.c.window_start == lease.window.start,
        leases.c.window_end == lease.window.end,
    )
    return int(connection.scalar(query.with_for_update(read=True)) or 0)


def current_tokens(connection: Connection, held: Collection[Lease]) -> dict[Window, int]:
    """`current_token` of many leases of one subject, by window."""
    starts = text("CAST(:starts AS timestamptz[])").bindparams(
        starts=_bounds([lease.window for lease in held])["starts"]
    )
    query = select(leases.c.window_start, leases.c.window_end, leases.c.fencing_token).where(
        leases.c.subject.in_({lease.subject for lease in held}),
        leases.c.window_start == func.any(starts),
    )
    rows = connection.execute(query.order_by(leases.c.window_start).with_for_update(read=True))
    return {Window(start, end): int(token) for start, end, token in rows}


def lock_use_case(connection: Connection, use_case: str, lock_timeout: float) -> None:
    """Hold the use case's line of deployments and batches, and its chain, until the transaction ends."""
    connection.execute(select(func.set_config("lock_timeout", _milliseconds(lock_timeout), True)))
    connection.execute(select(func.pg_advisory_xact_lock(lock_key("use case", use_case))))


@contextmanager
def deciding_alone(database: LedgerDatabase, use_case: str, lock_timeout: float) -> Iterator[None]:
    """Be the only one who decides about the use case's retraining while inside, after waiting for the turn."""
    with database.session() as connection:
        with database.own_errors():
            _prepare(connection, f"perennial decision {use_case}")
            connection.execute(select(func.set_config("lock_timeout", _milliseconds(lock_timeout), False)))
            connection.execute(select(func.pg_advisory_lock(lock_key("decision", use_case))))
        yield


def _prepare(connection: Connection, name: str) -> None:
    settings = _SESSION | {"application_name": name[:63]}
    connection.execute(select(*(func.set_config(setting, value, False) for setting, value in settings.items())))
    connection.execute(_MIGRATED)


def _acquire(connection: Connection, key: int, subject: str, window: Window, timeouts: Timeouts) -> None:
    deadline = time.monotonic() + timeouts.lock
    while not _try_lock(connection, key, min(max(deadline - time.monotonic(), 0.0), timeouts.heartbeat / 2)):
        holder = connection.execute(_HOLDER, {"key": key}).first()
        if holder and holder.silent_seconds > timeouts.heartbeat:
            log.warning(
                "%s %s: the holder, database session %d, has been silent for %.0f s: taking over",
                subject, window, holder.pid, holder.silent_seconds,
            )  # fmt: skip
            connection.execute(select(func.pg_terminate_backend(holder.pid)))
        elif time.monotonic() >= deadline:
            name = _holders_name(connection, subject, window, holder)
            raise WindowBusy(
                f"Window {window.key} of {subject} was held by another run for longer than {timeouts.lock:g} s "
                f"({name}). Wait until that run has ended, or stop it; then run this again."
            )


def _holders_name(connection: Connection, subject: str, window: Window, holder: Row[Any] | None) -> str:
    if holder is None:
        return "it has just ended"
    run = connection.scalar(
        select(leases.c.run_id).where(
            leases.c.subject == subject, leases.c.window_start == window.start, leases.c.window_end == window.end
        )
    )
    return f"run {run}, database session {holder.pid}, since {holder.backend_start:%Y-%m-%d %H:%M:%S%z}"


def _try_lock(connection: Connection, key: int, seconds: float) -> bool:
    connection.execute(select(func.set_config("lock_timeout", _milliseconds(seconds), False)))
    try:
        connection.execute(select(func.pg_advisory_lock(key)))
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


def _take(connection: Connection, subject: str, window: Window, run_id: str, taken_at: datetime | None) -> Lease:
    at = {"subject": subject, "window_start": window.start, "window_end": window.end}
    before = select(leases.c.settled).where(*(leases.c[name] == value for name, value in at.items()))
    contested = connection.scalar(before) is False
    fencing_token = connection.scalar(_TAKE, {**at, "run_id": run_id, "taken_at": taken_at})
    return Lease(subject, window, int(fencing_token or 0), contested)


def _give_back(connection: Connection, lease: Lease, key: int) -> None:
    mine = (leases.c.subject == lease.subject) & (leases.c.fencing_token == lease.fencing_token)
    connection.execute(leases.update().where(mine, leases.c.window_start == lease.window.start).values(settled=True))
    connection.execute(select(func.pg_advisory_unlock(key)))


def _take_each(
    connection: Connection, subject: str, windows: Sequence[Window], run_id: str, taken_at: datetime | None
) -> dict[Window, Lease]:
    """The leases of windows whose locks are held, in their order."""
    mine = {"subject": subject, **_bounds(windows)}
    contested = {Window(start, end) for start, end in connection.execute(_CONTESTED, mine)}
    rows = connection.execute(_TAKE_EACH, {**mine, "run_id": run_id, "taken_at": taken_at})
    tokens = {Window(start, end): int(token) for start, end, token in rows}
    return {window: Lease(subject, window, tokens[window], window in contested) for window in windows}


def _give_each_back(connection: Connection, subject: str, held: Mapping[Window, Lease]) -> None:
    tokens = _array(lease.fencing_token for lease in held.values())
    if held:
        connection.execute(_GIVE_EACH_BACK, {"subject": subject, **_bounds(held), "tokens": tokens})
    connection.execute(select(func.pg_advisory_unlock_all()))


def _bounds(windows: Collection[Window]) -> dict[str, str]:
    return {"starts": _array(window.start for window in windows), "ends": _array(window.end for window in windows)}


def _array(values: Iterable[int | datetime]) -> str:
    """An array as PostgreSQL reads it: the driver takes longer to quote thousands of instants one by one."""
    return f"{{{','.join(map(str, values))}}}"


@contextmanager
def _beating(connection: Connection, seconds: float) -> Iterator[None]:
    """A query every `seconds` inside, so that the server sees that this process lives.

    Nobody else uses the connection meanwhile. A session that breaks is reported when the lease is given back.
    """
    session = connection.connection.driver_connection
    assert session is not None, "an open connection has a driver's"
    done = threading.Event()

    def beat() -> None:
        with session.cursor() as cursor:
            while not done.wait(seconds):
                try:
                    cursor.execute("SELECT 1")
                except psycopg2.Error as error:
                    log.warning("The lease's session with the ledger broke: %s", error)
                    return

    heart = threading.Thread(target=beat, name="perennial-hold", daemon=True)
    heart.start()
    try:
        yield
    finally:
        done.set()
        heart.join()


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))  # to PostgreSQL, 0 means to wait forever
