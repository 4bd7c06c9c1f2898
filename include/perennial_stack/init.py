"""What must be there before the stack's services start, made in one go: `python -m perennial_stack.init`.

Each step may run again at any time, and brings what is there up to date: databases and their users, the tables of
Airflow, of the ledger and of MLflow, the buckets, Airflow's roles and the first administrators. It alone knows the
passwords of the superuser, of the ledger's owner and of the object store's administrator.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from perennial.errors import InvalidSettings, PerennialError
from perennial.ledger.postgres.schema import migrate
from perennial.ledger.postgres.schema import tables as ledger_tables
from perennial.ledger.postgres.schema.readers import prepare_reader
from perennial.ledger.postgres.schema.writers import prepare_writer
from perennial.published import names as published_names
from perennial.settings import Settings
from perennial.spec.load import load_all
from perennial_airflow import access
from perennial_stack import buckets, databases, keys

ADMIN = "admin"
FIRST_EXPERIMENT = "0"
MLFLOW_USER = "perennial"


def main(only: str | None = None) -> None:
    """All steps, in their order, or `only` the first, `databases`, for a restore; each says what it did."""
    values = os.environ
    wrong = keys.problems(values)
    if wrong:
        raise InvalidSettings(" ".join([*wrong, "`make secrets` makes those that are missing."]))
    databases.prepare(_url(values, "postgres", "POSTGRES_PASSWORD", "postgres"), values)
    _say(f"databases {', '.join(each.name for each in databases.DATABASES)} and their users are there")
    if only == "databases":
        return
    _ledger(values)
    _command("airflow", "db", "migrate")
    _command("airflow", "fab-db", "migrate")
    _command("mlflow", "db", "upgrade", _sqlalchemy(_url_of(values, databases.MLFLOW)))
    _say("tables of Airflow and MLflow are up to date")
    _objects(values)
    _logins(values)
    _mlflow_users(values)


def _ledger(values: Mapping[str, str]) -> None:
    owner = _url(values, databases.LEDGER_OWNER, "LEDGER_OWNER_PASSWORD", databases.LEDGER.name)
    writer = _url(values, databases.LEDGER_WRITER, "LEDGER_WRITER_PASSWORD", databases.LEDGER.name)
    reader = _url(values, databases.READER, "READER_PASSWORD", databases.LEDGER.name)
    applied = migrate.upgrade(owner)
    prepare_writer(owner, writer)
    prepare_reader(owner, reader, ledger_tables.SCHEMA)
    prepare_reader(_url_of(values, databases.PUBLISHED), reader, published_names.SCHEMA)
    _say(f"ledger: applied {', '.join(applied)}" if applied else "ledger: up to date")


def _objects(values: Mapping[str, str]) -> None:
    store = buckets.client(
        values["AWS_ENDPOINT_URL"],
        values["S3_ADMIN_ACCESS_KEY"],
        values["S3_ADMIN_SECRET_KEY"],
        values["AWS_REGION"],
    )
    made = buckets.prepare(store)
    buckets.require_conditional_puts(store)
    _say(f"buckets: made {', '.join(made)}" if made else "buckets: there")


def _logins(values: Mapping[str, str]) -> None:
    use_cases = load_all(Settings.from_environment(values).use_cases)
    wanted = access.roles(
        access.load(Path(values["PERENNIAL_ACCESS"])), {name: each.spec.owner for name, each in use_cases.items()}
    )
    access.prepare(wanted, ADMIN, values["AIRFLOW_ADMIN_PASSWORD"])
    _say(f"roles of Airflow: {', '.join(role.name for role in wanted)}")


def _mlflow_users(values: Mapping[str, str]) -> None:
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    store = SqlAlchemyStore()
    store.init_db(_sqlalchemy(_url_of(values, databases.MLFLOW)))  # type: ignore[no-untyped-call] # MLflow has none
    if not store.has_user(ADMIN):
        store.create_user(ADMIN, values["MLFLOW_ADMIN_PASSWORD"], is_admin=True)
    if store.has_user(MLFLOW_USER):  # a service's password is what the file says; a person changes it in MLflow
        store.update_user(MLFLOW_USER, password=values["MLFLOW_PERENNIAL_PASSWORD"])
    else:
        store.create_user(MLFLOW_USER, values["MLFLOW_PERENNIAL_PASSWORD"])
    # What it makes is its own; the first experiment is made by MLflow, and is where `perennial doctor` tries artefacts.
    store.grant_user_permission(MLFLOW_USER, "experiment", FIRST_EXPERIMENT, "MANAGE")
    _say(f"users of MLflow: {ADMIN}, {MLFLOW_USER}")


def _url_of(values: Mapping[str, str], database: databases.Database) -> str:
    return _url(values, database.owner, databases.PASSWORDS[database.owner], database.name)


def _url(values: Mapping[str, str], user: str, variable: str, database: str) -> str:
    return f"postgresql://{user}:{values[variable]}@{values['POSTGRES_HOST']}/{database}"


def _sqlalchemy(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def _command(module: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *arguments], check=False)  # noqa: S603 - our own
    if done.returncode:
        shown = " ".join([module, *arguments[:2]])
        raise InvalidSettings(f"`{shown}` ended with status {done.returncode}; see its message above.")


def _say(line: str) -> None:
    print(f"init: {line}", flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except PerennialError as error:
        sys.exit(f"init: {error}")
