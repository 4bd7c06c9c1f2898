"""A change of Airflow's Fernet key, as docs/operations.md has it, on a database of Airflow's own; in its own process.

It prints, as JSON, of each stage what a connection's password reads as, or that it can't be read.
"""

import json
import os
import sys
from argparse import Namespace

from airflow import settings
from airflow.cli.commands.rotate_fernet_key_command import rotate_fernet_key
from airflow.models import Connection, crypto, import_all_models
from airflow.models.base import Base
from airflow.utils import db
from airflow.utils.session import create_session
from alembic import command
from cryptography.fernet import InvalidToken


def password(keys: str) -> str | None:
    """The connection's password with these keys; None where they can't decrypt it."""
    with_keys(keys)
    with create_session() as session:
        try:
            return str(session.query(Connection).filter(Connection.conn_id == "shop").one().password)
        except InvalidToken:
            return None


def with_keys(keys: str) -> None:
    os.environ["AIRFLOW__CORE__FERNET_KEY"] = keys
    crypto.get_fernet.cache_clear()


def main(old: str, new: str) -> None:
    import_all_models()
    Base.metadata.create_all(settings.engine)
    command.stamp(db._get_alembic_config(), "heads")  # the command looks whether the tables are those of its version
    with_keys(old)
    with create_session() as session:
        session.add(Connection(conn_id="shop", conn_type="postgres", password="opened"))
    told = {"before": password(old), "new alone": password(new), "both": password(f"{new},{old}")}
    rotate_fernet_key(Namespace())
    told |= {"rotated, new": password(new), "rotated, old": password(old)}
    print(json.dumps(told))


main(*sys.argv[1:])
