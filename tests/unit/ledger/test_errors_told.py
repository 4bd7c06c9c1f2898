"""What the database says of an error is told; the statement that it quotes after that is not."""

import psycopg2
import pytest
from sqlalchemy.exc import DBAPIError, ProgrammingError

from perennial.ledger.postgres.connection import _said
from perennial.published.postgres import _explained

MISSING = 'relation "ledger.snapshots" does not exist\nLINE 2: FROM ledger.snapshots \n             ^\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MISSING, 'relation "ledger.snapshots" does not exist'),
        ("canceling statement due to statement timeout\n", "canceling statement due to statement timeout"),
        ("connection failed:\n\tis the server running?", "connection failed: is the server running?"),
        ("", "ProgrammingError"),
    ],
)
def test_no_statement_is_told(text: str, said: str) -> None:
    error: DBAPIError = ProgrammingError("SELECT * FROM ledger.snapshots", {}, psycopg2.ProgrammingError(text))
    assert _said(error) == said


def test_nor_with_what_the_published_tables_say() -> None:
    told = str(_explained("Reading what is published of parcels", psycopg2.errors.UndefinedTable(MISSING)))
    assert 'failed: relation "ledger.snapshots" does not exist. ' in told
    assert "LINE" not in told
