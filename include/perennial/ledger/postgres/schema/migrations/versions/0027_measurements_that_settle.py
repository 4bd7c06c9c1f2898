"""Which windows are settled is found by the measurements that settle them, without going through all others."""

from perennial.ledger.postgres.schema.online import make_index

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_SETTLES = "maturity = 'final' AND (labelled + without_outcome > 0 OR rows = 0) OR maturity = 'given_up'"


def upgrade() -> None:
    """Make the indexes."""
    for name, which in (("settling", _SETTLES), ("unsettled", f"NOT ({_SETTLES})")):
        make_index(
            f"ix_performance_{name}",
            "performance",
            "use_case, (as_of - window_end)",
            include="window_start, window_end, revision, as_of",
            where=which,
        )
