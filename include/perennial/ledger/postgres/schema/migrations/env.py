"""Runs a migration on the connection that `migrate` opened, in a transaction of its own."""

from alembic import context

from perennial.ledger.postgres.schema.tables import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
