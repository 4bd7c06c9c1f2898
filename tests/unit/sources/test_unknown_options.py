"""An option that libpq does not know is named by whatever connects, and the connection string is not shown."""

from collections.abc import Callable

import pytest

from perennial import clock
from perennial.errors import InvalidSettings, StoreUnavailable
from perennial.ledger.postgres.schema import probe
from perennial.ledger.postgres.schema.readers import prepare_reader
from perennial.ledger.postgres.schema.writers import prepare_writer
from perennial.published.postgres import PostgresPublished
from perennial.sources.peek import peek_query
from perennial.window import Window

OWNER = "postgresql://owner:secret@127.0.0.1:1/facts?ssl_mode=require"
OTHER = "postgresql://other:secret@127.0.0.1:1/facts"
DAY = Window.parse("2024-01-01T00:00Z--2024-01-02T00:00Z")

WAYS: dict[str, Callable[[], object]] = {
    "The writing connection to the schema 'ledger'": lambda: prepare_reader(OWNER, OTHER, "ledger"),
    "The connection of the ledger's owner": lambda: prepare_writer(OWNER, OTHER),
    "The database can't be reached": lambda: peek_query(OWNER, "SELECT 1", "source.sql", {}, 1),
    "Publishing|Reading|Looking": lambda: PostgresPublished(OWNER).read("flights", DAY),
}


@pytest.mark.parametrize("told", WAYS)
def test_an_unknown_option_is_named(told: str) -> None:
    with pytest.raises(InvalidSettings, match=rf"{told}.*the connection has the extra 'ssl_mode'") as caught:
        WAYS[told]()
    assert "secret" not in str(caught.value)


def test_doctor_names_it_too() -> None:
    with pytest.raises(StoreUnavailable, match="the connection has the extra 'ssl_mode'"):
        probe.server(OWNER, clock.now, 2.0)
