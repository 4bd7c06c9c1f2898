"""Whether a pooler such as PgBouncer stands before the ledger's database, and whether it keeps sessions apart.

A lease is a lock that belongs to a session of PostgreSQL. A pooler that gives the server's sessions to whoever has a
transaction (`pool_mode = transaction`) would let two clients share one: the second would get the lock that the first
holds, and settings of one would count for the other. So that is refused. With `pool_mode = session`, a client has its
server's session until it leaves, and all is as without a pooler.
"""

from psycopg2 import extensions
from sqlalchemy import Connection, func, select

LOOKS = 5
ADVICE = (  # with pool_mode = statement, PgBouncer closes the connection at the first BEGIN, without a word
    "A pooler such as PgBouncer is in front of it: check that the pooler has pool_mode = session, enough "
    "connections, and lets this user in; then run this again."
)
_PID = select(func.pg_backend_pid())


def stands_between(session: extensions.connection) -> bool:
    """Whether who answers a new session is not who does its work: a pooler gives clients a process id of its own."""
    session.autocommit = True
    try:
        with session.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            found = cursor.fetchone()
    finally:
        session.autocommit = False
    return found is not None and int(found[0]) != session.info.backend_pid


def shares_sessions(first: Connection, second: Connection) -> bool:
    """Whether the two get the same session of the server by turns, or one of them different ones.

    The second begins a transaction as soon as the first has ended its own, and holds it while the first begins another
    one. A pooler by transaction gives the second the session that became free, or the first a new one. Only where
    others take sessions all the time may it happen to do neither, which is why it is looked several times.
    """
    for _ in range(LOOKS):
        with first.begin():
            before = first.scalar(_PID)
        with second.begin():
            other = second.scalar(_PID)
            with first.begin():
                after = first.scalar(_PID)
        if other in {before, after} or before != after:
            return True
    return False


def refusal(place: str) -> str:
    """Why the ledger can't be reached this way, and what to do."""
    return (
        f"The ledger at {place} is reached through a pooler with transaction pooling, such as PgBouncer with "
        "pool_mode = transaction. The ledger's leases are locks of a session, which two runs would then share. Let "
        "the ledger's connection use a pool with pool_mode = session, or connect to PostgreSQL directly. Published "
        "tables and sources work with transaction pooling, too."
    )
