"""The ledger's table of measurements: how good the predictions of a window were, as it was known at a moment."""

from datetime import timedelta

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    FromClause,
    Index,
    Interval,
    Text,
    and_,
    or_,
    type_coerce,
)

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


def settles(measurements: FromClause) -> ColumnElement[bool]:
    """Whether a measurement settles its revision: see `perennial.ledger.rules.settled`."""
    of = measurements.c
    final = and_(of.maturity == Maturity.FINAL.value, or_(of.labelled + of.without_outcome > 0, of.rows == 0))
    return or_(final, of.maturity == Maturity.GIVEN_UP.value)


def age_of(measurements: FromClause) -> ColumnElement[timedelta]:
    """How long after its window's end a measurement is as of."""
    return type_coerce(measurements.c.as_of - measurements.c.window_end, Interval)


# Of a window's measurements one settles it, as a rule, and it is the newest one.
_WINDOW = ["window_start", "window_end", "revision", "as_of"]
_AGE = (performance.c.use_case, age_of(performance))
Index("ix_performance_settling", *_AGE, postgresql_include=_WINDOW, postgresql_where=settles(performance))
Index("ix_performance_unsettled", *_AGE, postgresql_include=_WINDOW, postgresql_where=~settles(performance))
