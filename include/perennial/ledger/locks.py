"""The ledger's locks: PostgreSQL advisory locks, which end with the session or the transaction that holds them."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import OperationalError

from perennial.errors import StoreUnavailable, WindowBusy
from perennial.ledger.connection import LedgerDatabase
from perennial.window import Window

_LOCK_NOT_AVAILABLE = "55P03"
# The server must notice a client whose machine is gone, and must not end a session that only waits for its work.
_SESSION = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "idle_session_timeout": "0",
}
_MIGRATED = text("SELECT 1 FROM ledger.batches LIMIT 0")  # a ledger without tables is told before the work, not after
_HOLDER = text(
    "SELECT a.pid, a.backend_start FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND ((l.classid::bigint << 32) | l.objid::bigint) = :key"
)


def lock_key(*names: str) -> int:
    """A signed 64-bit number that stands for the names, the same in every process and version."""
    content = "\x00".join(("perennial", *names)).encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big", signed=True)


@contextmanager
def holding_window(database: LedgerDatabase, use_case: str, window: Window, patience: float) -> Iterator[None]:
    """Hold the window while inside, after waiting for at most `patience` seconds.

    Errors: `WindowBusy` when another session keeps it; `StoreUnavailable` when the session with the lock was lost
    while the caller worked, so that another run may have worked on the window too.
    """
    key = lock_key("window", use_case, window.key)
    with database.session() as connection:
        with database.own_errors():
            _prepare(connection, f"perennial {use_case} {window.key}", patience)
            _acquire(connection, key, use_case, window, patience)
        yield
        try:
            connection.execute(select(func.pg_advisory_unlock(key)))
        except OperationalError as error:
            raise StoreUnavailable(
                f"The hold on window {window.key} of {use_case} was lost while working on it: the session with the "
                f"ledger at {database.place} broke. Run this again: what is recorded already is kept."
            ) from error


def hold_use_case(connection: Connection, use_case: str, patience: float) -> None:
    """Hold the use case's line of deployments and batches until the transaction ends."""
    connection.execute(select(func.set_config("lock_timeout", _milliseconds(patience), True)))
    connection.execute(select(func.pg_advisory_xact_lock(lock_key("use case", use_case))))


def _prepare(connection: Connection, name: str, patience: float) -> None:
    settings = _SESSION | {"application_name": name[:63], "lock_timeout": _milliseconds(patience)}
    connection.execute(select(*(func.set_config(setting, value, False) for setting, value in settings.items())))
    connection.execute(_MIGRATED)


def _acquire(connection: Connection, key: int, use_case: str, window: Window, patience: float) -> None:
    try:
        connection.execute(select(func.pg_advisory_lock(key)))
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
            raise
        holder = connection.execute(_HOLDER, {"key": key}).first()
        who = f"database session {holder.pid}, since {holder.backend_start:%Y-%m-%d %H:%M:%S%z}" if holder else "gone"
        raise WindowBusy(
            f"Window {window.key} of {use_case} was held by another run for longer than {patience:g} s "
            f"(holder: {who}). Wait until that run has ended, or stop it; then run this again."
        ) from error


def _milliseconds(patience: float) -> str:
    return str(max(1, round(patience * 1000)))  # to PostgreSQL, 0 means to wait forever
