"""The databases: whether they answer, and have the tables of this version."""

from perennial.doctor.deployment import Deployment
from perennial.doctor.finding import Found, fail, ok
from perennial.errors import StoreUnavailable
from perennial.ledger.postgres.schema import migrate, probe
from perennial.published.names import SCHEMA as PUBLISHED
from perennial.settings import LEDGER_CONNECTION, PUBLISHED_CONNECTION

OLDEST = 14  # of PostgreSQL


def ledger_answers(deployment: Deployment) -> Found:
    """The ledger's database lets its user in."""
    return _answers(deployment, LEDGER_CONNECTION)


def published_answers(deployment: Deployment) -> Found:
    """The published tables' database lets its user in, who may make tables there."""
    found = _answers(deployment, PUBLISHED_CONNECTION)
    if found.todo:
        return found
    rights = probe.rights(deployment.connections.url(PUBLISHED_CONNECTION), PUBLISHED, deployment.patience)
    if not rights.may_create:
        return fail(
            f"{rights.user} may not make tables in the schema {PUBLISHED}",
            f"As an administrator: CREATE SCHEMA IF NOT EXISTS {PUBLISHED}; GRANT USAGE, CREATE ON SCHEMA {PUBLISHED} "
            f"TO {rights.user};",
        )
    foreign = [table.name for table in rights.tables if not table.owns]
    if foreign:
        return fail(
            f"{rights.user} does not own {', '.join(foreign)}, so it can't add columns to them",
            f"As an administrator, for each: ALTER TABLE {PUBLISHED}.… OWNER TO {rights.user};",
        )
    return found


def migrations_are_current(deployment: Deployment) -> Found:
    """The ledger has the tables of this version, no older and no newer ones."""
    waiting = migrate.pending(deployment.connections.url(LEDGER_CONNECTION))
    if waiting:
        return fail(
            f"{len(waiting)} migrations wait: {', '.join(waiting)}",
            "Run `perennial db upgrade`, as the owner of the ledger's tables.",
        )
    return ok(f"at {migrate.current(deployment.connections.url(LEDGER_CONNECTION))}, none waits")


def _answers(deployment: Deployment, name: str) -> Found:
    url = deployment.connections.url(name)
    try:
        seen = probe.server(url, deployment.clock, deployment.patience)
    except StoreUnavailable as error:
        return fail(
            f"the connection {name} does not work: {error}",
            "Is the server up and reachable from here? Are host, user, password and database of the connection right?",
        )
    if seen.major < OLDEST:
        return fail(
            f"PostgreSQL {seen.version} at {seen.place} is older than {OLDEST}", f"Use PostgreSQL {OLDEST} or newer."
        )
    return ok(f"PostgreSQL {seen.version} at {seen.place} lets {seen.user} in")
