"""Runs the migrations on the connection that `migrate` opened, inside its transaction."""

from alembic import context

from perennial.ledger.postgres.schema.tables import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
)
with context.begin_transaction():
    context.run_migrations()
