"""Making the tables ready for a publication, before its transaction begins, so that nobody waits for it.

To widen a table takes a lock beside which nobody reads, and whoever waits for that lock keeps later readers waiting
behind it. So it is tried for a moment, given up, and tried again after a pause in which readers go on.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from psycopg2 import Error, errors, extensions
from psycopg2.sql import SQL

from perennial.published import tables
from perennial.published.names import index_of

log = logging.getLogger(__name__)

Transaction = Callable[[], AbstractContextManager[extensions.cursor]]
PATIENCE_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
INDEX_SECONDS = 5


def make_ready(transaction: Transaction, use_case: str, columns: Mapping[str, str]) -> None:
    """Make the tables, and give them the columns that they lack, each in a transaction of its own.

    Errors: `errors.LockNotAvailable` when others use the table for longer than `PATIENCE_SECONDS` without a break.
    """
    with transaction() as cursor:
        if tables.is_ready(cursor, use_case, columns):
            return
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, _FIRST_PAUSE
    while True:
        with transaction() as cursor:
            cursor.execute("SAVEPOINT ready")
            try:
                tables.make_ready(cursor, use_case, columns)
            except errors.LockNotAvailable:
                if time.monotonic() >= deadline:
                    raise
                cursor.execute("ROLLBACK TO SAVEPOINT ready")
            else:
                return
        log.info("perennial.predictions_%s is in use; its new columns are added when it is free.", use_case)
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - rivals should not try at the same moments
        pause = min(2 * pause, _LONGEST_PAUSE)


def make_index(session: extensions.connection, use_case: str, key: str) -> None:
    """Make the index by entity of a table that has none yet, beside all who read and write it.

    It waits for transactions that are older. Where one lasts for long, the next publication tries again. The session
    has autocommit on.
    """
    with session.cursor() as cursor:
        valid = tables.index_is_valid(cursor, use_case)
        if valid:
            return
        cursor.execute("SELECT pg_backend_pid()")
        if cursor.fetchone() != (session.info.backend_pid,):  # a pooler, to which a session's settings mean nothing
            log.info("perennial.predictions_%s gets its index by entity over a connection without pooler.", use_case)
            return
        try:
            if valid is False:  # left by a try that was given up; one that is under way keeps its lock
                milliseconds = tables.LOCK_MILLISECONDS
                cursor.execute(
                    SQL("SET lock_timeout = {}; DROP INDEX IF EXISTS {}").format(
                        SQL(f"'{milliseconds}ms'"), index_of(use_case)
                    )
                )
            cursor.execute(SQL("SET lock_timeout = {}").format(SQL(f"'{INDEX_SECONDS}s'")))
            cursor.execute(tables.index_statement(use_case, key, "CONCURRENTLY"))
        except Error as error:
            log.info(
                "perennial.predictions_%s has no index by entity yet (%s). The next publication tries again.",
                *(use_case, str(error).strip()),
            )
        finally:
            if not session.closed:
                cursor.execute("RESET lock_timeout")
