from uuid import uuid4

import psycopg2
import pytest
from tests.servers import Run

from perennial.errors import StoreUnavailable
from perennial_local.postgres import EmbeddedPostgres


def test_a_database_is_created_once_and_answers(postgres: EmbeddedPostgres) -> None:
    name = f"once_{uuid4().hex[:12]}"
    assert postgres.create_database(name) is True
    assert postgres.create_database(name) is False
    connection = psycopg2.connect(postgres.url(name))
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        assert cursor.fetchone()[0].startswith("18")
    connection.close()


def test_a_taken_port_is_told_with_the_end_of_the_log(postgres: EmbeddedPostgres, run: Run) -> None:
    rival = EmbeddedPostgres(run.new_folder("rival") / "data", postgres.port)
    with pytest.raises(StoreUnavailable, match=f"port {postgres.port}.*\n(.*\n)*.*[Aa]ddress already in use"):
        rival.start()
