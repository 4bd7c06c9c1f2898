"""Rows that come in chunks are in the end what they are when they are sorted in memory."""

import errno
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from perennial import ordered as module
from perennial.digest import canonical, table_digest
from perennial.errors import SchemaMismatch, StoreUnavailable
from perennial.ordered import OrderedRows, OrderedTable, WithConstants, batches, in_file, in_order, ordered

ONE_RUN = 10**9


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", 7)
    monkeypatch.setattr(module, "CHUNK_ROWS", 50)


def rows(number: int, seed: int = 1) -> pa.Table:
    """Few different values, so that many rows tie in the first columns; nulls, NaN, infinities and empty texts."""
    random = np.random.default_rng(seed)

    def some(values: list[object], kind: pa.DataType) -> pa.Array:
        return pa.array([values[at] for at in random.integers(0, len(values), number)], kind)

    return pa.table(
        {
            "text": some(["a", "bb", "", "ü", None], pa.string()),
            "number": some([0.0, -0.0, 1.5, float("nan"), float("inf"), -float("inf"), None], pa.float64()),
            "id": pa.array(random.permutation(number), pa.int64()),
            "flag": some([True, False, None], pa.bool_()),
            "at": pa.array(random.integers(0, 3, number), pa.timestamp("us", "UTC")),
        }
    )


def in_chunks(table: pa.Table, size: int = 13) -> Iterator[pa.Table]:
    return (table.slice(first, size) for first in range(0, table.num_rows, size))


def held(found: OrderedRows, given: pa.Table) -> bool:
    """Whether they are the rows, in canonical order; `repr`, because a NaN does not equal itself."""
    expected = canonical(given)
    together = pa.concat_tables(found.chunks(chunk_rows=30))
    return (
        found.schema.equals(expected.schema)
        and found.num_rows == given.num_rows
        and found.digest() == table_digest(given)
        and repr(found.table().to_pydict()) == repr(expected.to_pydict()) == repr(together.to_pydict())
    )


@pytest.mark.parametrize("run_bytes", [1, 700, 5_000, ONE_RUN])
@pytest.mark.parametrize("number", [1, 8, 13, 500])
def test_rows_are_in_canonical_order_however_many_runs_they_were_sorted_in(number: int, run_bytes: int) -> None:
    given = rows(number)
    with ordered(in_chunks(given), run_bytes) as found:
        assert held(found, given)
        assert isinstance(found, OrderedTable) == (run_bytes == ONE_RUN or given.nbytes < run_bytes)


def test_rows_that_come_in_order_make_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    given = canonical(rows(200))
    merged: list[int] = []
    whole = module._in_order

    def counted(blocks: Sequence[Iterator[pa.Table]], schema: pa.Schema) -> Iterator[pa.Table]:
        merged.append(len(blocks))
        return whole(blocks, schema)

    monkeypatch.setattr(module, "_in_order", counted)
    with ordered(in_chunks(given), 1) as found:
        assert held(found, given)
    with ordered(reversed(list(in_chunks(given))), 1) as found:
        assert held(found, given)
    assert merged == [1, 16]


def test_columns_of_one_value_are_left_out_of_a_digest() -> None:
    given = rows(300)
    wide = given.append_column("a_run", pa.repeat("first", 300)).append_column("revision", pa.repeat(1, 300))
    for run_bytes in (1_000, ONE_RUN):
        with ordered(in_chunks(wide), run_bytes) as found:
            assert found.digest(without=("a_run", "revision")) == table_digest(given)


@pytest.mark.parametrize("run_bytes", [1_000, ONE_RUN])
@pytest.mark.parametrize("number", [1, 40, 320])
def test_columns_of_one_value_are_kept_once_and_change_nothing(tmp_path: Path, number: int, run_bytes: int) -> None:
    given = rows(number)
    constants = {"a_run": pa.scalar("ü"), "revision": pa.scalar(3, pa.int64()), "none": pa.scalar(None, pa.string())}
    wide = given
    for name, value in constants.items():
        wide = wide.append_column(name, pa.repeat(value, number))
    with ordered(in_chunks(given), run_bytes, constants=constants) as found:
        assert held(found, wide)
        assert found.digest(without=("a_run", "revision")) == table_digest(wide.drop_columns(["a_run", "revision"]))
        assert held(found.without("a_run"), wide.drop_columns(["a_run"]))
        assert found.without("id").schema.equals(canonical(wide.drop_columns(["id"])).schema)
        assert found.table(["revision", "at"]).equals(canonical(wide).select(["revision", "at"]))
        assert found.table(["none", "a_run"]).equals(canonical(wide).select(["none", "a_run"]))
        assert sum(chunk.num_rows for chunk in found.chunks(["a_run"], 7)) == number
        assert all(chunk.num_rows <= 7 for chunk in found.chunks(["a_run"], 7))
        for name, rest in (("all", found), ("fewer", found.without("none"))):
            with pa.OSFile(str(tmp_path / name), "wb") as sink:
                rest.write_parquet(sink)
    assert held(in_file(partial(pq.ParquetFile, tmp_path / "all")), wide)
    assert held(in_file(partial(pq.ParquetFile, tmp_path / "fewer")), wide.drop_columns(["none"]))


def test_merging_many_runs_does_not_sort_their_rows_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    given = rows(2_600)
    sort, sorted_rows = module.canonical_order, [0]

    def counting(table: pa.Table) -> pa.UInt64Array:
        sorted_rows[0] += table.num_rows
        return sort(table)

    monkeypatch.setattr(module, "canonical_order", counting)
    with ordered(in_chunks(given, 65), 1) as found:  # forty runs
        assert held(found, given)
    assert sorted_rows[0] < 3 * given.num_rows


def test_rows_that_were_merged_are_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ordered(in_chunks(rows(120)), 1_000, constants={"revision": pa.scalar(3, pa.int64())}) as found:
        monkeypatch.setattr(pq, "ParquetWriter", None)
        with pa.OSFile(str(tmp_path / "rows"), "wb") as sink:
            found.write_parquet(sink)
    assert in_file(partial(pq.ParquetFile, tmp_path / "rows")).table(["revision"]).num_rows == 120


def test_a_file_is_not_read_for_columns_of_one_value() -> None:
    class Unread(OrderedTable):
        def chunks(self, columns: Sequence[str] | None = None, chunk_rows: int = 1) -> Iterator[pa.Table]:
            raise AssertionError("nobody needs these")

    found = WithConstants(Unread.of(rows(30)), {"revision": pa.scalar(3, pa.int64())})
    assert found.table(["revision"]).column("revision").to_pylist() == [3] * 30


def test_only_the_columns_asked_for_are_read_in_their_order() -> None:
    given = rows(120)
    for run_bytes in (1_000, ONE_RUN):
        with ordered(in_chunks(given), run_bytes) as found:
            assert found.table(["number", "at"]).column_names == ["number", "at"]
            assert [chunk.num_rows for chunk in found.chunks(["id"], 50)] == [50, 50, 20]
            assert found.table(["text", "id"]).equals(canonical(given).select(["text", "id"]))


def test_what_is_written_is_one_parquet_file_with_a_row_group_for_each_chunk(tmp_path: Path) -> None:
    given = rows(120)
    for name, run_bytes in (("many", 1_000), ("one", ONE_RUN)):
        path = tmp_path / name
        with ordered(in_chunks(given), run_bytes) as found, pa.OSFile(str(path), "wb") as sink:
            found.write_parquet(sink)
        with pq.ParquetFile(path) as parquet:
            assert [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)] == [50, 50, 20]
        again, copy = in_file(partial(pq.ParquetFile, path)), tmp_path / "copy"
        assert held(again, given)
        assert held(in_file(partial(pq.ParquetFile, path), without=["text"]), given.drop_columns(["text"]))
        with pa.OSFile(str(copy), "wb") as sink:
            again.write_parquet(sink)
        assert held(in_file(partial(pq.ParquetFile, copy)), given)


def test_few_rows_of_a_file_are_kept_in_memory(tmp_path: Path) -> None:
    for number, kept in ((50, True), (51, False)):
        pq.write_table(canonical(rows(number)), tmp_path / "rows")
        found = in_file(lambda: pq.ParquetFile(tmp_path / "rows"))
        assert isinstance(found, OrderedTable) is kept
        assert held(found, rows(number))


def test_nothing_stays_behind_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def broken() -> Iterator[pa.Table]:
        yield from in_chunks(rows(100))
        raise SchemaMismatch("the source broke off")

    with ordered(in_chunks(rows(100)), 500):
        assert list(tmp_path.iterdir())
    with pytest.raises(SchemaMismatch, match="broke off"), ordered(broken(), 500):
        raise AssertionError("it is sorted before anything is done with it")
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_many_rows_is_not_sorted_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = rows(40), rows(400)
    for given, in_memory in ((few.slice(0, 0), True), (few, True), (many, False)):
        monkeypatch.setattr(module, "ordered", partial(ordered, run_bytes=2_000))
        with in_order(given) as found:
            assert isinstance(found, OrderedTable) is in_memory
            assert given.num_rows == 0 or held(found, given)
            assert found.digest() == table_digest(given)
            with in_order(found) as same:
                assert same is found


def test_a_temporary_folder_without_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for part in ("_spill", "_merged"):
        with monkeypatch.context() as patched:
            patched.setattr(module, part, full)
            told = pytest.raises(StoreUnavailable, match=rf"Sorting rows in {tmp_path} failed.*No space.*TMPDIR")
            with told, ordered(in_chunks(rows(100)), 500):
                raise AssertionError("there was no room")


@pytest.mark.parametrize("constants", [None, {"revision": pa.scalar(3)}])
def test_no_chunk_at_all_makes_no_rows(constants: Mapping[str, pa.Scalar] | None) -> None:
    with ordered([], constants=constants) as found:
        assert (found.num_rows, found.schema.names, list(found.chunks())) == (0, [], [])
        assert found.digest() == table_digest(pa.table({}))


@pytest.mark.parametrize(("group", "most"), [(2, 5), (3, 3), (7, 2), (100, 100)])
def test_a_file_is_read_in_batches_whatever_its_row_groups_are(group: int, most: int, tmp_path: Path) -> None:
    rows = pa.table({"n": range(20), "text": [str(n) for n in range(20)]})
    pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=group)
    with pq.ParquetFile(tmp_path / "rows.parquet") as parquet:
        found = list(batches(parquet, most, ["n"]))
    assert pa.Table.from_batches(found).equals(rows.select(["n"]))
    assert max(batch.num_rows for batch in found) <= most
    assert len(found) <= 20 // min(group, most) + 1


@pytest.mark.parametrize("number", [0, 3])
def test_few_rows_of_every_canonical_type_come_back_from_a_file_that_says_no_more_than_that(
    tmp_path: Path, number: int
) -> None:
    kinds = [pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.date32()]
    kinds += [pa.string(), pa.timestamp("us", "UTC")]
    cells = pa.array([1, None, 0])
    given = canonical(pa.table({str(kind): _as(cells, kind).slice(0, number) for kind in kinds}))
    with pa.OSFile(str(tmp_path / "rows"), "wb") as sink:
        OrderedTable(given).write_parquet(sink)
    with pq.ParquetFile(tmp_path / "rows") as parquet:
        assert parquet.read().equals(given)
        assert parquet.read().schema.equals(given.schema, check_metadata=True)
        group = parquet.metadata.row_group(0)
        for place, field in enumerate(given.schema):
            assert group.column(place).statistics is None
            assert ("RLE_DICTIONARY" in group.column(place).encodings) == (field.type == pa.string() and number > 0)


def _as(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    through = pa.int32() if kind == pa.date32() else cells.type
    return cells.cast(through).cast(kind)
