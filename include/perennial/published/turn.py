"""Whose turn it is to publish a window, and what becomes of a publisher that hangs while the database waits for rows.

The server ends a transaction in which nothing happens between two statements, but no timeout of PostgreSQL ends a COPY
that waits for its client. So whoever waits for the window looks whether the holder's rows still come.
"""

import logging
import time

from psycopg2 import extensions

from perennial.encoding import lock_key
from perennial.window import Window

log = logging.getLogger(__name__)

LOOKS_PER_TIMEOUT, SLOWEST_LOOK = 60, 1.0
# What another database user does is hidden from us: such a holder never counts as silent.
_SENDING = """
SELECT a.pid, a.backend_start, c.bytes_processed
FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_stat_progress_copy c USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.wait_event = 'ClientRead'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ((l.classid::bigint << 32) | l.objid::bigint) = %s
"""
_END = f"SELECT pg_terminate_backend(pid) FROM ({_SENDING}) AS sending WHERE (pid, backend_start) = (%s, %s)"  # noqa: S608


def await_turn(cursor: extensions.cursor, use_case: str, window: Window, silence: float) -> None:
    """Wait until nobody else publishes the window, and be the one who does until the transaction ends.

    A holder of whose rows none came for `silence` seconds is stopped or hangs: its session is ended.
    """
    key = lock_key(f"perennial.published {use_case} {window}")
    seen, since = None, time.monotonic()
    while not _is_ours(cursor, key):
        sending = _sending(cursor, key)
        if sending is None or sending != seen:
            seen, since = sending, time.monotonic()
        elif time.monotonic() - since > silence:
            log.warning(
                "%s %s: the publisher, database session %d, has sent nothing for %.0f s: taking over",
                use_case, window, sending[0], silence,
            )  # fmt: skip
            cursor.execute(_END, (key, *sending[:2]))
        time.sleep(min(silence / LOOKS_PER_TIMEOUT, SLOWEST_LOOK))


def _is_ours(cursor: extensions.cursor, key: int) -> bool:
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (key,))
    return cursor.fetchone() == (True,)


def _sending(cursor: extensions.cursor, key: int) -> tuple[int, object, int] | None:
    """The holder's session and how many bytes of rows it has sent, while the server waits for more of them."""
    cursor.execute("SELECT pg_stat_clear_snapshot()")  # what sessions do stays as it was seen first in a transaction
    cursor.execute(_SENDING, (key,))
    found: tuple[int, object, int] | None = cursor.fetchone()
    return found
