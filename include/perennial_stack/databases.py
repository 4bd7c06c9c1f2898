"""The databases of the stack and their users, each with no more rights than its service needs.

`prepare` may be run again at any time: what is there stays, and passwords become those that are given now.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import psycopg2
from psycopg2 import extensions
from psycopg2.sql import SQL, Identifier

CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Database:
    """A database: who owns it, and who else may connect to it."""

    name: str
    owner: str
    others: tuple[str, ...] = ()


AIRFLOW = Database("airflow", "airflow")
MLFLOW = Database("mlflow", "mlflow")
LEDGER_OWNER, LEDGER_WRITER = "perennial_owner", "perennial_writer"
PUBLISHER, READER = "perennial_publisher", "perennial_reader"
LEDGER = Database("ledger", LEDGER_OWNER, (LEDGER_WRITER, READER))
PUBLISHED = Database("published", PUBLISHER, (READER,))
DATABASES = (AIRFLOW, MLFLOW, LEDGER, PUBLISHED)
PASSWORDS = {  # user: the variable of the password
    AIRFLOW.owner: "AIRFLOW_DB_PASSWORD",
    MLFLOW.owner: "MLFLOW_DB_PASSWORD",
    LEDGER_OWNER: "LEDGER_OWNER_PASSWORD",
    LEDGER_WRITER: "LEDGER_WRITER_PASSWORD",
    PUBLISHER: "PUBLISHER_PASSWORD",
    READER: "READER_PASSWORD",
}


def prepare(superuser_url: str, values: Mapping[str, str]) -> None:
    """Make the users and databases; `values` holds the passwords. Errors: psycopg2's own."""
    with closing(psycopg2.connect(superuser_url, connect_timeout=CONNECT_SECONDS)) as connection:
        connection.autocommit = True  # CREATE DATABASE wants it
        with connection.cursor() as cursor:
            cursor.execute("SET password_encryption = 'scram-sha-256'")
            for user, variable in PASSWORDS.items():
                _user(cursor, user, values[variable])
            for database in DATABASES:
                _database(cursor, database)
            # Nobody but its owner has a reason to be in the database that every cluster begins with.
            cursor.execute("REVOKE ALL ON DATABASE postgres FROM PUBLIC")


def _user(cursor: extensions.cursor, user: str, password: str) -> None:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,))
    verb = "ALTER" if cursor.fetchone() else "CREATE"
    rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    cursor.execute(SQL(f"{verb} ROLE {{}} {rights} PASSWORD %s").format(Identifier(user)), (password,))


def _database(cursor: extensions.cursor, database: Database) -> None:
    name, owner = Identifier(database.name), Identifier(database.owner)
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database.name,))
    if cursor.fetchone() is None:
        cursor.execute(SQL("CREATE DATABASE {} OWNER {}").format(name, owner))
    cursor.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    for other in database.others:
        cursor.execute(SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, Identifier(other)))
