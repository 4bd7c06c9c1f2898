"""How long the ledger's migrations keep writers waiting, with a million entries in each large table.

Run it by `make bench`. A real PostgreSQL gets the tables of 0.1.0 (revision 0003) with a million entries in each that
grows with windows. Then the migrations that came since are applied one by one, while a writer for each table asks every
few milliseconds for the lock that an insert takes, and another really inserts. No wait may be longer than two seconds.
"""

import json
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
from pages_speed import free_port

from perennial.ledger.postgres.connection import LedgerDatabase
from perennial.ledger.postgres.schema import migrate
from perennial_local.postgres import EmbeddedPostgres

ENTRIES = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
MOST_SECONDS = 2.0
PAUSE = 0.005
BEFORE = "0003"
LARGE = ("snapshots", "validations", "batches", "drift_reports", "performance", "decisions", "interventions")
VALUES = {  # of entry n, where the type alone does not say it
    "use_case": "'u' || n % 100",
    "window_start": "timestamptz '2000-01-01Z' + n / 100 * interval '1 hour'",
    "window_end": "timestamptz '2000-01-01Z' + (n / 100 + 1) * interval '1 hour'",
    "recorded_at": "timestamptz '2000-01-01Z' + n * interval '1 second'",
    "verdict": "'pass'",
    "maturity": "'final'",
    "completeness": "1",
    "rows_quarantined": "0",
    "revision": "1",
    "action": "'hold'",
}
KINDS = {"decisions": "'retrain_on_drift'", "interventions": "'files_removed'"}
BY_TYPE = {
    "text": "'{column}' || n",
    "bigint": "9",
    "double precision": "0.5",
    "boolean": "false",
    "jsonb": "'{{}}'",
    "timestamp with time zone": "timestamptz '2000-01-01Z'",
}


def fill(url: str, table: str) -> None:
    """Put the entries into a table, by the kinds of its columns."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'ledger' AND table_name = %s AND is_identity = 'NO'",
            (table,),
        )
        columns = dict(cursor.fetchall())
        known = {**VALUES, "kind": KINDS.get(table, "")}
        values = [known.get(name) or BY_TYPE[kind].format(column=name) for name, kind in columns.items()]
        names = ", ".join(f'"{name}"' for name in columns)
        cursor.execute(
            f"INSERT INTO ledger.{table} ({names}) SELECT {', '.join(values)} FROM generate_series(1, {ENTRIES}) n"
        )


class Writers:
    """Sessions that ask for what an insert waits for, and what the longest wait was under each migration."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._done = threading.Event()
        self.longest: dict[str, dict[str, float]] = defaultdict(dict)
        self.during = ""
        self._threads = [threading.Thread(target=self._ask, args=(table,)) for table in LARGE]
        self._threads.append(threading.Thread(target=self._insert))

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, table: str) -> None:
        self._repeat(table, f"LOCK TABLE ledger.{table} IN ROW EXCLUSIVE MODE")

    def _insert(self) -> None:
        self._repeat(
            "an insert into snapshots",
            'INSERT INTO ledger.snapshots (use_case, window_start, window_end, "table", version, digest, rows, '
            "columns, query, run_id, recorded_at) SELECT 'writer', now(), now() + interval '1 hour', 't', "
            "coalesce(max(version), 0) + 1, 'd', 1, '{}', 'q', 'r', now() "
            "FROM ledger.snapshots WHERE use_case = 'writer'",
        )

    def _repeat(self, name: str, statement: str) -> None:
        connection = psycopg2.connect(self._url)
        while not self._done.is_set():
            during, began = self.during, time.perf_counter()
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
            took = time.perf_counter() - began
            found = self.longest[during]
            found[name] = max(took, found.get(name, 0.0))
            time.sleep(PAUSE)
        connection.close()


def main() -> int:
    with TemporaryDirectory() as scratch:
        server = EmbeddedPostgres(Path(scratch) / "postgres" / "data", free_port())
        server.start()
        try:
            server.create_database("ledger")
            found = measured(server.url("ledger"))
        finally:
            server.stop()
    print(f"With {ENTRIES:,} entries in each of {', '.join(LARGE)}:\n")
    print("| migration | seconds | longest wait of a writer, seconds | for |\n|---|---|---|---|")
    for revision, (seconds, wait, table) in found.items():
        print(f"| {revision} | {seconds:.1f} | {wait:.2f} | {table} |")
    longest = max(wait for _, wait, _ in found.values())
    print(json.dumps({"entries": ENTRIES, "longest_wait_seconds": longest, "most": MOST_SECONDS, "migrations": found}))
    if longest > MOST_SECONDS:
        print(f"A writer waited {longest:.2f} s; {MOST_SECONDS} s are allowed.", file=sys.stderr)
    return int(longest > MOST_SECONDS)


def measured(url: str) -> dict[str, tuple[float, float, str]]:
    """Of each migration: the seconds that it took, the longest wait of a writer meanwhile, and for which table."""
    database = LedgerDatabase(url)
    todo = migrate.pending(url)
    earlier = [revision for revision in todo if revision <= BEFORE]
    with database.session() as session:
        session.exec_driver_sql("CREATE SCHEMA ledger")
    for revision in earlier:
        migrate.apply(database, revision)
    for table in LARGE:
        fill(url, table)
    found = {}
    with Writers(url) as writers:
        for revision in todo[len(earlier) :]:
            writers.during = revision
            began = time.perf_counter()
            migrate.apply(database, revision)
            took = time.perf_counter() - began
            time.sleep(10 * PAUSE)
            waits = writers.longest[revision]
            table = max(waits, key=lambda name: waits[name])
            found[revision] = (took, waits[table], table)
    database.close()
    assert migrate.pending(url) == []
    return found


if __name__ == "__main__":
    sys.exit(main())
