"""The versions of a table in memory: what each partition held from which version on.

A commit adds to the partitions that it changes, and looks at no other, however many there are.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping
from enum import Enum
from typing import TypeAlias

import pyarrow as pa


class Gone(Enum):
    """Why a partition holds no rows from a version on: it was taken out, or what was there was erased."""

    ABSENT = "absent"
    ERASED = "erased"


Held: TypeAlias = pa.Table | Gone


class TableHistory:
    """All versions of one table. `schemas` has the columns of each version."""

    def __init__(self) -> None:
        self.schemas: list[pa.Schema] = []
        self._from: dict[str, list[int]] = {}  # by partition the versions that changed it …
        self._held: dict[str, list[Held]] = {}  # … and what it held from each of them on

    @property
    def partitions(self) -> KeysView[str]:
        """Every partition that was ever committed."""
        return self._held.keys()

    @property
    def newest(self) -> int | None:
        """The present version, None before the first."""
        return len(self.schemas) - 1 if self.schemas else None

    def has(self, version: int) -> bool:
        """Whether there is such a version."""
        return 0 <= version < len(self.schemas)

    def commit(self, schema: pa.Schema, changed: Mapping[str, Held]) -> int:
        """Add a version in which these partitions hold this, and all others what they held; its number."""
        self.schemas.append(schema)
        for partition, held in changed.items():
            self._from.setdefault(partition, []).append(len(self.schemas) - 1)
            self._held.setdefault(partition, []).append(held)
        return len(self.schemas) - 1

    def at(self, partition: str, version: int) -> Held:
        """What the partition held in that version."""
        position = bisect_right(self._from.get(partition, []), version) - 1
        return self._held[partition][position] if position >= 0 else Gone.ABSENT

    def present(self) -> dict[str, pa.Table]:
        """What the present version has, by partition."""
        last = {partition: held[-1] for partition, held in self._held.items()}
        return {partition: held for partition, held in last.items() if isinstance(held, pa.Table)}

    def tables(self) -> Iterator[pa.Table]:
        """What was ever committed and is still there."""
        for held in self._held.values():
            yield from (each for each in held if isinstance(each, pa.Table))

    def erase(self, partitions: Iterable[str]) -> None:
        """Let every version refuse what it held of the partitions, the present one, too."""
        for partition in partitions:
            held = self._held[partition]
            self._held[partition] = [Gone.ERASED if isinstance(each, pa.Table) else each for each in held]

    def rewrite(self, change: Callable[[pa.Table], pa.Table]) -> None:
        """Put in the place of everything that was committed what `change` makes of it."""
        for partition, held in self._held.items():
            self._held[partition] = [change(each) if isinstance(each, pa.Table) else each for each in held]

    def copy(self) -> "TableHistory":
        """The same versions; what is committed to either is not in the other."""
        other = TableHistory()
        other.schemas = list(self.schemas)
        other._from = {partition: list(versions) for partition, versions in self._from.items()}
        other._held = {partition: list(held) for partition, held in self._held.items()}
        return other
