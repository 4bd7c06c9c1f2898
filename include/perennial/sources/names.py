"""The column names of a file."""

from collections import Counter
from collections.abc import Sequence

from perennial.errors import SchemaMismatch
from perennial.spec.problems import listed


def refuse_doubled(names: Sequence[str], origin: str) -> None:
    """Errors: `SchemaMismatch` when a name is there more than once; it would say two things."""
    doubled = sorted(name for name, count in Counter(names).items() if count > 1)
    if doubled:
        raise SchemaMismatch(f"{origin}: the column {listed(doubled)} is there more than once. Name each differently.")
