"""What the database says of an error is told; the statement that it quotes after that is not."""

import psycopg2
import pytest
from sqlalchemy.exc import DBAPIError, ProgrammingError

from perennial.ledger.connection import _said

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
