"""Commands for the ledger's database."""

import typer

from perennial.cli.session import Session, console
from perennial.settings import LEDGER_CONNECTION, LEDGER_READER, PUBLISHED_CONNECTION, PUBLISHED_READER

app = typer.Typer(help="The ledger's tables.", no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Bring the ledger's tables up to date."""
    from perennial.ledger.postgres.schema import migrate

    applied = migrate.upgrade(_ledger_url())
    console.print(f"applied {', '.join(applied)}" if applied else "up to date", highlight=False)


@app.command()
def current() -> None:
    """Show the revision of the ledger's tables, and the ones still to be applied."""
    from perennial.ledger.postgres.schema import migrate

    url = _ledger_url()
    waiting = ", ".join(migrate.pending(url)) or "none"
    console.print(f"at {migrate.current(url) or 'nothing'}, waiting: {waiting}", highlight=False)


@app.command()
def readers() -> None:
    """Let the users of the connections of the review pages read the ledger and the published tables, and nothing else.

    Once is enough: tables that come later are readable, too. A user who is not there is created.
    """
    from perennial.ledger.postgres.schema.readers import prepare_reader
    from perennial.ledger.postgres.schema.tables import SCHEMA as LEDGER
    from perennial.published.names import SCHEMA as PUBLISHED

    connections = Session().connections
    for owner, reader, schema in (
        (LEDGER_CONNECTION, LEDGER_READER, LEDGER),
        (PUBLISHED_CONNECTION, PUBLISHED_READER, PUBLISHED),
    ):
        user = prepare_reader(connections.url(owner), connections.url(reader), schema)
        console.print(f"{user} may read the schema {schema}", highlight=False)


def _ledger_url() -> str:
    return Session().connections.url(LEDGER_CONNECTION)
