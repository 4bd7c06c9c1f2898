"""The migrations make, in a real PostgreSQL, the tables that the code believes in."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, create_engine, text
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema

from perennial.errors import InvalidSettings, StoreUnavailable
from perennial.jobs.upkeep import verify
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.ledger.postgres.schema.tables import SCHEMA, metadata
from perennial.window import Window
from perennial_local.postgres import EmbeddedPostgres

REVISIONS = [f"{number:04}" for number in range(1, 28)]

# Constraints and indexes as the server describes them, with their names.
DESCRIBED = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'ledger'::regnamespace AND conrelid::regclass::text <> 'ledger.alembic_version'
AND contype <> 't'  -- a trigger
UNION ALL
SELECT tablename, indexname, indexdef FROM pg_indexes
WHERE schemaname = 'ledger' AND tablename <> 'alembic_version'
ORDER BY 1, 2
"""


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"), poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.execute(text(query))
        return [tuple(row) for row in result] if result.returns_rows else []


def test_a_database_is_brought_up_to_date_once(database_url: str) -> None:
    assert migrate.current(database_url) is None
    assert migrate.pending(database_url) == REVISIONS
    assert migrate.upgrade(database_url) == REVISIONS
    assert migrate.current(database_url) == REVISIONS[-1]
    assert migrate.pending(database_url) == []
    assert migrate.upgrade(database_url) == []


def test_the_migrations_and_the_tables_agree(database_url: str) -> None:
    migrate.upgrade(database_url)
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg2://"), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table_schema": SCHEMA,
                "include_schemas": True,
                "include_name": lambda name, kind, _parents: kind != "schema" or name == SCHEMA,
                "compare_type": True,
                "compare_server_default": True,
            },
        )
        assert compare_metadata(context, metadata) == []


def test_the_migrations_and_the_tables_agree_on_constraints_and_indexes(
    postgres: EmbeddedPostgres, database_url: str
) -> None:
    migrate.upgrade(database_url)
    name = f"declared_{uuid4().hex[:12]}"
    postgres.create_database(name)
    engine = create_engine(postgres.url(name).replace("postgresql://", "postgresql+psycopg2://"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(CreateSchema(SCHEMA))
        metadata.create_all(connection)
    described = rows(database_url, DESCRIBED)
    assert described == rows(postgres.url(name), DESCRIBED)
    checks = [c for table in metadata.tables.values() for c in table.constraints if isinstance(c, CheckConstraint)]
    assert len([line for line in described if str(line[1]).startswith("ck_")]) == len(checks)


def test_every_table_but_that_of_the_locks_is_append_only(database_url: str) -> None:
    migrate.upgrade(database_url)
    guarded = rows(
        database_url,
        "SELECT event_object_table FROM information_schema.triggers "
        "WHERE trigger_schema = 'ledger' AND trigger_name = 'append_only' GROUP BY 1 HAVING count(*) >= 2 "
        "INTERSECT SELECT relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE tgname = 'append_only' "
        "AND tgtype & 32 > 0 AND tgenabled = 'O'",  # 32: TRUNCATE
    )
    assert sorted(f"ledger.{name}" for (name,) in guarded) == sorted({*metadata.tables} - {"ledger.leases"})


def test_of_many_that_upgrade_at_once_one_does_the_work(database_url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        applied = list(pool.map(migrate.upgrade, [database_url] * 6))
    assert sorted(applied) == [[], [], [], [], [], REVISIONS]


def test_a_failed_upgrade_leaves_nothing(database_url: str) -> None:
    rows(database_url, "CREATE SCHEMA ledger; CREATE TABLE ledger.drift_reports (theirs int)")
    with pytest.raises(InvalidSettings, match="holds a table that was not made here"):
        migrate.upgrade(database_url)
    assert migrate.current(database_url) is None
    assert rows(database_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'ledger'") == [("drift_reports",)]
    rows(database_url, "DROP TABLE ledger.drift_reports")
    assert migrate.upgrade(database_url) == REVISIONS


def test_a_ledger_of_a_newer_version_is_not_touched(database_url: str) -> None:
    migrate.upgrade(database_url)
    rows(database_url, "UPDATE ledger.alembic_version SET version_num = '9999'")
    for call in (migrate.pending, migrate.upgrade):
        with pytest.raises(InvalidSettings, match=rf"is at revision 9999; .*knows revisions up to {REVISIONS[-1]}"):
            call(database_url)
    assert migrate.current(database_url) == "9999"


def test_the_migrations_of_others_in_the_same_database_are_left_alone(database_url: str) -> None:
    rows(database_url, "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('abc')")
    assert migrate.upgrade(database_url) == REVISIONS
    assert rows(database_url, "SELECT version_num FROM public.alembic_version") == [("abc",)]


def test_a_user_who_may_only_use_a_prepared_schema_can_upgrade(postgres: EmbeddedPostgres, database_url: str) -> None:
    user = f"owner_{uuid4().hex[:8]}"
    theirs = f"postgresql://{user}:secret@127.0.0.1:{postgres.port}/{database_url.rpartition('/')[2]}"
    rows(database_url, f"CREATE ROLE {user} LOGIN PASSWORD 'secret'")
    with pytest.raises(InvalidSettings, match=r"permission denied for database.*Grant the right"):
        migrate.upgrade(theirs)
    rows(database_url, f"CREATE SCHEMA ledger AUTHORIZATION {user}")
    assert migrate.upgrade(theirs) == REVISIONS


def test_the_migrations_are_found_in_a_folder_of_any_name(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "100% ours: %(here)s"
    shutil.copytree(Path(migrate.__file__).parent / "migrations", odd)
    monkeypatch.setattr(migrate, "_MIGRATIONS", odd)
    assert migrate.upgrade(database_url) == REVISIONS


def test_a_database_that_is_down_is_told() -> None:
    for call in (migrate.current, migrate.pending, migrate.upgrade):
        with pytest.raises(StoreUnavailable, match=r"ledger at 127\.0\.0\.1:1/facts"):
            call("postgresql://alice:hush-hush@127.0.0.1:1/facts")


def upgrade_to(url: str, last: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the tables as they were at an older revision."""
    old = shutil.copytree(Path(migrate.__file__).parent / "migrations", folder / "old")
    for file in (old / "versions").glob("0*.py"):
        if file.name[:4] > last:
            file.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "_MIGRATIONS", old)
        migrate.upgrade(url)


def test_snapshots_of_before_are_read_and_do_not_say_that_nothing_was_left_out(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_to(database_url, "0006", tmp_path, monkeypatch)
    rows(
        database_url,
        'INSERT INTO ledger.snapshots (use_case, window_start, window_end, "table", version, digest, rows, columns, '
        "query, run_id, recorded_at) VALUES ('flights', '2013-03-01Z', '2013-03-02Z', 'raw/flights', 0, 's', 9, '{}', "
        "'SELECT 1', 'run', now())",
    )
    assert migrate.upgrade(database_url) == REVISIONS[6:]
    ledger = PostgresLedger(database_url, lambda: datetime(2024, 1, 1, tzinfo=UTC))
    window = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
    (found,) = ledger.snapshots("flights", window)
    assert found.remarks is None
    ledger.record_snapshot(replace(found, version=1, remarks=()))
    assert [each.remarks for each in ledger.snapshots("flights", window)] == [None, ()]
    assert rows(database_url, "SELECT remarks IS NULL FROM ledger.snapshots ORDER BY id") == [(True,), (False,)]
    ledger.close()


def test_verdicts_of_before_stay_and_are_the_first_of_their_rules(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_to(database_url, "0025", tmp_path, monkeypatch)
    for suite in ("these", "those"):
        rows(
            database_url,
            "INSERT INTO ledger.validations (use_case, window_start, window_end, snapshot_digest, suite_digest, "
            "verdict, reasons, rows, rows_quarantined, result, run_id, recorded_at) VALUES ('flights', "
            f"'2013-03-01Z', '2013-03-02Z', 's', '{suite}', 'pass', '[]', 9, 2, '{{}}', 'run', now())",
        )
    assert migrate.upgrade(database_url) == REVISIONS[25:]
    ledger = PostgresLedger(database_url, lambda: datetime(2024, 1, 1, tzinfo=UTC))
    window = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
    these, those = ledger.validations("flights", window)
    assert [(each.number, each.quarantine_digest) for each in (these, those)] == [(0, None)] * 2
    assert ledger.record_validation(replace(these, id=None)) == these
    assert ledger.counting_verdict("flights", window) == those
    again = ledger.record_validation(replace(these, id=None, number=1, quarantine_digest="q"))
    assert ledger.counting_verdict("flights", window) == again
    assert ledger.validations("flights", window) == [these, those, again]
    ledger.close()


def test_drift_reports_of_before_stay_and_are_the_first_of_their_window(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_to(database_url, "0005", tmp_path, monkeypatch)
    for digest in ("m1", "m2"):
        rows(
            database_url,
            "INSERT INTO ledger.drift_reports (use_case, window_start, window_end, snapshot_digest, model_digest, "
            "verdict, reasons, report, profile, run_id, recorded_at, reference_windows, missing, columns) VALUES "
            f"('flights', '2013-03-01Z', '2013-03-02Z', 's', '{digest}', "
            "'pass', '[]', '{}', '{}', 'run', now(), 0, '[]', '{}')",
        )
    assert migrate.upgrade(database_url) == REVISIONS[5:]
    ledger = PostgresLedger(database_url, lambda: datetime(2024, 1, 1, tzinfo=UTC))
    window = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
    found = ledger.drift_of("flights", window)
    assert [(report.model_digest, report.basis_digest, report.number) for report in found] == [
        ("m1", "", 0),
        ("m2", "", 0),
    ]
    ledger.record_drift(replace(found[0], basis_digest="b", number=1))
    assert len(ledger.drift_of("flights", window)) == 3
    ledger.close()


def test_measurements_of_before_stay_and_know_of_no_row_without_an_outcome(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_to(database_url, "0007", tmp_path, monkeypatch)
    rows(
        database_url,
        "INSERT INTO ledger.performance (use_case, window_start, window_end, revision, model_version, model_digest, "
        "as_of, maturity, rows, labelled, completeness, verdict, metrics, intervals, estimates, arrivals, label_drift, "
        "run_id, recorded_at) VALUES ('flights', '2013-03-01Z', '2013-03-02Z', 1, '1', 'm', '2013-03-04Z', 'final', "
        "10, 9, 0.9, 'pass', '{}', '{}', '{}', '[]', '{}', 'run', now())",
    )
    assert migrate.upgrade(database_url) == REVISIONS[7:]
    ledger = PostgresLedger(database_url, lambda: datetime(2024, 1, 1, tzinfo=UTC))
    window = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
    (found,) = ledger.performance_of("flights", window)
    assert (found.labelled, found.without_outcome, found.settled) == (9, 0, 9)
    ledger.record_performance(replace(found, as_of=datetime(2013, 3, 5, tzinfo=UTC), without_outcome=1))
    assert ledger.performance_of("flights", window)[-1].without_outcome == 1
    ledger.close()


def test_batches_and_challengers_of_before_are_of_one_model_and_no_stage(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_to(database_url, "0010", tmp_path, monkeypatch)
    rows(
        database_url,
        "INSERT INTO ledger.batches (use_case, window_start, window_end, revision, snapshot_digest, suite_digest, "
        'scoring_digest, model_version, model_digest, "table", version, digest, rows, resolution, fencing_token, '
        "code_version, lock_digest, run_id, recorded_at) VALUES ('flights', '2013-03-01Z', '2013-03-02Z', 1, 's', "
        "'suite', 'c', '1', 'm1', 'predictions/flights', 0, 'p', 9, 'as_was', 1, 'v', 'l', 'run', now())",
    )
    rows(database_url, OLD_ENTRIES[0].replace("'champion'", "'challenger'").replace(":", "\\:"))
    migrate.upgrade(database_url)
    ledger = PostgresLedger(database_url, lambda: datetime(2024, 1, 1, tzinfo=UTC))
    (batch,) = ledger.batches("flights", Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC)))
    (challenger,) = ledger.deployments("flights")
    assert batch.parts == ()
    assert (challenger.share, challenger.salt, challenger.ends, challenger.in_rollout) == (None, "", False, False)
    assert verify.run(ledger, []).alterations == 0
    ledger.close()


# Numbers that JSON, Python and PostgreSQL each write in their own way.
OLD_NUMBERS = '{"p": 1e23, "b": [1.0, 0.1, -0.0, 5e-324], "a": {"z": null, "\u00e9": "naïve ☕"}}'
OLD_ENTRIES = (
    "INSERT INTO ledger.deployments (use_case, role, model_version, model_digest, effective_from, supersedes, actor, "
    "reason, training, metrics, code_version, lock_digest, run_id, recorded_at) VALUES ('flights', 'champion', '1', "
    "'m1', '2013-03-01Z', NULL, 'ada', 'first', '{\"rows\": 9}', '{\"auc\": 0.75}', 'v', 'l', 'run', '2024-01-01Z')",
    *(
        "INSERT INTO ledger.decisions (use_case, kind, subject, as_of, action, reasons, numbers, run_id, recorded_at) "
        f"VALUES ('{name}', 'promote', '{n}', '2013-03-01Z', 'promote', '[\"better\"]', '{OLD_NUMBERS}', 'run', "
        f"'2024-01-0{9 - n}Z')"
        for name in ("flights", "Flights", "flüge")
        for n in range(3)
    ),
    "INSERT INTO ledger.interventions (use_case, kind, subject, actor, reason, details, run_id, recorded_at) "
    "VALUES ('flights', 'window_empty', 'w', 'ada', 'no rows', '{}', 'run', '2024-01-08Z')",
)


def test_entries_of_before_the_chain_are_linked_by_the_upgrade_in_the_order_they_were_recorded(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_to(database_url, "0010", tmp_path, monkeypatch)
    for statement in OLD_ENTRIES:
        rows(database_url, statement.replace(":", "\\:"))
    assert migrate.upgrade(database_url) == REVISIONS[10:]
    ledger = PostgresLedger(database_url, lambda: datetime(2024, 2, 1, tzinfo=UTC))
    linked = [(link.position, link.kind, link.entry_id) for link, _ in ledger.linked("flights", 0, 100)]
    assert linked == [
        (1, "deployment", 1), (2, "decision", 3), (3, "decision", 2), (4, "intervention", 1), (5, "decision", 1)
    ]  # fmt: skip
    found = verify.run(ledger, [])
    assert (found.alterations, found.named) == (0, ())
    assert {chain.use_case: (chain.entries, chain.adopted) for chain in found.chains} == {
        "flights": (5, 5), "Flights": (3, 3), "flüge": (3, 3)
    }  # fmt: skip
    first = ledger.deployments("flights")[0]
    ledger.deploy(replace(first, model_version="2", supersedes=first.id))
    found = verify.run(ledger, [], "flights")
    assert [(chain.entries, chain.adopted) for chain in found.chains] == [(6, 5)]
    rows(database_url, "SET session_replication_role = replica; UPDATE ledger.decisions SET action = 'x' WHERE id = 2")
    assert [(each.what.value, each.position) for each in verify.run(ledger, []).named] == [("changed", 3)]
    ledger.close()


def test_many_entries_of_before_are_linked_a_few_at_a_time(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_to(database_url, "0010", tmp_path, monkeypatch)
    rows(
        database_url,
        "INSERT INTO ledger.decisions (use_case, kind, subject, as_of, action, reasons, numbers, run_id, recorded_at) "
        "SELECT 'flights', 'promote', 's' || n, now(), 'hold', '[]', '{}', 'run', now() "
        "FROM generate_series(1, 1201) n",
    )
    migrate.upgrade(database_url)
    ledger = PostgresLedger(database_url, lambda: datetime(2024, 2, 1, tzinfo=UTC))
    found = verify.run(ledger, [])
    assert (found.alterations, found.chains[0].entries) == (0, 1201)
    ledger.close()
