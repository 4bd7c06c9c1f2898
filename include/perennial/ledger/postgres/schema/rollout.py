"""The ledger's tables of roll-outs (see `perennial.ledger.entries.rollout`)."""

from sqlalchemy import Column, Double

from perennial.ledger.postgres.schema.columns import at_least, count_column, instant_column, text_column, windowed_table

shadow_batches = windowed_table(
    "shadow_batches",
    ("revision", "challenger_digest"),
    count_column("revision"),
    text_column("champion_digest"),
    text_column("challenger_version"),
    text_column("challenger_digest"),
    text_column("snapshot_digest"),
    text_column("suite_digest"),
    text_column("scoring_digest"),
    text_column("table"),
    count_column("version"),
    text_column("digest"),
    count_column("rows"),
    count_column("fencing_token"),
    text_column("code_version"),
    text_column("lock_digest"),
    at_least("rows", 0),
)

paired_gains = windowed_table(
    "paired_gains",
    ("champion_digest", "challenger_digest", "as_of"),
    count_column("revision"),
    text_column("champion_digest"),
    text_column("challenger_digest"),
    text_column("metric"),
    instant_column("as_of"),
    Column("gain", Double),
    Column("champion", Double),
    Column("challenger", Double),
    count_column("rows"),
    at_least("rows", 0),
)
