"""Delta tables that are held open while many partitions are read in one go."""

from collections.abc import Callable

from deltalake import DeltaTable

from perennial.lake.delta_log import DataFile, Listing

Key = tuple[str, int | None]  # a table, and its version; None for the present one


class HeldTables:
    """What is held, by table and version, and the list of files of each.

    The present version is brought up to date when it is asked for. That lists the table's log, which on a disk takes
    longer the more commits there were; so it is done only where the log has a newer one.
    """

    def __init__(self) -> None:
        self._held: dict[Key, DeltaTable | None] = {}
        self._listed: dict[Key, Listing] = {}

    def keep(self, table: str, version: int | None, opened: DeltaTable | None) -> None:
        """Hold what was opened; None where the table is not there yet."""
        self._held[table, version] = opened

    def let_go(self, table: str, version: int | None) -> None:
        """Hold it no longer."""
        self._held.pop((table, version), None)
        self._listed.pop((table, version), None)

    def find(self, table: str, version: int | None, is_followed: Callable[[int], bool]) -> DeltaTable | None:
        """The table as of that version, if it is held. `is_followed` says whether its log has the commit after one.

        Errors: those of deltalake.
        """
        held = self._held.get((table, version))
        if version is None:
            if held is not None and is_followed(held.version()):
                held.update_incremental()
            return held
        present = self._held.get((table, None))  # it moves on: what was that version a moment ago may be a newer one
        return next((each for each in (held, present) if each is not None and each.version() == version), None)

    def files_of(self, delta: DeltaTable, partition: str) -> list[DataFile]:
        """The partition's files in the version that is open; of a table that is held, all are listed only once."""
        key = next((key for key, held in self._held.items() if held is delta), None)
        listing = self._listed.get(key) if key else None
        if listing is None or listing.version != delta.version():
            listing = Listing(delta)
            if key:
                self._listed[key] = listing
        return listing.of(partition)
