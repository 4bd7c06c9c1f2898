"""The ledger's table of measurements: how good the predictions of a window were, as it was known at a moment."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Double, Index, Text

from perennial.ledger.postgres.schema.columns import (
    at_least,
    count_column,
    instant_column,
    json_column,
    one_of,
    text_column,
    windowed_table,
)
from perennial.performance.maturity import Maturity
from perennial.verdict import Verdict

performance = windowed_table(
    "performance",
    ("revision", "as_of", "labels_version"),
    count_column("revision"),
    text_column("model_version"),
    text_column("model_digest"),
    instant_column("as_of"),
    text_column("maturity"),
    count_column("rows"),
    count_column("labelled"),
    count_column("without_outcome"),
    Column("completeness", Double, nullable=False),
    text_column("verdict"),
    json_column("metrics"),
    json_column("intervals"),
    json_column("estimates"),
    json_column("arrivals"),
    json_column("label_drift"),
    Column("labels_version", BigInteger),
    Column("labels_digest", Text),
    at_least("revision", 0),
    one_of("maturity", Maturity),
    at_least("rows", 0),
    CheckConstraint("labelled BETWEEN 0 AND rows", name="labelled"),
    CheckConstraint("without_outcome BETWEEN 0 AND rows - labelled", name="without_outcome"),
    CheckConstraint("completeness BETWEEN 0 AND 1", name="completeness"),
    one_of("verdict", Verdict),
    Index(
        "ix_performance_newest",
        *("use_case", "window_start", "window_end", "revision", "as_of", "id"),
        postgresql_include=["maturity", "rows", "labelled", "without_outcome"],
    ),
)
