"""A real MLflow whose database is older than the ledger: the version that it has lost gets its number again."""

from contextlib import closing
from pathlib import Path

import psycopg2
from tests.contract.test_registry import candidate
from tests.servers import WatchedPostgres

from perennial.registry.mlflow import MlflowRegistry


def lose(postgres: WatchedPostgres, use_case: str, version: str) -> None:
    """Take the version out of MLflow's database, as an older backup of it leaves no trace of one."""
    with closing(psycopg2.connect(postgres.url("postgres"))) as session, session.cursor() as cursor:
        cursor.execute(r"SELECT datname FROM pg_database WHERE datname LIKE 'mlflow\_%'")
        names = [name for (name,) in cursor.fetchall()]
    lost = 0
    for name in names:
        with closing(psycopg2.connect(postgres.url(name))) as session, session, session.cursor() as cursor:
            cursor.execute("SELECT to_regclass('model_versions')")
            if cursor.fetchone() == (None,):
                continue
            for table in ("model_version_tags", "registered_model_aliases", "model_versions"):
                cursor.execute(f"DELETE FROM {table} WHERE name = %s AND version = %s", (use_case, version))
            lost += cursor.rowcount
    assert lost == 1


def test_a_version_that_mlflow_has_lost_is_registered_again_under_its_number(
    mlflow_url: str, postgres: WatchedPostgres, tmp_path: Path
) -> None:
    use_case = f"brought_back_{postgres.port}"
    registry = MlflowRegistry(mlflow_url, tmp_path / "cache")
    first, second = (registry.register(candidate(use_case, which)) for which in (0, 1))
    registry.set_alias(use_case, "champion", second.version)
    lose(postgres, use_case, second.version)
    assert registry.versions(use_case) == [first]
    assert registry.alias(use_case, "champion") is None
    elsewhere = MlflowRegistry(mlflow_url, tmp_path / "another host")
    again = elsewhere.register(candidate(use_case, 1))
    assert again == second
    assert elsewhere.load(use_case, again.version, again.digest).reference == candidate(use_case, 1).reference
    elsewhere.set_alias(use_case, "champion", again.version)
    assert elsewhere.versions(use_case) == [first, second]
