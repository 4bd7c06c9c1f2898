"""Who may do what in the databases: writers append, readers read."""

from collections.abc import Sequence

from perennial.doctor.deployment import Deployment
from perennial.doctor.finding import Found, fail, ok, warn
from perennial.errors import InvalidSettings
from perennial.ledger.postgres.schema import probe
from perennial.ledger.postgres.schema.probe import CHANGING, Rights, TableRights
from perennial.ledger.postgres.schema.tables import SCHEMA as LEDGER
from perennial.ledger.postgres.schema.writers import REDACT
from perennial.published.names import SCHEMA as PUBLISHED
from perennial.settings import LEDGER_CONNECTION, LEDGER_READER, PUBLISHED_READER

_REDACT = f"{LEDGER}.{REDACT}"


def ledger_writer_appends(deployment: Deployment) -> Found:
    """The ledger's user may read and append, and the database keeps it from changing what is recorded."""
    url = deployment.connections.url(LEDGER_CONNECTION)
    found = probe.rights(url, LEDGER, deployment.patience)
    recorded = [table for table in found.tables if table.name not in CHANGING]
    if not recorded:
        return fail(
            "the ledger has no tables yet", "Run `perennial db upgrade` as the database user that shall own them."
        )
    if lacking := _lacking(found):
        return fail(f"{found.user} lacks rights that every run needs: {lacking}", _grants(found))
    unguarded = [table.name for table in recorded if not table.append_only]
    if unguarded:
        return fail(
            f"nothing keeps entries from being changed in {_names(unguarded)}: the trigger append_only is gone or off",
            "Find out who removed it, and what was done since: `perennial ledger verify`. Then create it again, as "
            "migration 0001 does.",
        )
    if said := _too_much(found, recorded):
        return warn(
            f"{said}. A trigger refuses changes to entries, and this user can remove that trigger",
            f"Let another role own the schema {LEDGER} and run `perennial db upgrade`; give this user SELECT and "
            f"INSERT, UPDATE on {LEDGER}.leases only, and EXECUTE on the function {_REDACT}.",
        )
    if not probe.may_call(url, _REDACT, deployment.patience):
        return warn(
            f"{found.user} may not call {_REDACT.partition('(')[0]}, so `perennial erase` can't finish",
            f"As the owner: GRANT EXECUTE ON FUNCTION {_REDACT} TO {found.user};",
        )
    return ok(f"{found.user} may read and append, and can't change or delete what is recorded")


def ledger_reader_only_reads(deployment: Deployment) -> Found:
    """The user of the review pages may read the ledger, and nothing else."""
    return _reader(deployment, LEDGER_READER, LEDGER)


def published_reader_only_reads(deployment: Deployment) -> Found:
    """The same for the published tables."""
    return _reader(deployment, PUBLISHED_READER, PUBLISHED)


def _reader(deployment: Deployment, name: str, schema: str) -> Found:
    try:
        url = deployment.connections.url(name)
    except InvalidSettings:
        return warn(
            f"there is no connection {name}: the review pages read as a user who may write, in sessions that only read",
            f"Add the connection {name} with a separate user, and run `perennial db readers`.",
        )
    found = probe.rights(url, schema, deployment.patience)
    unreadable = [table.name for table in found.tables if not table.select]
    if unreadable or not found.may_use:
        return fail(
            f"{found.user} may not read {_names(unreadable) if found.may_use else f'the schema {schema}'}",
            f"Run `perennial db readers`, or: GRANT USAGE ON SCHEMA {schema} TO {found.user}; "
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {found.user};",
        )
    writable = [each.name for each in found.tables if each.insert or each.update or each.delete or each.truncate]
    if found.is_superuser or writable:
        what = "is a superuser" if found.is_superuser else f"may also write {_names(writable)}"
        return fail(
            f"the review pages read as {found.user}, who {what}",
            f"Put a separate user into the connection {name}, or take the rights away: REVOKE INSERT, UPDATE, DELETE, "
            f"TRUNCATE ON ALL TABLES IN SCHEMA {schema} FROM {found.user};",
        )
    return ok(f"{found.user} may read {len(found.tables)} tables of the schema {schema}, and change none")


def _lacking(found: Rights) -> str:
    wanted = [
        *(f"{what} on {table.name}" for table in found.tables for what in _missing(table)),
        *([] if found.may_use else [f"USAGE on the schema {LEDGER}"]),
    ]
    return ", ".join(wanted[:3]) + (f" and {len(wanted) - 3} more" if len(wanted) > 3 else "")  # noqa: PLR2004


def _missing(table: TableRights) -> Sequence[str]:
    needed = {"SELECT": table.select}
    if table.name != "alembic_version":
        needed["INSERT"] = table.insert
    if table.name == "leases":
        needed["UPDATE"] = table.update
    return [what for what, has in needed.items() if not has]


def _too_much(found: Rights, recorded: Sequence[TableRights]) -> str:
    if found.is_superuser:
        return f"{found.user} is a superuser"
    if owned := [table.name for table in recorded if table.owns]:
        return f"{found.user} owns {_names(owned)}"
    changeable = [table.name for table in recorded if table.update or table.delete or table.truncate]
    return f"{found.user} has the right to UPDATE, DELETE or TRUNCATE {_names(changeable)}" if changeable else ""


def _grants(found: Rights) -> str:
    return (
        f"As the owner: GRANT USAGE ON SCHEMA {LEDGER} TO {found.user}; GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA "
        f"{LEDGER} TO {found.user}; GRANT UPDATE ON {LEDGER}.leases TO {found.user}; "
        f"GRANT EXECUTE ON FUNCTION {_REDACT} TO {found.user};"
    )


def _names(names: Sequence[str]) -> str:
    first = ", ".join(names[:3])
    return f"{first} and {len(names) - 3} more tables" if len(names) > 3 else first  # noqa: PLR2004
