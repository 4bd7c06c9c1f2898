"""One suite for every lake: in memory, Delta tables in a folder, Delta tables on S3."""

import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import CommitFailedError
from tests.contract.commits import Make, OpenedLake, befalls
from tests.waiting import PATIENCE, ended, wait_until

from perennial import clock
from perennial import ordered as ordered_rows
from perennial.digest import canonical, table_digest
from perennial.errors import LeaseLost, RowsLost, RowsRemoved, SchemaMismatch, StoreUnavailable
from perennial.lake import committing, forgetting, old_files
from perennial.lake.delta import DeltaLake
from perennial.lake.port import Forgotten, Keep, Lake
from perennial.lake.storage import environment_options, storage_options
from perennial.lake.table_version import OpenedVersion, TableVersion
from perennial.lake.tables import Tables
from perennial.lease import Lease
from perennial.ordered import OrderedTable, ordered
from perennial.window import Window

TABLE = "raw/flights"
FIRST = "2013-03-01T00:00Z--2013-03-02T00:00Z"
SECOND = "2013-03-02T00:00Z--2013-03-03T00:00Z"
NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)


def rows(*ids: int, note: str = "ü") -> pa.Table:
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "at": pa.array([NOON] * len(ids), pa.timestamp("us", "UTC")),
            "note": pa.array([note] * len(ids), pa.string()),
            "delay": pa.array([id / 3 for id in ids], pa.float64()),
        }
    )


def test_rows_come_back_in_canonical_order_and_types(lake: Lake) -> None:
    given = rows(3, 1, 2)
    given = given.set_column(2, "note", given.column("note").cast(pa.dictionary(pa.int8(), pa.large_string())))
    given = given.set_column(1, "at", given.column("at").cast(pa.timestamp("ns", "Asia/Tokyo")))
    commit = lake.replace(TABLE, FIRST, given)
    found = lake.read(TABLE, FIRST)
    assert found.equals(canonical(rows(1, 2, 3)))
    assert (commit.table, commit.rows, commit.digest) == (TABLE, 3, table_digest(found))


@pytest.mark.parametrize("run_bytes", [1, 10**9])
def test_rows_that_are_sorted_outside_of_memory_are_committed_like_any_others(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, run_bytes: int
) -> None:
    monkeypatch.setattr(ordered_rows, "CHUNK_ROWS", 4)  # so that the file is read in chunks
    with ordered([rows(3, 1, 7), rows(9, 2, 0)], run_bytes) as found:
        commit = lake.replace(TABLE, FIRST, found)
        assert lake.replace(TABLE, FIRST, found) == commit
        assert lake.replace(TABLE, FIRST, found, anew=True).version > commit.version
    given = rows(0, 1, 2, 3, 7, 9)
    assert (commit.rows, commit.digest) == (6, table_digest(given))
    assert lake.read(TABLE, FIRST, version=commit.version).equals(canonical(given))
    assert lake.replace(TABLE, FIRST, given).digest == commit.digest


def test_a_partition_is_gone_through_as_often_as_need_be(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    first, wide = rows(3, 1, 2), rows(*range(9)).append_column("extra", pa.array(["x"] * 9))
    version = lake.replace(TABLE, FIRST, first).version
    lake.replace(TABLE, FIRST, wide)
    for chunk_rows in (4, 100_000):
        monkeypatch.setattr(ordered_rows, "CHUNK_ROWS", chunk_rows)
        for given, found in ((first, lake.ordered(TABLE, FIRST, version=version)), (wide, lake.ordered(TABLE, FIRST))):
            assert found.digest() == found.digest() == table_digest(given)
            assert found.schema.equals(canonical(given).schema)
            assert found.table(["note", "id"]).equals(canonical(given).select(["note", "id"]))
            assert [chunk.num_rows for chunk in found.chunks(chunk_rows=2)] == [2] * (given.num_rows // 2) + [1]
    assert lake.ordered(TABLE, SECOND).num_rows == lake.ordered("raw/nothing", FIRST).num_rows == 0
    with pytest.raises(RowsLost):
        lake.ordered(TABLE, FIRST, version=77)


def test_every_committed_version_stays_readable(lake: Lake) -> None:
    commits = [lake.replace(TABLE, FIRST, rows(*range(count))) for count in (1, 2, 3)]
    assert len({commit.version for commit in commits}) == 3
    for commit in commits:
        found = lake.read(TABLE, FIRST, version=commit.version)
        assert (found.num_rows, table_digest(found)) == (commit.rows, commit.digest)


def test_the_same_rows_again_write_nothing(lake: Lake) -> None:
    first = lake.replace(TABLE, FIRST, rows(1, 2))
    again = lake.replace(TABLE, FIRST, rows(2, 1))
    assert again == first
    lake.replace(TABLE, SECOND, rows(9))
    later = lake.replace(TABLE, FIRST, rows(1, 2))
    assert later.digest == first.digest
    assert lake.read(TABLE, FIRST, version=later.version).equals(lake.read(TABLE, FIRST, version=first.version))


def test_as_many_but_other_rows_are_written(lake: Lake) -> None:
    first = lake.replace(TABLE, FIRST, rows(1, 2))
    assert lake.replace(TABLE, FIRST, rows(1, 3)).version != first.version
    assert lake.read(TABLE, FIRST).column("id").to_pylist() == [1, 3]


def test_partitions_do_not_touch_each_other(lake: Lake) -> None:
    lake.replace(TABLE, FIRST, rows(1))
    lake.replace(TABLE, SECOND, rows(2))
    lake.replace(TABLE, FIRST, rows(3))
    assert lake.partitions(TABLE) == [FIRST, SECOND]
    assert lake.read(TABLE, SECOND).equals(canonical(rows(2)))


def test_zero_rows_empty_a_partition(lake: Lake) -> None:
    lake.replace(TABLE, FIRST, rows(1))
    commit = lake.replace(TABLE, FIRST, rows())
    assert commit.rows == 0
    assert lake.partitions(TABLE) == []
    assert table_digest(lake.read(TABLE, FIRST, version=commit.version)) == commit.digest
    assert list(lake.stream(TABLE, FIRST)) == []
    assert lake.replace(TABLE, FIRST, rows()) == commit


def test_rows_get_a_version_of_their_own_when_they_are_written_anew(lake: Lake) -> None:
    first = lake.replace(TABLE, FIRST, rows(1))
    again = lake.replace(TABLE, FIRST, rows(1), anew=True)
    assert (again.version, again.digest) == (first.version + 1, first.digest)
    assert lake.read(TABLE, FIRST).equals(lake.read(TABLE, FIRST, version=first.version))
    assert lake.replace(TABLE, FIRST, rows(1)) == again


def test_what_is_not_there_has_zero_rows(lake: Lake) -> None:
    assert lake.read("raw/nothing", FIRST).num_rows == 0
    assert lake.partitions("raw/nothing") == []
    lake.replace(TABLE, FIRST, rows(1))
    assert lake.read(TABLE, SECOND).equals(canonical(rows()))


def test_a_version_that_is_not_there_is_not_an_empty_one(lake: Lake) -> None:
    with pytest.raises(RowsLost, match="raw/nothing is not there"):
        lake.read("raw/nothing", FIRST, version=0)
    newest = lake.replace(TABLE, FIRST, rows(1)).version
    with pytest.raises(RowsLost, match=f"has no version 77; its newest is {newest}.*older than the ledger"):
        lake.read(TABLE, FIRST, version=77)
    with pytest.raises(RowsLost):
        list(lake.stream(TABLE, FIRST, version=77))
    assert lake.removable(TABLE, keeping(newest, 77), timedelta(0)) == []


@pytest.mark.parametrize(
    "partition", ["a:b--c/d", "ü=1 %2F?#&+'\"", "2013-03-01T12:00Z-0123abcd", "__HIVE_DEFAULT_PARTITION__"]
)
def test_partitions_of_any_name(lake: Lake, partition: str) -> None:
    lake.replace(TABLE, "other", rows(7))
    commit = lake.replace(TABLE, partition, rows(1, 2))
    assert lake.replace(TABLE, partition, rows(1, 2)) == commit
    assert lake.read(TABLE, partition, version=commit.version).num_rows == 2
    assert lake.partitions(TABLE) == sorted(["other", partition])


def test_new_columns_come_in_and_each_version_keeps_its_own(lake: Lake) -> None:
    narrow = lake.replace(TABLE, FIRST, rows(1, 2))
    wide = lake.replace(TABLE, SECOND, rows(3).append_column("extra", pa.array(["x"])))
    back = lake.replace(TABLE, SECOND, rows(3))
    assert lake.read(TABLE, FIRST).equals(canonical(rows(1, 2)))
    for commit, partition in ((narrow, FIRST), (wide, SECOND), (back, SECOND)):
        assert table_digest(lake.read(TABLE, partition, version=commit.version)) == commit.digest
    assert lake.replace(TABLE, FIRST, rows(1, 2)).digest == narrow.digest


def test_a_column_that_changes_its_type_is_refused_and_nothing_is_written(lake: Lake) -> None:
    before = lake.replace(TABLE, FIRST, rows(1))
    changed = rows(2).set_column(0, "id", pa.array(["2"])).append_column("new", pa.array([1]))
    with pytest.raises(SchemaMismatch, match="id is int64 in the table and arrives as string"):
        lake.replace(TABLE, SECOND, changed)
    assert lake.partitions(TABLE) == [FIRST]
    assert lake.replace(TABLE, FIRST, rows(1)) == before
    assert lake.read(TABLE, SECOND).schema == canonical(rows()).schema


def test_the_partition_column_is_the_lakes_own(lake: Lake) -> None:
    with pytest.raises(SchemaMismatch, match="partition_key"):
        lake.replace(TABLE, FIRST, rows(1).append_column("partition_key", pa.array(["x"])))


def test_columns_that_differ_in_case_alone_are_refused(lake: Lake) -> None:
    lake.replace(TABLE, FIRST, rows(1))
    with pytest.raises(SchemaMismatch, match="id and ID"):
        lake.replace(TABLE, SECOND, rows(2).append_column("ID", pa.array([2])))
    with pytest.raises(SchemaMismatch, match="id and ID"):
        lake.replace(TABLE, SECOND, pa.table({"ID": [1]}))


def test_chunks_are_the_rows_in_order(lake: Lake) -> None:
    lake.replace(TABLE, FIRST, rows(*range(25)))
    chunks = list(lake.stream(TABLE, FIRST, chunk_rows=10))
    assert [chunk.num_rows for chunk in chunks] == [10, 10, 5]
    assert pa.concat_tables(chunks).combine_chunks().equals(lake.read(TABLE, FIRST))


def test_a_version_that_wrote_the_partition_is_read_without_opening_the_table(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening it takes the longer the more partitions it has."""
    first = lake.replace(TABLE, FIRST, rows(1, 2))
    second = lake.replace(TABLE, FIRST, rows(1, 2, 3))
    other = lake.replace(TABLE, SECOND, rows(9))
    emptied = lake.replace(TABLE, FIRST, rows())
    monkeypatch.setattr(Tables, "at", lambda *_: pytest.fail("the table was looked at"))
    commits = ((FIRST, first, 2), (FIRST, second, 3), (SECOND, other, 1), (FIRST, emptied, 0))
    for partition, commit, count in commits:
        found = lake.read(TABLE, partition, version=commit.version)
        assert (found.num_rows, table_digest(found)) == (count, commit.digest)
        assert sum(each.num_rows for each in lake.stream(TABLE, partition, version=commit.version)) == count


def test_the_log_says_the_digest_of_what_a_version_gave_a_partition(lake: Lake) -> None:
    first, second, other = (
        lake.replace(TABLE, FIRST, rows(3)), lake.replace(TABLE, FIRST, rows(4)), lake.replace(TABLE, SECOND, rows(5)),
    )  # fmt: skip
    said = [lake.committed_digest(TABLE, FIRST, each.version) for each in (first, second, other)]
    assert said == [first.digest, second.digest, None]
    assert lake.committed_digest(TABLE, SECOND, other.version) == other.digest
    assert lake.committed_digest(TABLE, FIRST, 77) is None
    assert lake.committed_digest("not/there", FIRST, 1) is None


def not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for how in ("_latest", "opened"):
        monkeypatch.setattr(Tables, how, lambda *_: pytest.fail("the table was looked for"))


def test_a_version_that_is_held_is_looked_for_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.replace(TABLE, FIRST, rows(1))
    version = lake.replace(TABLE, SECOND, rows(2)).version
    lake.replace(TABLE, FIRST, rows(1, 2, 3))
    with lake.holding(TABLE, version), lake.holding(TABLE, None):
        not_looked_for(monkeypatch)
        assert [lake.read(TABLE, each, version=version).num_rows for each in (FIRST, SECOND, FIRST)] == [1, 1, 1]
        monkeypatch.undo()
        assert lake.read(TABLE, FIRST).num_rows == 3
    with pytest.raises(RowsLost), lake.holding(TABLE, 99):
        pytest.fail("there is no such version")


def as_another_has_it(lake: Lake) -> Lake:
    return type(lake)(lake._tables.url, lake._tables.options) if isinstance(lake, DeltaLake) else lake


def test_the_present_version_is_held_and_what_others_commit_is_seen(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lake.holding(TABLE, None):
        assert lake.replace(TABLE, FIRST, rows(1)).rows == 1  # the table is made inside
    other = as_another_has_it(lake)
    with lake.holding(TABLE, None):
        theirs = other.replace(TABLE, SECOND, rows(2, 3))
        wider = rows(4).append_column("new", pa.array([True]))
        assert other.replace(TABLE, "third", wider).version > theirs.version
        not_looked_for(monkeypatch)
        assert lake.read(TABLE, SECOND).num_rows == 2
        ours = lake.replace(TABLE, FIRST, rows(1, 2))
        assert ours.version > theirs.version
        assert lake.replace(TABLE, FIRST, rows(1, 2)) == ours
        assert lake.read(TABLE, FIRST).num_rows == 2
        assert lake.read(TABLE, "third").column_names == ["at", "delay", "id", "new", "note"]
        monkeypatch.undo()
    assert lake.read(TABLE, SECOND, version=theirs.version).num_rows == 2


def test_what_is_held_is_brought_up_to_date_once_for_each_commit(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.replace(TABLE, FIRST, rows(1))
    other = as_another_has_it(lake)
    listed: list[int] = []
    update = DeltaTable.update_incremental
    monkeypatch.setattr(DeltaTable, "update_incremental", lambda table: (listed.append(table.version()), update(table)))
    with lake.holding(TABLE, None):
        not_looked_for(monkeypatch)
        ours = lake.replace(TABLE, SECOND, rows(2))
        assert lake.version(TABLE) == ours.version
        assert [lake.read(TABLE, each).num_rows for each in (FIRST, SECOND, "third")] == [1, 1, 0]
        assert lake.read(TABLE, FIRST, version=ours.version).num_rows == 1
        assert len(listed) <= 1  # for our own commit
        monkeypatch.undo()
        theirs = other.replace(TABLE, FIRST, rows(1, 2, 3))
        assert lake.read(TABLE, FIRST).num_rows == 3
        assert lake.version(TABLE) == theirs.version
        assert lake.read(TABLE, FIRST, version=ours.version).num_rows == 1  # not the newer one that is held


def test_a_version_that_wrote_another_partition_or_is_of_another_engine_is_looked_up(folder: DeltaLake) -> None:
    folder.replace(TABLE, FIRST, rows(1, 2))
    other = folder.replace(TABLE, SECOND, rows(9))
    assert folder.read(TABLE, FIRST, version=other.version).num_rows == 2
    table = DeltaTable(folder.location(TABLE))
    more = rows(3).append_column("partition_key", pa.array([FIRST]))
    write_deltalake(table, more, mode="append")  # adds a file to the partition, and says nothing of the first
    version = DeltaTable(folder.location(TABLE)).version()
    assert folder.read(TABLE, FIRST, version=version).column("id").to_pylist() == [1, 2, 3]


def test_partitions_that_changed_since_their_commit_are_named(lake: Lake) -> None:
    assert lake.changed_since(TABLE, {FIRST: 1}) == {FIRST}
    first, second = (lake.replace(TABLE, each, rows(1, 2)).version for each in (FIRST, SECOND))
    assert lake.changed_since(TABLE, {FIRST: first, SECOND: second}) == frozenset()
    again = lake.replace(TABLE, SECOND, rows(1, 3)).version
    lake.fence(TABLE, {FIRST: lease(9)})
    assert lake.changed_since(TABLE, {FIRST: first, SECOND: second}) == {SECOND}
    assert lake.changed_since(TABLE, {FIRST: first, SECOND: again}) == frozenset()
    assert lake.changed_since(TABLE, {FIRST: again + 99, "no partition": 1}) == {FIRST, "no partition"}
    emptied = lake.replace(TABLE, FIRST, rows()).version
    assert lake.changed_since(TABLE, {FIRST: first}) == {FIRST}
    assert lake.changed_since(TABLE, {FIRST: emptied}) == frozenset()
    lake.erase(TABLE)
    assert lake.changed_since(TABLE, {FIRST: emptied, SECOND: again}) == {FIRST, SECOND}


def test_partitions_whose_file_is_gone_or_cut_or_not_alone_have_changed(folder: DeltaLake, tmp_path: Path) -> None:
    third = "2013-03-03T00:00Z--2013-03-04T00:00Z"
    made = {each: folder.replace(TABLE, each, rows(1, 2)).version for each in (FIRST, SECOND, third, "four")}
    files = {each: next((tmp_path / TABLE).glob(f"{each.replace(':', '_')}/*.parquet")) for each in (FIRST, SECOND)}
    files[FIRST].unlink()
    files[SECOND].write_bytes(files[SECOND].read_bytes()[:-1])
    more = rows(3).append_column("partition_key", pa.array([third]))
    write_deltalake(DeltaTable(folder.location(TABLE)), more, mode="append")
    assert folder.changed_since(TABLE, made) == {FIRST, SECOND, third}


def test_other_engines_read_the_table_as_it_is(folder: DeltaLake) -> None:
    folder.replace(TABLE, FIRST, rows(1, 2))
    folder.replace(TABLE, SECOND, rows(3).append_column("extra", pa.array(["x"])))
    engine = QueryBuilder().register("flights", DeltaTable(folder.location(TABLE)))
    found = pa.table(engine.execute("SELECT id, partition_key, extra FROM flights ORDER BY id").read_all())
    assert found.to_pydict() == {
        "id": [1, 2, 3],
        "partition_key": [FIRST, FIRST, SECOND],
        "extra": [None, None, "x"],
    }


def test_the_commit_says_what_it_holds(folder: DeltaLake) -> None:
    commit = folder.replace(TABLE, FIRST, rows(1, 2))
    entry = DeltaTable(folder.location(TABLE)).history(1)[0]
    assert (entry["version"], entry["partition"], entry["digest"], entry["rows"]) == (
        commit.version,
        FIRST,
        commit.digest,
        2,
    )


def test_a_table_that_is_held_has_its_files_listed_once_for_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[int] = []
    real = DeltaTable.get_add_actions

    def counted(delta: DeltaTable, flatten: bool) -> Any:
        listed.append(delta.version())
        return real(delta, flatten=flatten)

    lake, another = OpenedLake(str(tmp_path), {}), OpenedLake(str(tmp_path), {})
    lake.replace(TABLE, FIRST, rows(1))
    lake.replace(TABLE, SECOND, rows(2))
    monkeypatch.setattr(DeltaTable, "get_add_actions", counted)
    with lake.holding(TABLE, None):
        for _ in range(2):
            assert lake.read(TABLE, FIRST).equals(canonical(rows(1)))
            assert lake.read(TABLE, SECOND).equals(canonical(rows(2)))
        assert len(listed) == 1
        another.replace(TABLE, FIRST, rows(3))
        listed.clear()
        assert lake.read(TABLE, FIRST).equals(canonical(rows(3)))
        assert lake.read(TABLE, SECOND).equals(canonical(rows(2)))
        assert len(listed) == 1
    assert lake.read(TABLE, FIRST).equals(canonical(rows(3)))


def test_old_versions_are_never_cleaned_away_by_the_table_itself(folder: DeltaLake) -> None:
    folder.replace(TABLE, FIRST, rows(1))
    properties = DeltaTable(folder.location(TABLE)).metadata().configuration
    assert properties["delta.enableExpiredLogCleanup"] == "false"
    assert properties["delta.deletedFileRetentionDuration"] == "interval 36500 days"


def test_reading_opens_no_file_of_another_partition(folder: DeltaLake, tmp_path: Path) -> None:
    folder.replace(TABLE, FIRST, rows(1))
    kept = set((tmp_path / TABLE).glob("*/*.parquet"))
    folder.replace(TABLE, SECOND, rows(2))
    for other in set((tmp_path / TABLE).glob("2013*/*.parquet")) - kept:
        other.unlink()
    assert folder.read(TABLE, FIRST).equals(canonical(rows(1)))
    with pytest.raises(
        RowsRemoved,
        match=r"2013-03-02.*parquet of .* no longer exists: retention or somebody removed "
        r"it",
    ):
        folder.read(TABLE, SECOND)


def test_a_partition_whose_file_is_lost_is_written_again(folder: DeltaLake, tmp_path: Path) -> None:
    lost = folder.replace(TABLE, FIRST, rows(1, 2))
    folder.replace(TABLE, SECOND, rows(1))
    (file,) = (tmp_path / TABLE).glob("2013-03-01*/*.parquet")
    file.unlink()
    again = folder.replace(TABLE, FIRST, rows(1, 2))
    assert (again.digest, again.version > lost.version) == (lost.digest, True)
    assert folder.read(TABLE, FIRST).equals(canonical(rows(1, 2)))


def test_of_many_partitions_those_whose_file_is_lost_are_written_again(folder: DeltaLake, tmp_path: Path) -> None:
    both = {FIRST: rows(1, 2), SECOND: rows(3)}
    folder.replace_many(TABLE, both, {})
    (file,) = (tmp_path / TABLE).glob("2013-03-01*/*.parquet")
    kept = set((tmp_path / TABLE).glob("2013-03-02*/*.parquet"))
    file.unlink()
    folder.replace_many(TABLE, both, {})
    assert {each: folder.read(TABLE, each) for each in both} == {each: canonical(held) for each, held in both.items()}
    assert set((tmp_path / TABLE).glob("2013-03-02*/*.parquet")) == kept


def test_an_entity_is_forgotten_although_a_file_is_lost(folder: DeltaLake, tmp_path: Path) -> None:
    folder.replace(TABLE, FIRST, rows(1, 2))
    folder.replace(TABLE, SECOND, rows(1, 3))
    (file,) = (tmp_path / TABLE).glob("2013-03-01*/*.parquet")
    file.unlink()
    assert folder.forget(TABLE, "id", "1").rows == 1
    assert folder.read(TABLE, SECOND).equals(canonical(rows(3)))


def test_a_log_of_many_commits_is_checkpointed(folder: DeltaLake, tmp_path: Path) -> None:
    for number in range(42):
        commit = folder.replace(TABLE, f"window {number % 5}", rows(number))
    assert len(list((tmp_path / TABLE / "_delta_log").glob("*.checkpoint.parquet"))) == 2
    assert folder.read(TABLE, "window 1", version=commit.version).column("id").to_pylist() == [41]
    assert folder.read(TABLE, "window 0", version=1).column("id").to_pylist() == [0]


def test_a_store_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="Writing"):
        DeltaLake(str(tmp_path / "file"), {}).replace(TABLE, FIRST, rows(1))


def test_an_endpoint_that_is_down_is_unavailable() -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        options = storage_options(f"aws://key:secret@/?endpoint_url={endpoint}&region_name=us-east-1")
        with pytest.raises(StoreUnavailable, match="Reading") as raised:
            DeltaLake("s3://lake/down", options).read(TABLE, FIRST)
    assert "secret" not in str(raised.value)


def test_what_can_not_be_written_leaves_no_part_of_a_file(
    folder: DeltaLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fills_the_disk(_: OrderedTable, sink: pa.NativeFile) -> None:
        sink.write(b"PAR1")
        raise OSError(28, "No space left on device")

    kept = folder.replace(TABLE, FIRST, rows(1))
    files = set((tmp_path / TABLE).rglob("*.parquet"))
    monkeypatch.setattr(OrderedTable, "write_parquet", fills_the_disk)
    with pytest.raises(StoreUnavailable, match="No space left"):
        folder.replace(TABLE, FIRST, rows(1, 2))
    assert set((tmp_path / TABLE).rglob("*.parquet")) == files
    assert folder.read(TABLE, FIRST, version=kept.version).num_rows == 1


def test_losing_every_race_is_told(folder: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(_: TableVersion, __: Make) -> int:
        raise CommitFailedError("Failed to commit transaction: 0")

    folder.replace(TABLE, FIRST, rows(1))
    befalls(monkeypatch, lose)
    monkeypatch.setattr("perennial.lake.committing.LONGEST_PAUSE_SECONDS", 0.0)
    with pytest.raises(StoreUnavailable, match="lost the race against other writers 40 times"):
        folder.replace(TABLE, FIRST, rows(2))
    assert folder.read(TABLE, FIRST).column("id").to_pylist() == [1]


def test_a_commit_whose_answer_was_lost_is_recognised(folder: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    def commit_and_fail(_: TableVersion, commit: Make) -> int:
        commit()
        raise CommitFailedError("the answer was lost")

    folder.replace(TABLE, FIRST, rows(1))
    befalls(monkeypatch, commit_and_fail)
    second = folder.replace(TABLE, FIRST, rows(2))
    assert DeltaTable(folder.location(TABLE)).version() == second.version == 2
    assert folder.read(TABLE, FIRST, version=second.version).column("id").to_pylist() == [2]


def test_a_table_that_a_rival_makes_meanwhile_keeps_the_rivals_columns(
    folder: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Tables.create

    def after_a_rival(self: Tables, table: str, columns: pa.Schema) -> OpenedVersion:
        monkeypatch.setattr(Tables, "create", create)
        folder.replace(TABLE, SECOND, pa.table({"theirs": [1]}))
        return create(self, table, columns)

    monkeypatch.setattr(Tables, "create", after_a_rival)
    folder.replace(TABLE, FIRST, pa.table({"ours": [1]}))
    assert {"ours", "theirs"} <= {field.name for field in DeltaTable(folder.location(TABLE)).schema().fields}


WRITER = """
import sys, time
from pathlib import Path
import pyarrow as pa
from tests.contract.commits import OpenedLake
from perennial.lake.delta import DeltaLake
url, gate, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
lake = (DeltaLake, OpenedLake)[number % 2](url, {})
Path(f"{gate}.{number}").touch()
while not gate.exists():
    time.sleep(0.005)
for partition in ("same", f"own:{number}"):
    commit = lake.replace("raw/race", partition, pa.table({"writer": [number] * (number + 1)}))
    print(partition, commit.version, commit.rows)
"""


def test_rival_writers_leave_exactly_one_set_of_rows_and_lose_none(folder: DeltaLake, tmp_path: Path) -> None:
    """Eight processes, on a table that is not there yet: first all replace one partition, then each its own. Half of
    them have deltalake commit, as another engine would.
    """
    gate = tmp_path / "gate"
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(gate)]
    writers = [subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True) for number in range(8)]
    try:
        wait_until(
            lambda: all(Path(f"{gate}.{number}").exists() for number in range(8)),
            "eight writers at the gate",
            lambda: next(filter(None, map(ended, writers)), None),
        )
        gate.touch()
        printed = [writer.communicate(timeout=PATIENCE)[0] for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    commits = [line.split() for output in printed for line in output.splitlines()]
    assert len(commits) == 16
    assert sorted(int(version) for _, version, _ in commits) == list(range(1, 17))
    for partition, version, count in commits:
        found = folder.read("raw/race", partition, version=int(version)).column("writer")
        assert found.to_pylist() == [int(count) - 1] * int(count)
    same = folder.read("raw/race", "same").column("writer")
    assert pc.count_distinct(same).as_py() == 1
    assert len(same) == same[0].as_py() + 1
    assert folder.partitions("raw/race") == sorted(["same", *(f"own:{number}" for number in range(8))])


def test_storage_options_of_a_connection_and_of_the_environment_agree() -> None:
    uri = "aws://key:s%2Fecret@/?endpoint_url=http%3A%2F%2Fminio%3A9000&region_name=eu-central-1"
    variables = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "s/ecret",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://minio:9000",
        "HOME": "/root",
    }
    options = storage_options(uri)
    assert options == environment_options(variables)
    assert options["AWS_ALLOW_HTTP"] == "true"
    assert options["AWS_CONDITIONAL_PUT"] == "etag"
    assert "AWS_ALLOW_HTTP" not in storage_options("aws://key:secret@/?region_name=eu-central-1")


# --- fencing tokens: late writers, and commits whose answer was lost
# ---------------------------------------------------


def lease(fencing_token: int) -> Lease:
    return Lease("flights", Window.parse(FIRST), fencing_token, contested=False)


def test_a_writer_with_a_smaller_fencing_token_than_the_fence_is_refused(lake: Lake) -> None:
    lake.replace(TABLE, FIRST, rows(1), lease(5))
    lake.fence(TABLE, {FIRST: lease(6)})
    lake.replace(TABLE, FIRST, rows(2), lease(6))
    with pytest.raises(
        LeaseLost, match=r"taken over by another run \(fencing token 6 in .*this one \(fencing token 5\)"
    ):
        lake.replace(TABLE, FIRST, rows(1), lease(5))
    assert lake.read(TABLE, FIRST).column("id").to_pylist() == [2]
    lake.replace(TABLE, SECOND, rows(3), lease(1))
    lake.replace(TABLE, FIRST, rows(4), lease(6))
    assert lake.read(TABLE, FIRST).column("id").to_pylist() == [4]


def test_only_a_fence_leaves_something_that_the_table_keeps_for_ever(folder: DeltaLake) -> None:
    folder.replace(TABLE, FIRST, rows(1), lease(5))
    folder.replace_many(TABLE, {FIRST: rows(2), SECOND: rows(3)}, {FIRST: lease(6), SECOND: lease(7)})
    opened = DeltaTable(folder.location(TABLE))
    assert [opened.transaction_version(each) for each in (FIRST, SECOND)] == [None, None]
    folder.fence(TABLE, {FIRST: lease(8)})
    assert DeltaTable(folder.location(TABLE)).transaction_version(FIRST) == 8


def test_a_fence_refuses_late_writers_without_changing_rows(lake: Lake) -> None:
    before = lake.replace(TABLE, FIRST, rows(1), lease(5))
    lake.fence(TABLE, {FIRST: lease(8)})
    lake.fence(TABLE, {FIRST: lease(8)})
    with pytest.raises(LeaseLost):
        lake.replace(TABLE, FIRST, rows(2), lease(7))
    with pytest.raises(LeaseLost):
        lake.fence(TABLE, {FIRST: lease(7)})
    assert lake.read(TABLE, FIRST).equals(lake.read(TABLE, FIRST, version=before.version))


def test_a_fence_comes_before_the_tables_first_rows_too(lake: Lake) -> None:
    lake.fence(TABLE, {FIRST: lease(8)})
    assert lake.read(TABLE, FIRST).num_rows == 0
    assert lake.partitions(TABLE) == []
    with pytest.raises(LeaseLost):
        lake.replace(TABLE, FIRST, rows(2), lease(7))
    assert lake.replace(TABLE, FIRST, rows(2), lease(8)).rows == 1


def test_a_table_has_a_version_once_it_is_there(lake: Lake) -> None:
    assert lake.version(TABLE) is None
    commit = lake.replace(TABLE, FIRST, rows(1))
    assert lake.version(TABLE) == commit.version


def test_a_commit_whose_answer_was_lost_is_found_and_not_made_again(
    folder: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ["lost", "lost", "given"]

    def losing(_: TableVersion, commit: Make) -> int:
        version = commit()
        if answers.pop(0) == "lost":
            raise OSError("connection reset while waiting for the answer")
        return version

    befalls(monkeypatch, losing)
    commit = folder.replace(TABLE, FIRST, rows(1, 2), lease(3))
    assert (commit.version, folder.version(TABLE)) == (1, 1)
    assert answers == ["lost", "given"]
    assert folder.read(TABLE, FIRST).num_rows == 2


def test_a_store_that_goes_on_failing_is_told_after_a_few_looks(
    folder: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def failing(before: TableVersion, _: Make) -> int:
        looks.append(before)
        raise OSError("no space left on device")

    befalls(monkeypatch, failing)
    with pytest.raises(StoreUnavailable, match="no space left"):
        folder.replace(TABLE, FIRST, rows(1))
    assert len(looks) == committing.FAILURES
    assert folder.read(TABLE, FIRST).num_rows == 0


# --- maintenance -------------------------------------------------------------------------------------------------

NOW = timedelta(0)


def keeping(*versions: int) -> Keep:
    """What needs these versions of both partitions."""
    return lambda asked: {partition: versions for partition in (FIRST, SECOND) if asked(partition)}


def test_files_that_nobody_needs_are_named_and_then_removed(folder: DeltaLake) -> None:
    commits = [folder.replace(TABLE, FIRST, rows(number)) for number in range(4)]
    other = folder.replace(TABLE, SECOND, rows(9))
    needed = keeping(commits[1].version)
    assert folder.removable(TABLE, needed, timedelta(days=1)) == []
    named = folder.removable(TABLE, needed, NOW)
    assert len(named) == 2
    assert folder.remove(TABLE, needed, NOW) == named
    assert folder.read(TABLE, FIRST, version=commits[1].version).column("id").to_pylist() == [1]
    assert folder.read(TABLE, FIRST).column("id").to_pylist() == [3]
    assert folder.read(TABLE, SECOND, version=other.version).column("id").to_pylist() == [9]
    for gone in (commits[0], commits[2]):
        with pytest.raises(RowsRemoved, match="retention or somebody removed it"):
            folder.read(TABLE, FIRST, version=gone.version)
    assert folder.removable(TABLE, needed, NOW) == []
    assert folder.replace(TABLE, FIRST, rows(5), lease(1)).rows == 1


def test_what_a_version_has_of_a_partition_that_it_did_not_write_is_needed_too(folder: DeltaLake) -> None:
    folder.replace(TABLE, FIRST, rows(1))
    other = folder.replace(TABLE, SECOND, rows(2))  # when this was committed, the first partition was as above
    for number in (3, 4):
        folder.replace(TABLE, FIRST, rows(number))
    assert len(folder.removable(TABLE, keeping(), NOW)) == 2
    assert len(folder.removable(TABLE, lambda asked: {SECOND: [other.version]}, NOW)) == 2
    assert len(folder.remove(TABLE, keeping(other.version), NOW)) == 1
    assert folder.read(TABLE, FIRST, version=other.version).column("id").to_pylist() == [1]


def test_a_log_whose_first_commits_another_engine_cleaned_up_is_read_from_its_checkpoint(folder: DeltaLake) -> None:
    first = folder.replace(TABLE, FIRST, rows(1))
    other = folder.replace(TABLE, SECOND, rows(2))
    DeltaTable(folder.location(TABLE)).create_checkpoint()
    folder.replace(TABLE, FIRST, rows(3))
    for version in range(first.version + 1):
        (Path(folder.location(TABLE)) / "_delta_log" / f"{version:020d}.json").unlink()
    assert len(folder.removable(TABLE, keeping(), NOW)) == 1
    assert folder.removable(TABLE, keeping(other.version), NOW) == []


def test_nothing_is_asked_where_no_file_is_old_and_then_only_about_partitions_that_have_such(
    folder: DeltaLake,
) -> None:
    def never(asked: Callable[[str], bool]) -> dict[str, list[int]]:
        raise AssertionError("nothing is old")

    folder.replace(TABLE, FIRST, rows(1))
    assert folder.removable(TABLE, never, NOW) == []
    folder.replace(TABLE, SECOND, rows(2))
    folder.replace(TABLE, SECOND, rows(3))
    seen: list[str] = []
    folder.removable(TABLE, lambda asked: seen.extend(filter(asked, (FIRST, SECOND))) or {}, NOW)
    assert seen == [SECOND]


def test_a_file_of_another_engine_asks_about_all_partitions(folder: DeltaLake) -> None:
    folder.replace(TABLE, FIRST, rows(1))
    write_deltalake(
        DeltaTable(folder.location(TABLE)), rows(7).append_column("partition_key", pa.array([SECOND])), mode="append"
    )
    split = folder.version(TABLE) or 0
    folder.replace(TABLE, SECOND, rows(8))
    assert len(folder.removable(TABLE, keeping(), NOW)) == 1
    assert folder.removable(TABLE, keeping(split), NOW) == []


def test_a_file_whose_commit_never_came_is_removed_once_it_is_old(
    folder: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.replace(TABLE, FIRST, rows(1))

    def killed(_: TableVersion, __: Make) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        befalls(patch, killed)
        with pytest.raises(KeyboardInterrupt):
            folder.replace(TABLE, FIRST, rows(2))
    assert folder.removable(TABLE, keeping(), timedelta(days=1)) == []
    assert len(folder.remove(TABLE, keeping(), NOW)) == 1
    assert folder.read(TABLE, FIRST).num_rows == 1


def test_optimizing_joins_what_another_engine_split_and_changes_no_row(folder: DeltaLake) -> None:
    commit = folder.replace(TABLE, FIRST, rows(1, 2))
    folder.replace(TABLE, SECOND, rows(3))
    table = DeltaTable(folder.location(TABLE))
    more = rows(7).append_column("partition_key", pa.array([FIRST]))
    write_deltalake(table, more, mode="append")
    before = folder.read(TABLE, FIRST)
    assert folder.optimize(TABLE) == 1
    assert table_digest(folder.read(TABLE, FIRST)) == table_digest(before)
    assert folder.read(TABLE, FIRST, version=commit.version).column("id").to_pylist() == [1, 2]
    assert len(DeltaTable(folder.location(TABLE)).file_uris()) == 2
    assert folder.optimize(TABLE) == 0


def test_a_table_that_is_not_there_needs_no_maintenance(lake: Lake) -> None:
    assert lake.optimize(TABLE) == 0
    assert lake.removable(TABLE, keeping(), NOW) == []
    assert lake.remove(TABLE, keeping(3), NOW) == []


def test_partitions_that_are_dropped_are_gone_from_every_version_and_can_be_written_again(lake: Lake) -> None:
    before = clock.now() - timedelta(seconds=2)  # stores keep whole seconds
    commits = {partition: lake.replace(TABLE, partition, rows(1, 2)) for partition in (FIRST, "o'clock", SECOND)}
    found = lake.written(TABLE)
    assert found.keys() == commits.keys()
    assert all(before <= each.at <= clock.now() and (each.bytes > 0, each.rows) == (True, 2) for each in found.values())
    for _ in range(2):
        lake.drop(TABLE, [FIRST, "o'clock", "never there"])
    assert lake.partitions(TABLE) == [SECOND]
    assert lake.written(TABLE).keys() == {SECOND}
    for partition in (FIRST, "o'clock"):
        assert lake.read(TABLE, partition).num_rows == 0
        with pytest.raises(RowsRemoved):
            lake.read(TABLE, partition, version=commits[SECOND].version)
    assert lake.read(TABLE, SECOND, version=commits[SECOND].version).num_rows == 2
    again = lake.replace(TABLE, FIRST, rows(1, 2))
    assert (again.digest, lake.read(TABLE, FIRST, version=again.version).num_rows) == (commits[FIRST].digest, 2)
    assert lake.written("raw/nothing") == {}
    lake.drop("raw/nothing", [FIRST])


def test_what_is_erased_is_gone_from_every_version_and_the_table_goes_on(lake: Lake) -> None:
    first = lake.replace(TABLE, FIRST, rows(1, 2))
    second = lake.replace(TABLE, FIRST, rows(1, 2, 3))
    lake.replace(TABLE, SECOND, rows())
    lake.replace("raw/others", FIRST, rows(7))
    before = lake.stored(TABLE)
    assert before.files == 3
    assert before.bytes > 0
    assert lake.erase(TABLE) == before
    assert (lake.stored(TABLE).files, lake.stored(TABLE).bytes) == (0, 0)
    assert lake.read(TABLE, FIRST).num_rows == 0
    assert lake.partitions(TABLE) == []
    for commit in (first, second):
        with pytest.raises(RowsRemoved):
            lake.read(TABLE, FIRST, version=commit.version)
    assert lake.read("raw/others", FIRST).num_rows == 1
    again = lake.version(TABLE)
    assert lake.erase(TABLE).files == 0
    assert lake.version(TABLE) == again
    assert lake.replace(TABLE, FIRST, rows(9)).version > second.version
    assert lake.read(TABLE, FIRST).column("id").to_pylist() == [9]
    assert lake.erase("raw/nothing").files == 0


def test_an_erased_partition_still_refuses_late_writers(lake: Lake) -> None:
    window = Window(NOON, NOON + timedelta(days=1))
    late, later = (Lease("flights", window, token, contested=False) for token in (5, 6))
    lake.replace(TABLE, FIRST, rows(1), late)
    lake.fence(TABLE, {FIRST: later})
    lake.erase(TABLE)
    with pytest.raises(LeaseLost):
        lake.replace(TABLE, FIRST, rows(2), late)
    assert lake.stored(TABLE).files == 0


def test_an_erasing_that_was_killed_is_finished_by_the_next(folder: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.replace(TABLE, FIRST, rows(1))
    folder.replace(TABLE, SECOND, rows(2))
    stray = Path(folder.location(TABLE)) / "left_by_a_killed_run.parquet"
    stray.write_bytes(b"rows")
    with monkeypatch.context() as cut:
        cut.setattr(old_files, "files_in", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            folder.erase(TABLE)
    assert folder.stored(TABLE).files == 3  # the commit is there, the bytes too
    assert folder.erase(TABLE).files == 3
    assert [
        each.name for each in Path(folder.location(TABLE)).rglob("*.parquet") if "_delta_log" not in each.parts
    ] == []


def test_what_is_forgotten_is_in_no_version_and_every_version_is_read_on(lake: Lake) -> None:
    first = lake.replace(TABLE, FIRST, rows(1, 2, 42))
    second = lake.replace(TABLE, FIRST, rows(1, 2, 3, 42))
    other = lake.replace(TABLE, SECOND, rows(42))
    lake.replace("raw/others", FIRST, rows(42))
    assert lake.forget(TABLE, "id", "42") == Forgotten(3, 3)
    assert lake.read(TABLE, FIRST, version=first.version).column("id").to_pylist() == [1, 2]
    assert lake.read(TABLE, FIRST, version=second.version).equals(canonical(rows(1, 2, 3)))
    assert lake.read(TABLE, SECOND, version=other.version).equals(canonical(rows()))
    assert lake.read(TABLE, FIRST).column("id").to_pylist() == [1, 2, 3]
    assert lake.partitions(TABLE) == [FIRST]
    assert lake.read("raw/others", FIRST).num_rows == 1
    assert lake.forget(TABLE, "id", "42") == Forgotten(0, 0)
    assert lake.forget(TABLE, "no such column", "42") == Forgotten(0, 0)
    assert lake.forget("raw/nothing", "id", "42") == Forgotten(0, 0)
    again = lake.replace(TABLE, FIRST, rows(1, 2, 3))  # what a source without the row delivers is there already
    assert again.version == lake.version(TABLE)


def test_a_row_is_forgotten_by_the_text_of_its_key(lake: Lake) -> None:
    names = pa.table({"name": ["Ada", None, "Bob", "ada"], "n": [1, 2, 3, 4]})
    kept = lake.replace(TABLE, FIRST, names)
    lake.forget(TABLE, "name", "Ada")
    assert lake.read(TABLE, FIRST, version=kept.version).column("n").to_pylist() == [2, 3, 4]


def decoded(folder: DeltaLake) -> str:
    """All cells of all files of the table, those of no version too, and all bytes of its log."""
    told = []
    for file in Path(folder.location(TABLE)).rglob("*"):
        if file.suffix == ".parquet" and "_delta_log" not in file.parts:
            told.append(str(pq.read_table(file).to_pylist()))
        if file.is_file():
            told.append(file.read_bytes().decode("latin-1"))
    return "".join(told)


def test_no_file_holds_what_was_forgotten_and_other_engines_read_all_versions(folder: DeltaLake) -> None:
    secret = "Ada-of-the-secret"
    commits = [folder.replace(TABLE, FIRST, with_name(secret, count)) for count in (3, 5, 5000)]
    assert secret in decoded(folder)
    sizes = {file: file.stat().st_size for file in Path(folder.location(TABLE)).rglob("*.parquet")}
    folder.forget(TABLE, "name", secret)
    assert secret not in decoded(folder)
    assert {file: file.stat().st_size for file in sizes} == sizes
    for count, commit in zip((3, 5, 5000), commits, strict=True):
        table = DeltaTable(folder.location(TABLE), version=commit.version)
        found = pa.table(QueryBuilder().register("t", table).execute("select name from t").read_all())
        assert len(found) == count - 1
        assert secret not in found.column("name").to_pylist()


def with_name(name: str, count: int) -> pa.Table:
    return pa.table({"name": [name, *(f"person {n}" for n in range(count - 1))], "n": list(range(count))})


def test_forgetting_that_was_killed_anywhere_is_finished_by_the_next(
    folder: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = [folder.replace(TABLE, FIRST, with_name("Ada", count)) for count in (3, 5, 7)]
    stray = Path(folder.location(TABLE)) / "left_by_a_killed_run.parquet"
    stray.write_bytes(b"PAR1 torn")
    for step in (1, 2, 3):
        left = [step]

        def cut(*given: Any, left: list[int] = left, move: Any = forgetting.put) -> None:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            move(*given)

        with monkeypatch.context() as killed:
            killed.setattr(forgetting, "put", cut)
            with suppress(KeyboardInterrupt):
                folder.forget(TABLE, "name", "Ada")
    assert folder.forget(TABLE, "name", "Ada").unread == (str(stray),)
    assert "Ada" not in decoded_but(folder, stray)
    found = [folder.read(TABLE, FIRST, version=each.version).num_rows for each in commits]
    assert found == [2, 4, 6]


def decoded_but(folder: DeltaLake, stray: Path) -> str:
    stray.unlink()
    return decoded(folder)


def test_a_row_is_forgotten_though_a_rival_writes(folder: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.replace(TABLE, FIRST, with_name("Ada", 3))
    rivals = [True]

    def after_a_rival(_: TableVersion, commit: Make) -> int:
        if rivals.pop() if rivals else False:
            DeltaLake(folder._tables.url, {}).replace(TABLE, FIRST, with_name("Ada", 9))
        return commit()

    befalls(monkeypatch, after_a_rival)
    folder.forget(TABLE, "name", "Ada")
    assert folder.read(TABLE, FIRST).num_rows == 8
    assert "Ada" not in decoded(folder)
