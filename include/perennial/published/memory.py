"""Published predictions in memory, for tests and dry runs."""

import pyarrow as pa

from perennial.digest import canonical, canonical_types, table_digest
from perennial.errors import SchemaMismatch
from perennial.lease import Lease
from perennial.published.layout import check_keys, database_types, first_key
from perennial.window import Window


class InMemoryPublished:
    """A dict from (use case, window) to rows, and per use case the key and the types of its columns."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, Window], pa.Table] = {}
        self._tokens: dict[tuple[str, Window], int] = {}
        self._keys: dict[str, str] = {}
        self._types: dict[str, dict[str, str]] = {}

    def publish(self, use_case: str, window: Window, rows: pa.Table, lease: Lease | None = None) -> None:
        """See `PublishedPredictions.publish`."""
        if lease is not None:
            lease.refuse_if_passed(self._tokens.get((use_case, window), 0), "the published table")
        rows = canonical_types(rows)
        arriving = database_types(use_case, rows.schema)
        key = self._keys.get(use_case) or first_key(use_case, rows.column_names)
        check_keys(use_case, window, rows, key)
        known = self._types.get(use_case, {})
        changed = sorted(name for name, kind in arriving.items() if known.get(name, kind) != kind)
        if changed:
            raise SchemaMismatch(
                f"{use_case}: {', '.join(changed)} had another type before. Give the column a new name."
            )
        self._keys[use_case] = key
        self._types[use_case] = {**known, **arriving}
        self._rows[use_case, window] = canonical(rows)
        if lease is not None:
            self._tokens[use_case, window] = lease.fencing_token

    def read(self, use_case: str, window: Window) -> pa.Table:
        """See `PublishedPredictions.read`."""
        return self._rows.get((use_case, window), pa.table({}))

    def digest(self, use_case: str, window: Window) -> str:
        """See `PublishedPredictions.digest`."""
        return table_digest(self.read(use_case, window))
