"""A table's log is shortened, and no version of the table is forgotten: in every lake, and wherever it is cut off."""

import os
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

from perennial.digest import table_digest
from perennial.errors import LeaseLost, RowsLost, RowsRemoved, StoreUnavailable
from perennial.lake import delta_log, log_archive
from perennial.lake.delta import DeltaLake
from perennial.lake.port import Commit, Forgotten, Lake
from perennial.lake.tables import Tables
from perennial.lease import Lease
from perennial.window import Window

TABLE = "raw/flights"
NAMES = [f"2013-03-0{day}T00:00Z--2013-03-0{day + 1}T00:00Z" for day in range(1, 6)]
FIRST, SECOND, THIRD, FOURTH, FIFTH = NAMES
COMMITS = 37  # besides the one that makes the table, so that two tens of commits are packed
BEGINNING = 20

Committed = list[tuple[str, Commit]]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs of ten commits, so that a test needs dozens and not thousands."""
    for name, value in (("PACKED", 10), ("KEPT", 10), ("CHECKPOINTS", 5)):
        monkeypatch.setattr(log_archive, name, value)


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "note": pa.array(["ü"] * len(ids), pa.string())})


def lease(token: int) -> Lease:
    return Lease("flights", Window.parse(FIRST), token, contested=False)


def filled(lake: Lake, commits: int = COMMITS) -> Committed:
    """Commits of all kinds: of one partition and of several, of new columns, without rows, and of fences alone."""
    made: Committed = []
    for number in range(1, commits + 1):
        partition = NAMES[number % 3]
        if number % 7 == 0:
            lake.fence(TABLE, {FIRST: lease(number)})
        elif number % 5 == 0:
            both = lake.replace_many(TABLE, {FIRST: rows(number), FOURTH: rows(number, 1)}, {})
            made += both.items()
        elif number % 11 == 0:
            made.append((partition, lake.replace(TABLE, partition, rows())))
        else:
            wide = rows(number, 2).append_column(f"new_{number % 4}", pa.array([True, None]))
            made.append((partition, lake.replace(TABLE, partition, wide)))
    return made


def all_are_read(lake: Lake, made: Committed, opened: int = 9) -> None:
    """Each version holds what was committed; and every so many versions are opened, for what others had written."""
    for number, (partition, commit) in enumerate(made):
        assert lake.committed_digest(TABLE, partition, commit.version) == commit.digest
        assert table_digest(lake.read(TABLE, partition, version=commit.version)) == commit.digest
        if number % opened == 0:
            held = {each: other for each, other in made if other.version <= commit.version}
            with lake.holding(TABLE, commit.version):
                found = [table_digest(lake.read(TABLE, each, version=commit.version)) for each in held]
            assert found == [other.digest for other in held.values()]
            together = lake.read_many(TABLE, dict.fromkeys([*held, FIFTH], commit.version))
            assert [table_digest(together[each]) for each in held] == found
            assert together[FIFTH].num_rows == 0
    held = dict(made)
    assert lake.changed_since(TABLE, {partition: commit.version for partition, commit in held.items()}) == frozenset()
    overtaken = {partition: commit.version for partition, commit in reversed(made)}
    same = {each for each, commit in held.items() if commit.version == overtaken[each]}
    assert lake.changed_since(TABLE, overtaken) == overtaken.keys() - same
    with pytest.raises(RowsLost, match="has no version 777"):
        lake.read(TABLE, FIRST, version=777)


def names(folder: DeltaLake, below: str, ending: str) -> list[int]:
    found = Path(folder.location(TABLE), below).glob(f"*{ending}")
    return sorted(int(each.name[:20]) for each in found if each.name.count(".") == ending.count("."))


def commits_in_log(folder: DeltaLake) -> list[int]:
    return names(folder, "_delta_log", ".json")


def test_every_version_stays_readable_and_the_table_goes_on(lake: Lake) -> None:
    made = filled(lake)
    for _ in range(2):
        assert lake.optimize(TABLE) == 0
        all_are_read(lake, made)
    with pytest.raises(LeaseLost):
        lake.replace(TABLE, FIRST, rows(1), lease(1))
    made.append((FIRST, lake.replace(TABLE, FIRST, rows(4711), lease(COMMITS))))
    lake.fence(TABLE, {SECOND: lease(3)})
    made += [(each, lake.replace(TABLE, each, rows(number))) for number in range(10) for each in (FIRST, THIRD)]
    lake.optimize(TABLE)
    all_are_read(lake, made)
    if isinstance(lake, DeltaLake):
        location = lake.location(TABLE).removeprefix("s3://")
        assert log_archive.packs_of(lake._tables.filesystem, location) == [0, 10, 20, 30]
        assert min(log_archive._numbered(lake._tables.filesystem, f"{location}/_delta_log", log_archive._COMMIT)) == 40


def test_a_version_that_is_packed_is_looked_up_without_opening_the_table(
    folder: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(folder)
    folder.optimize(TABLE)
    monkeypatch.setattr(Tables, "at", lambda *_: pytest.fail("the table was looked at"))
    for partition, commit in made:
        assert table_digest(folder.read(TABLE, partition, version=commit.version)) == commit.digest


def test_the_log_is_short_and_other_engines_open_what_it_has(folder: DeltaLake) -> None:
    made = filled(folder)
    folder.optimize(TABLE)
    assert commits_in_log(folder) == list(range(BEGINNING, COMMITS + 1))
    assert names(folder, "_log_archive", ".parquet") == [0, 10]
    assert names(folder, "_delta_log", ".checkpoint.parquet") == [BEGINNING - 1, COMMITS]
    for version in range(BEGINNING - 1, COMMITS + 1):
        table = DeltaTable(folder.location(TABLE), version=version)
        found = pa.table(QueryBuilder().register("t", table).execute("SELECT id FROM t").read_all())
        held = {partition: commit.rows for partition, commit in made if commit.version <= version}
        assert found.num_rows == sum(held.values())
    with pytest.raises(Exception, match="No files in log segment"):
        DeltaTable(folder.location(TABLE), version=BEGINNING - 2)


def test_fewer_commits_are_left_alone(folder: DeltaLake) -> None:
    made = filled(folder, BEGINNING - 1)
    folder.optimize(TABLE)
    assert commits_in_log(folder) == list(range(BEGINNING))
    assert not Path(folder.location(TABLE), "_log_archive").exists()
    made += filled(folder, 1)
    folder.optimize(TABLE)
    assert commits_in_log(folder) == list(range(10, BEGINNING + 1))
    all_are_read(folder, made)


# --- cut off, and two at once --------------------------------------------------------------------------------------


class Steps:
    """Counts what changes the store, file by file, and cuts off before one of these steps."""

    def __init__(self, cut_before: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done, self.cut_before = 0, cut_before
        put, remove = log_archive.put, log_archive.remove_files
        monkeypatch.setattr(log_archive, "put", lambda *given: self.step(put, *given))
        monkeypatch.setattr(
            log_archive,
            "remove_files",
            lambda filesystem, paths: [self.step(remove, filesystem, [path]) for path in paths],
        )

    def step(self, work: Callable[..., None], *given: Any) -> None:
        if self.done == self.cut_before:
            raise KeyboardInterrupt
        self.done += 1
        work(*given)


def test_what_was_cut_off_anywhere_is_finished_by_the_next(folder: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    made = filled(folder)
    whole = Path(folder.location(TABLE))
    before = shutil.copytree(whole, whole.parent / "before")
    with monkeypatch.context() as counted:
        steps = Steps(-1, counted)
        folder.optimize(TABLE)
    ended = {path.relative_to(whole) for path in whole.rglob("*")}
    assert steps.done == 2 + BEGINNING  # two packs, and their commits
    for cut in range(steps.done):
        shutil.rmtree(whole)
        shutil.copytree(before, whole)
        with monkeypatch.context() as cut_off:
            Steps(cut, cut_off)
            with pytest.raises(KeyboardInterrupt):
                folder.optimize(TABLE)
        if cut % 4 == 2:  # also after the first pack, and between the commits
            all_are_read(folder, made)
        folder.optimize(TABLE)
        assert {path.relative_to(whole) for path in whole.rglob("*")} == ended
    all_are_read(folder, made)


def test_a_pack_is_whole_under_its_name_or_not_there(folder: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    made = filled(folder)
    moving: list[str] = []

    class Stopped(pa.fs.LocalFileSystem):  # type: ignore[misc]
        def move(self, src: str, dest: str) -> None:
            moving.append(dest)
            raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(folder._tables, "filesystem", Stopped())
        with pytest.raises(KeyboardInterrupt):
            folder.optimize(TABLE)
    assert moving == [f"{folder.location(TABLE)}/_log_archive/{0:020d}.parquet"]
    assert names(folder, "_log_archive", ".parquet") == []
    assert commits_in_log(folder) == list(range(COMMITS + 1))
    folder.optimize(TABLE)
    all_are_read(folder, made)


def test_what_a_killed_packing_had_begun_to_write_is_removed_once_nobody_writes_it(folder: DeltaLake) -> None:
    filled(folder)
    folder.optimize(TABLE)
    archive = Path(folder.location(TABLE), "_log_archive")
    packs = sorted(archive.iterdir())
    abandoned, young = (archive / f"{10:020d}.parquet.{name}.unfinished" for name in "ab")
    for path in (abandoned, young):
        path.write_bytes(b"PAR1")
    two_days_ago = time.time() - timedelta(days=2).total_seconds()
    os.utime(abandoned, (two_days_ago, two_days_ago))
    folder.optimize(TABLE)
    assert sorted(archive.iterdir()) == sorted([*packs, young])


def test_two_at_once_do_no_harm(folder: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    made = filled(folder)
    rival = DeltaLake(str(Path(folder.location(TABLE)).parents[1]), {})
    for step in ("put", "remove_files", "_require_all_files", "_texts"):
        work = getattr(log_archive, step)
        rivals = [rival]

        def after_a_rival(*given: Any, work: Any = work, rivals: list[DeltaLake] = rivals) -> Any:
            if rivals:
                rivals.pop().optimize(TABLE)
            return work(*given)

        with monkeypatch.context() as patch:
            patch.setattr(log_archive, step, after_a_rival)
            folder.optimize(TABLE)
        assert not rivals
        all_are_read(folder, made)
        made += [(FIRST, folder.replace(TABLE, FIRST, rows(number, len(step)))) for number in range(10)]


# --- what is not as it should be -----------------------------------------------------------------------------------


def test_nothing_is_packed_where_another_engine_cleaned_the_log_up(folder: DeltaLake) -> None:
    made = filled(folder)
    DeltaTable(folder.location(TABLE), version=12).create_checkpoint()
    log = Path(folder.location(TABLE), "_delta_log")
    for version in range(12):
        (log / f"{version:020d}.json").unlink()
    folder.optimize(TABLE)
    assert commits_in_log(folder) == list(range(12, COMMITS + 1))
    assert not Path(folder.location(TABLE), "_log_archive").exists()
    for partition, commit in made:
        if commit.version >= 12:
            assert table_digest(folder.read(TABLE, partition, version=commit.version)) == commit.digest


def test_a_torn_pack_is_written_again_while_the_log_has_its_commits(folder: DeltaLake) -> None:
    made = filled(folder)
    pack = Path(folder.location(TABLE), "_log_archive", f"{0:020d}.parquet")
    pack.parent.mkdir()
    pack.write_bytes(b"PAR1 torn")
    folder.optimize(TABLE)
    assert pack.read_bytes() != b"PAR1 torn"
    all_are_read(folder, made)


def test_a_pack_of_another_past_is_written_again_or_nothing_is_removed(folder: DeltaLake, tmp_path: Path) -> None:
    other = DeltaLake(str(tmp_path / "other"), {})
    filled(other)
    other.optimize(TABLE)
    theirs = Path(other.location(TABLE), "_log_archive")
    made = filled(folder)
    shutil.copytree(theirs, Path(folder.location(TABLE), "_log_archive"))
    log = Path(folder.location(TABLE), "_delta_log")
    lacked = log / f"{3:020d}.json"
    text = lacked.read_bytes()
    lacked.unlink()
    before = commits_in_log(folder)
    with pytest.raises(StoreUnavailable, match=r"_log_archive/0+\.parquet does not hold the same commits as the log"):
        folder.optimize(TABLE)
    assert commits_in_log(folder) == before
    lacked.write_bytes(text)
    folder.optimize(TABLE)
    all_are_read(folder, made)


def test_nothing_is_packed_when_the_checkpoint_lacks_a_file(folder: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    made = filled(folder)
    log = Path(folder.location(TABLE), "_delta_log")
    older = next(log.glob("*.checkpoint.parquet")).read_bytes()
    create = DeltaTable.create_checkpoint

    def lacking(table: DeltaTable) -> None:
        create(table)
        (log / f"{COMMITS:020d}.checkpoint.parquet").write_bytes(older)

    with monkeypatch.context() as patch:
        patch.setattr(DeltaTable, "create_checkpoint", lacking)
        with pytest.raises(StoreUnavailable, match="does not name the files of its own version; nothing was packed"):
            folder.optimize(TABLE)
    assert commits_in_log(folder) == list(range(COMMITS + 1))
    for name in (f"{COMMITS:020d}.checkpoint.parquet", "_last_checkpoint"):
        (log / name).unlink()
    folder.optimize(TABLE)
    all_are_read(folder, made)


def test_a_version_whose_commits_are_nowhere_is_told(folder: DeltaLake) -> None:
    made = filled(folder)
    folder.optimize(TABLE)
    Path(folder.location(TABLE), "_log_archive", f"{0:020d}.parquet").unlink()
    (partition, commit) = next(each for each in made if each[1].version == 12)
    assert folder.read(TABLE, partition, version=12).num_rows == commit.rows
    with pytest.raises(StoreUnavailable, match="lacks commits from before version 12"):
        folder.read(TABLE, FIFTH, version=12)


# --- what is not data ----------------------------------------------------------------------------------------------


def test_packs_are_no_data(folder: DeltaLake) -> None:
    made = filled(folder)
    before = folder.stored(TABLE)
    folder.optimize(TABLE)
    assert folder.stored(TABLE) == before
    packs = names(folder, "_log_archive", ".parquet")
    old = folder.remove(TABLE, lambda asked: {}, timedelta(0))
    assert old
    assert not [each for each in old if each.startswith("_")]
    assert folder.stored(TABLE).files == before.files - len(old)
    assert folder.forget(TABLE, "version", "3") == Forgotten(0, 0)
    folder.erase(TABLE)
    assert folder.stored(TABLE).files == 0
    DeltaTable(folder.location(TABLE)).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    assert names(folder, "_log_archive", ".parquet") == packs
    for partition, commit in made:
        with pytest.raises(RowsRemoved):
            folder.read(TABLE, partition, version=commit.version)


def test_files_that_packed_versions_need_are_kept(folder: DeltaLake) -> None:
    made = filled(folder)
    folder.optimize(TABLE)
    (partition, commit) = next(each for each in made if each[1].version == 12)
    others = {each: made_by for each, made_by in made if made_by.version < 12}
    folder.remove(TABLE, lambda asked: {each: [12] for each in NAMES if asked(each)}, timedelta(0))
    for each, held in {**others, partition: commit}.items():
        assert table_digest(folder.read(TABLE, each, version=12)) == held.digest


@pytest.mark.parametrize("lake", ["folder", "s3"], indirect=True)
def test_unpacked_every_version_is_opened_by_any_engine(lake: DeltaLake) -> None:
    made = filled(lake)
    lake.optimize(TABLE)
    location = lake.location(TABLE).removeprefix("s3://")
    assert log_archive.unpack(lake._tables.filesystem, location) == BEGINNING
    assert log_archive.unpack(lake._tables.filesystem, location) == 0
    for version in range(COMMITS + 1):
        table = DeltaTable(lake.location(TABLE), version=version, storage_options=lake._tables.options)
        held = {partition: commit for partition, commit in made if commit.version <= version}
        assert delta_log.files_by_partition(table).keys() == held.keys()
    lake.optimize(TABLE)
    all_are_read(lake, made)
