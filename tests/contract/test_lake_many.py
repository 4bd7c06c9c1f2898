"""Many partitions at once, in every lake: one commit for all of them, and one look at the table."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from tests.contract.commits import Make, befalls

from perennial.digest import canonical, table_digest
from perennial.errors import LeaseLost, RowsLost, SchemaMismatch
from perennial.lake import log_archive
from perennial.lake.delta import DeltaLake
from perennial.lake.port import Lake
from perennial.lake.table_version import TableVersion
from perennial.lake.tables import Tables
from perennial.lease import Lease
from perennial.window import Window

TABLE = "raw/flights"
NAMES = [f"2013-03-0{day}T00:00Z--2013-03-0{day + 1}T00:00Z" for day in range(1, 6)]
FIRST, SECOND, THIRD, FOURTH, FIFTH = NAMES


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "note": pa.array(["ü"] * len(ids), pa.string())})


def lease(token: int) -> Lease:
    window = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
    return Lease("flights", window, token, contested=False)


def test_many_partitions_are_one_version(lake: Lake) -> None:
    given = {FIRST: rows(2, 1), SECOND: rows(3), THIRD: rows()}
    commits = lake.replace_many(TABLE, given, {})
    assert {each.version for each in commits.values()} == {lake.version(TABLE)}
    for partition, commit in commits.items():
        found = lake.read(TABLE, partition, version=commit.version)
        assert found.equals(canonical(given[partition]))
        assert (commit.table, commit.rows, commit.digest) == (TABLE, found.num_rows, table_digest(found))
    assert lake.partitions(TABLE) == [FIRST, SECOND]


def test_none_at_all_are_no_version(lake: Lake) -> None:
    assert lake.replace_many(TABLE, {}, {}) == {}
    assert lake.version(TABLE) is None


def test_a_version_of_many_is_read_without_opening_the_table(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = lake.replace_many(TABLE, {FIRST: rows(1), SECOND: rows(2, 3), THIRD: rows()}, {})
    own = lake.replace(TABLE, FOURTH, rows(4))
    lake.replace(TABLE, FIRST, rows(9))
    monkeypatch.setattr(Tables, "at", lambda *_: pytest.fail("the table was looked at"))
    assert lake.read(TABLE, SECOND, version=commits[SECOND].version).num_rows == 2
    versions = {name: each.version for name, each in commits.items()} | {FOURTH: own.version}
    found = lake.read_many(TABLE, versions)
    assert {name: each.num_rows for name, each in found.items()} == {FIRST: 1, SECOND: 2, THIRD: 0, FOURTH: 1}
    assert found[FIRST].column("id").to_pylist() == [1]


def test_only_what_changes_is_written(lake: Lake) -> None:
    first = lake.replace_many(TABLE, {FIRST: rows(1), SECOND: rows(2)}, {})
    assert lake.replace_many(TABLE, {SECOND: rows(2), FIRST: rows(1)}, {}) == first
    again = lake.replace_many(TABLE, {FIRST: rows(1), SECOND: rows(5), THIRD: rows(3)}, {})
    assert {each.version for each in again.values()} == {first[FIRST].version + 1}
    assert lake.changed_since(TABLE, {name: first[name].version for name in (FIRST, SECOND)}) == {SECOND}
    assert lake.changed_since(TABLE, {name: again[name].version for name in (SECOND, THIRD)}) == set()
    versions: dict[str, int | None] = {FIRST: again[FIRST].version, SECOND: first[SECOND].version, THIRD: None}
    found = lake.read_many(TABLE, {**versions, FOURTH: None, FIFTH: first[FIRST].version})
    assert {name: each.num_rows for name, each in found.items()} == {
        **dict.fromkeys((FIRST, SECOND, THIRD), 1),
        **dict.fromkeys((FOURTH, FIFTH), 0),
    }
    assert found[SECOND].column("id").to_pylist() == [2]
    assert found[FOURTH].schema == canonical(rows()).schema


def test_what_is_not_there_is_read_as_ever(lake: Lake) -> None:
    assert lake.read_many(TABLE, {FIRST: None})[FIRST].num_rows == 0
    lake.replace(TABLE, FIRST, rows(1))
    with pytest.raises(RowsLost, match="has no version 77"):
        lake.read_many(TABLE, {FIRST: None, SECOND: 77})


def test_new_columns_come_in_with_many(lake: Lake) -> None:
    lake.replace(TABLE, FIRST, rows(1))
    wide = rows(3).append_column("extra", pa.array(["x"]))
    commits = lake.replace_many(TABLE, {SECOND: wide, THIRD: rows(4)}, {})
    assert lake.read(TABLE, FIRST).equals(canonical(rows(1)))
    assert lake.read(TABLE, SECOND, version=commits[SECOND].version).equals(canonical(wide))
    assert lake.read(TABLE, THIRD).equals(canonical(rows(4)))
    changed = rows(2).set_column(0, "id", pa.array(["2"]))
    with pytest.raises(SchemaMismatch, match="id is int64 in the table and arrives as string"):
        lake.replace_many(TABLE, {FOURTH: rows(5), FIFTH: changed}, {})
    assert lake.partitions(TABLE) == [FIRST, SECOND, THIRD]


def test_one_partition_that_was_taken_over_keeps_all_from_being_written(lake: Lake) -> None:
    lake.replace_many(TABLE, {FIRST: rows(1), SECOND: rows(2)}, {FIRST: lease(5), SECOND: lease(6)})
    lake.fence(TABLE, {SECOND: lease(6)})
    late = {FIRST: lease(5), SECOND: lease(5)}
    with pytest.raises(LeaseLost):
        lake.replace_many(TABLE, {FIRST: rows(7), SECOND: rows(8)}, late)
    with pytest.raises(LeaseLost):
        lake.fence(TABLE, late)
    with pytest.raises(LeaseLost):
        lake.replace(TABLE, SECOND, rows(8), lease(5))
    assert lake.read(TABLE, FIRST).column("id").to_pylist() == [1]
    lake.replace(TABLE, FIRST, rows(7), lease(5))


def test_many_are_fenced_at_once(lake: Lake) -> None:
    leases = {FIRST: lease(7), SECOND: lease(8)}
    lake.fence(TABLE, leases)
    version = lake.version(TABLE)
    lake.fence(TABLE, leases)
    assert lake.version(TABLE) == version
    for partition, token in ((FIRST, 6), (SECOND, 7)):
        with pytest.raises(LeaseLost):
            lake.replace(TABLE, partition, rows(1), lease(token))
    assert lake.partitions(TABLE) == []
    lake.replace_many(TABLE, {FIRST: rows(1), SECOND: rows(2)}, leases)


def test_one_file_is_left_of_a_partition_that_another_engine_split(folder: DeltaLake) -> None:
    folder.replace_many(TABLE, {FIRST: rows(1), SECOND: rows(2)}, {})
    more = rows(3).append_column("partition_key", pa.array([FIRST]))
    write_deltalake(folder.location(TABLE), more, mode="append")
    assert folder.read_many(TABLE, {FIRST: None})[FIRST].column("id").to_pylist() == [1, 3]
    commits = folder.replace_many(TABLE, {FIRST: rows(1, 3), SECOND: rows(4)}, {})
    assert folder.read(TABLE, FIRST, version=commits[FIRST].version).num_rows == 2
    assert folder.read(TABLE, SECOND).column("id").to_pylist() == [4]


def test_whoever_loses_the_race_looks_again(folder: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.replace(TABLE, FIRST, rows(1))
    rival = DeltaLake(folder.location("").rstrip("/"), {})
    tried: list[int] = []

    def second(before: TableVersion, commit: Make) -> int:
        tried.append(before.number)
        if len(tried) == 1:
            rival.replace(TABLE, SECOND, rows(2))
            tried.pop()
        return commit()

    befalls(monkeypatch, second)
    commits = folder.replace_many(TABLE, {SECOND: rows(2), THIRD: rows(3)}, {})
    assert tried == [1, 2]
    assert {each.version for each in commits.values()} == {3}
    assert sorted(name for name in folder.partitions(TABLE)) == [FIRST, SECOND, THIRD]


def test_an_answer_that_was_lost_is_found_and_nothing_is_written_twice(
    folder: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def lost(_: TableVersion, commit: Make) -> int:
        made.append(commit())
        raise CommitFailedError("the answer did not come")

    befalls(monkeypatch, lost)
    commits = folder.replace_many(TABLE, {FIRST: rows(1), SECOND: rows(2)}, {})
    assert made == [commits[FIRST].version] == [folder.version(TABLE)]


def test_what_each_partition_has_seen_is_as_deltalake_tells_it(folder: DeltaLake) -> None:
    """From checkpoint and commits together."""
    for token in range(1, 30):
        held = {name: lease(token + number) for number, name in enumerate(NAMES) if token % (number + 1) == 0}
        folder.fence(TABLE, held)
    delta = DeltaTable(folder.location(TABLE))
    assert log_archive.last_checkpoint(folder._tables.filesystem, folder.location(TABLE)) == 19
    found = folder._tables.at(TABLE)
    assert found is not None
    assert found.tokens_of(NAMES) == {name: delta.transaction_version(name) for name in NAMES}


def test_leases_are_looked_at_where_another_engine_wrote_the_checkpoint(folder: DeltaLake) -> None:
    for token in range(1, 23):
        folder.fence(TABLE, {FIRST: lease(token)})
    (checkpoint,) = Path(folder.location(TABLE), "_delta_log").glob("*.checkpoint.parquet")
    checkpoint.rename(checkpoint.with_suffix(".0000000001.0000000001.parquet"))
    with pytest.raises(LeaseLost):
        folder.replace_many(TABLE, {FIRST: rows(0)}, {FIRST: lease(21)})
