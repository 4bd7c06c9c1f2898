"""What befalls a commit to a Delta table, whichever of the two ways makes it."""

from collections.abc import Callable

import pytest

from perennial.lake.delta import DeltaLake
from perennial.lake.replayed import ReplayedVersion
from perennial.lake.table_version import OpenedVersion, TableVersion
from perennial.lake.tables import Tables

Make = Callable[[], int]


class OpenedLake(DeltaLake):
    """A lake that always has deltalake open its tables, as other tables than ours are opened."""

    def __init__(self, url: str, storage_options: dict[str, str]) -> None:
        super().__init__(url, storage_options)
        self._tables = OpenedTables(url, storage_options)


class OpenedTables(Tables):
    def _latest(self, table: str) -> TableVersion | None:
        return self.opened(table)


def befalls(monkeypatch: pytest.MonkeyPatch, what: Callable[[TableVersion, Make], int]) -> None:
    """From now on `what` is called instead of each commit, with the version it is put after and what makes it."""
    for kind in (OpenedVersion, ReplayedVersion):
        real = kind.commit

        def commit(self: TableVersion, *given: object, real: Callable[..., int] = real) -> int:
            return what(self, lambda: real(self, *given))

        monkeypatch.setattr(kind, "commit", commit)
