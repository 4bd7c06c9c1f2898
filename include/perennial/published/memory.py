"""Published predictions in memory, for tests and dry runs."""

from collections.abc import Mapping
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from perennial.digest import table_digest
from perennial.errors import SchemaMismatch
from perennial.lease import Lease
from perennial.ordered import OrderedTable, Rows
from perennial.published.layout import (
    arranged,
    check_keys,
    database_types,
    ended_comment,
    first_key,
    refuse_doubled_keys,
)
from perennial.published.port import PublishedSize, PublishedWindow
from perennial.published.provenance import batches_of
from perennial.window import Window


class InMemoryPublished:
    """A dict from (use case, window) to rows, and per use case the key and the types of its columns."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, Window], pa.Table] = {}
        self._tokens: dict[tuple[str, Window], int] = {}
        self._keys: dict[str, str] = {}
        self._types: dict[str, dict[str, str]] = {}
        self._ended: dict[str, str] = {}

    def publish(self, use_case: str, window: Window, rows: Rows, lease: Lease | None = None) -> None:
        """See `PublishedPredictions.publish`."""
        if lease is not None:
            lease.refuse_if_passed(self._tokens.get((use_case, window), 0), "the published table")
        names = arranged(rows.schema.names)
        rows = OrderedTable.of(rows) if isinstance(rows, pa.Table) else rows
        arriving = database_types(use_case, rows.schema)
        key = self._keys.get(use_case) or first_key(use_case, names)
        batches_of(use_case, window, rows.schema, rows.chunks())
        check_keys(use_case, window, rows, key)
        refuse_doubled_keys(use_case, window, rows, key)
        known = self._types.get(use_case, {})
        changed = sorted(name for name, kind in arriving.items() if known.get(name, kind) != kind)
        if changed:
            raise SchemaMismatch(
                f"{use_case}: {', '.join(changed)} had another type before. Give the column a new name."
            )
        self._keys[use_case] = key
        self._types[use_case] = {**known, **arriving}
        self._rows[use_case, window] = rows.table()
        if lease is not None:
            self._tokens[use_case, window] = lease.fencing_token

    def read(self, use_case: str, window: Window) -> pa.Table:
        """See `PublishedPredictions.read`."""
        return self._rows.get((use_case, window), pa.table({}))

    def windows(self, use_case: str, start: datetime, end: datetime) -> list[Window]:
        """See `PublishedPredictions.windows`."""
        there = (window for (name, window), rows in self._rows.items() if name == use_case and rows.num_rows)
        return sorted((each for each in there if start <= each.start and each.end <= end), key=lambda each: each.start)

    def overview(self, use_case: str, start: datetime, end: datetime) -> Mapping[Window, PublishedWindow]:
        """See `PublishedPredictions.overview`."""
        found: dict[Window, PublishedWindow] = {}
        for window in self.windows(use_case, start, end):
            rows = self._rows[use_case, window]
            revisions = pc.unique(rows.column("revision")).to_pylist()
            found[window] = PublishedWindow(rows.num_rows, revisions[0] if len(revisions) == 1 else None, at_once=True)
        return found

    def mark_ended(self, use_case: str, at: datetime, reason: str) -> None:
        """See `PublishedPredictions.mark_ended`."""
        self._ended[use_case] = ended_comment(at, reason)

    def ended(self, use_case: str) -> str | None:
        """See `PublishedPredictions.ended`."""
        return self._ended.get(use_case)

    def size(self, use_case: str) -> PublishedSize:
        """See `PublishedPredictions.size`."""
        held = [rows for (name, _), rows in self._rows.items() if name == use_case]
        return PublishedSize(sum(rows.num_rows for rows in held), sum(rows.nbytes for rows in held))

    def erase(self, use_case: str) -> PublishedSize:
        """See `PublishedPredictions.erase`."""
        found = self.size(use_case)
        self._rows = {name: rows for name, rows in self._rows.items() if name[0] != use_case}
        return found

    def remove(self, use_case: str, until: datetime) -> int:
        """See `PublishedPredictions.remove`."""
        old = [key for key in self._rows if key[0] == use_case and key[1].end <= until]
        removed = sum(int(self._rows[key].num_rows) for key in old)
        self._rows |= {key: self._rows[key].slice(0, 0) for key in old}
        return removed

    def digest(self, use_case: str, window: Window) -> str:
        """See `PublishedPredictions.digest`."""
        return table_digest(self.read(use_case, window))
