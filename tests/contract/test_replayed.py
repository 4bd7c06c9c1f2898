"""What is replayed from a table's log is what deltalake says of it, whoever wrote it; and what only deltalake may read
is left to it.
"""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from tests.contract.commits import Make, OpenedLake, befalls
from tests.waiting import PATIENCE

from perennial import clock
from perennial.digest import canonical
from perennial.errors import LeaseLost, StoreUnavailable
from perennial.lake import log_archive, storage
from perennial.lake.delta import DeltaLake
from perennial.lake.log_end import LogEnd
from perennial.lake.replayed import ReplayedVersion
from perennial.lake.storage import open_store, put_new
from perennial.lake.table_version import OpenedVersion, TableVersion
from perennial.lake.tables import Tables
from perennial.lease import Lease
from perennial.window import Window

TABLE = "raw/flights"
NAMES = [f"2013-03-0{day}T00:00Z--2013-03-0{day + 1}T00:00Z" for day in range(1, 7)]
FIRST, SECOND, *_ = NAMES
NO_TIME = timedelta(0)


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "note": pa.array(["ü"] * len(ids), pa.string())})


def lease(token: int) -> Lease:
    window = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
    return Lease("flights", window, token, contested=False)


@pytest.fixture(params=["folder", "s3"])
def ours(request: pytest.FixtureRequest, tmp_path: Path) -> DeltaLake:
    """An empty lake in a folder, and one on S3."""
    if request.param == "folder":
        return DeltaLake(str(tmp_path / "lake"), {})  # which is not there yet
    bucket = request.getfixturevalue("make_bucket")("replayed")
    return DeltaLake(f"s3://{bucket}/lake", request.getfixturevalue("s3_options"))


def another_engines(tables: Tables) -> DeltaTable:
    return DeltaTable(tables.location(TABLE), storage_options=tables.options)


def replayed(lake: DeltaLake) -> ReplayedVersion:
    found = lake._tables.at(TABLE)
    assert isinstance(found, ReplayedVersion)
    return found


def is_as_opened(found: TableVersion, lake: DeltaLake) -> None:
    """Whether a version says what deltalake says of the latest one."""
    opened = lake._tables.opened(TABLE)
    assert opened is not None
    assert (found.number, found.columns) == (opened.number, opened.columns)
    assert found.files_of(NAMES) == opened.files_of(NAMES)
    assert found.tokens_of(NAMES) == opened.tokens_of(NAMES)


# --- whatever happens to a table of ours -----------------------------------------------------------------------------


def other_engine_adds(lake: DeltaLake, dice: random.Random) -> None:
    more = rows(dice.randrange(100)).append_column("partition_key", pa.array([dice.choice(NAMES)]))
    write_deltalake(another_engines(lake._tables), more, mode="append", schema_mode="merge")


def new_column(lake: DeltaLake, dice: random.Random) -> None:
    name = f"extra_{dice.randrange(4)}"
    lake.replace(TABLE, dice.choice(NAMES), rows(1, 2).append_column(name, pa.array([1.5, None])))


def some(dice: random.Random) -> pa.Table:
    return rows(*(dice.randrange(1_000) for _ in range(dice.randrange(4))))


STEPS: list[Callable[[DeltaLake, random.Random], object]] = [
    *[lambda lake, dice: lake.replace(TABLE, dice.choice(NAMES), some(dice))] * 6,
    lambda lake, dice: OpenedLake(lake._tables.url, lake._tables.options).replace(
        TABLE, dice.choice(NAMES), some(dice)
    ),
    lambda lake, dice: lake.replace(TABLE, dice.choice(NAMES), rows(7), anew=True),
    lambda lake, dice: lake.replace_many(TABLE, {each: some(dice) for each in dice.sample(NAMES, 3)}, {}),
    lambda lake, dice: lake.fence(TABLE, {each: lease(dice.randrange(10**6, 10**9)) for each in dice.sample(NAMES, 2)}),
    lambda lake, dice: lake.drop(TABLE, dice.sample(NAMES, 1)),
    lambda lake, dice: lake.forget(TABLE, "id", "7"),
    lambda lake, _: lake.optimize(TABLE),
    lambda lake, _: another_engines(lake._tables).create_checkpoint(),
    other_engine_adds,
    new_column,
]


# A look takes the longer in a test's S3 server that it answers in Python.
@pytest.mark.parametrize(
    ("ours", "seed", "steps"), [*(("folder", seed, 80) for seed in range(6)), ("s3", 6, 30)], indirect=["ours"]
)
def test_after_each_of_many_steps_it_is_what_deltalake_says(
    ours: DeltaLake, seed: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    ours.replace(TABLE, FIRST, rows(1))
    monkeypatch.setattr(log_archive, "PACKED", 10)
    monkeypatch.setattr(log_archive, "KEPT", 10)
    monkeypatch.setattr(Lease, "refuse_if_passed", lambda *_: None)  # fences are given in no order
    held = replayed(ours)
    for _ in range(steps):
        dice.choice(STEPS)(ours, dice)
        is_as_opened(replayed(ours), ours)
        held.follow()
        is_as_opened(held, ours)
    assert held.number > 20  # with a checkpoint in between


def test_every_partition_reads_as_deltalake_reads_it(ours: DeltaLake) -> None:
    for number, name in enumerate(NAMES * 5):
        ours.replace(TABLE, name, rows(*range(number)))
    by_delta = pa.table(another_engines(ours._tables).to_pyarrow_table())
    for name in NAMES:
        mine = by_delta.filter(pa.compute.equal(by_delta["partition_key"], name)).drop_columns(["partition_key"])
        assert ours.read(TABLE, name).equals(canonical(mine))


def test_other_engines_see_what_a_commit_says_of_itself(ours: DeltaLake) -> None:
    ours.replace(TABLE, FIRST, rows(1))
    first, second = (ours.replace(TABLE, FIRST, rows(*given)) for given in ((1, 2), (1, 2, 3)))
    told = another_engines(ours._tables).history(2)
    assert [(each["version"], each["digest"], each["rows"]) for each in told] == [
        (second.version, second.digest, 3),
        (first.version, first.digest, 2),
    ]
    assert {each["operationParameters"]["mode"] for each in told} == {"Overwrite"}


def test_a_file_that_was_replaced_is_old_to_deltalake_from_then_on(ours: DeltaLake) -> None:
    ours.replace(TABLE, FIRST, rows(1))
    (before,) = replayed(ours).files_of([FIRST])[FIRST]
    ours.replace(TABLE, FIRST, rows(2))
    named = another_engines(ours._tables).vacuum(0, dry_run=True, enforce_retention_duration=False)
    assert named == [before.path]
    assert ours.remove(TABLE, lambda _: {}, NO_TIME) == [before.path]


def test_nothing_is_replaced_later_than_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = DeltaLake(str(tmp_path), {})
    lake.replace(TABLE, FIRST, rows(1))
    now = datetime(2026, 1, 1, microsecond=999_900, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    lake.replace(TABLE, FIRST, rows(2))
    *_, log = sorted((tmp_path / TABLE / "_delta_log").glob("*.json"))
    (removed,) = (said["remove"] for said in map(json.loads, log.read_text().splitlines()) if "remove" in said)
    assert removed["deletionTimestamp"] == 1_767_225_600_999


def test_a_table_of_ours_is_opened_by_deltalake_when_it_is_made_and_at_checkpoints_only(
    ours: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = Tables.open

    def counted(tables: Tables, *given: Any) -> DeltaTable | None:
        opened.append(given[0])
        return real(tables, *given)

    monkeypatch.setattr(Tables, "open", counted)
    for number in range(45):
        ours.replace(TABLE, NAMES[number % 6], rows(number), lease(5))
        ours.read(TABLE, FIRST)
    assert opened == [TABLE] * 2  # when it was not there yet
    root = ours._tables.root(TABLE)
    found = sorted(log_archive._numbered(ours._tables.filesystem, f"{root}/_delta_log", log_archive._CHECKPOINT))
    assert found == [19, 39]
    is_as_opened(replayed(ours), ours)


# --- commits ----------------------------------------------------------------------------------------------------------


def test_of_two_that_commit_after_the_same_version_one_has_to_look_again(ours: DeltaLake) -> None:
    ours.replace(TABLE, FIRST, rows(1))
    rival = DeltaLake(ours._tables.url, ours._tables.options)
    mine, theirs = replayed(ours), replayed(rival)
    facts = {"partition": SECOND, "digest": "d", "rows": 1}
    written = [ours._write(TABLE, SECOND, rows(2))]
    assert theirs.commit(written, theirs.columns, facts, [SECOND]) == 2
    with pytest.raises(Exception, match="has a version 2 by now") as raised:
        mine.commit(written, mine.columns, facts, [SECOND])
    assert type(raised.value).__name__ == "CommitFailedError"
    is_as_opened(replayed(ours), ours)
    opened = ours._tables.opened(TABLE)
    assert opened is not None
    ours.replace(TABLE, FIRST, rows(9))
    with pytest.raises(Exception, match=r"[Cc]ommit|version") as raised:  # and deltalake loses to it likewise
        opened.commit(written, opened.columns, facts, [SECOND])
    assert type(raised.value).__name__ == "CommitFailedError"


def test_a_checkpoint_that_can_not_be_made_does_not_double_the_commit(
    ours: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(18):
        ours.replace(TABLE, NAMES[number % 6], rows(number))
    failed: list[int] = []

    def fails(table: DeltaTable) -> None:
        failed.append(table.version())
        raise OSError("no space left on device")

    monkeypatch.setattr(DeltaTable, "create_checkpoint", fails)
    commit = ours.replace(TABLE, FIRST, rows(99))
    assert (failed, commit.version, ours.version(TABLE)) == ([19], 19, 19)
    ours.replace(TABLE, FIRST, rows(100))
    monkeypatch.undo()
    for number in range(40):
        ours.replace(TABLE, FIRST, rows(number))
    assert log_archive.last_checkpoint(ours._tables.filesystem, ours._tables.root(TABLE)) == 59
    is_as_opened(replayed(ours), ours)


def test_a_smaller_fencing_token_is_refused_before_and_after_a_checkpoint(ours: DeltaLake) -> None:
    ours.replace(TABLE, FIRST, rows(1))
    ours.fence(TABLE, {FIRST: lease(7)})
    for checkpointed in (False, True):
        if checkpointed:
            another_engines(ours._tables).create_checkpoint()
        assert replayed(ours).tokens_of([FIRST, SECOND]) == {FIRST: 7, SECOND: 0}
        with pytest.raises(LeaseLost):
            ours.replace(TABLE, FIRST, rows(2), lease(6))
    ours.replace(TABLE, FIRST, rows(2), lease(7))


def test_a_file_is_put_once_and_never_over_another(ours: DeltaLake) -> None:
    ours.replace(TABLE, FIRST, rows(1))  # there is a folder then
    store = open_store(ours._tables.url, ours._tables.options)
    assert put_new(store, "a/b.json", b"first")
    assert not put_new(store, "a/b.json", b"second")
    root = storage.open_path(ours._tables.url)
    with ours._tables.filesystem.open_input_stream(f"{root}/a/b.json") as stream:
        assert stream.read() == b"first"


@pytest.mark.parametrize("ours", ["folder"], indirect=True)
def test_what_keeps_a_commit_from_being_put_is_told_in_a_sentence(
    ours: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours.replace(TABLE, FIRST, rows(1))
    log = Path(ours.location(TABLE), "_delta_log")
    real = LogEnd.put

    def lost(end: LogEnd, version: int, content: bytes) -> bool:
        log.rename(log.with_name("aside"))
        log.touch()  # where a folder was
        return real(end, version, content)

    monkeypatch.setattr(LogEnd, "put", lost)
    monkeypatch.setattr("perennial.lake.committing.FAILURES", 1)
    with pytest.raises(StoreUnavailable, match="Writing") as raised:
        ours.replace(TABLE, FIRST, rows(2))
    assert "Debug source" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("reads_only", [True, False])
def test_a_forked_process_is_told_so_and_does_not_wait_for_ever(
    ours: DeltaLake, reads_only: bool, tmp_path: Path
) -> None:
    """A process of its own begins, so that it is the first to have a store."""
    for number in range(3):
        ours.replace(TABLE, FIRST, rows(number))
    told = tmp_path / "told"
    on_s3 = ours._tables.url.startswith("s3://")
    command = [sys.executable, "-c", FORKS, ours._tables.url, json.dumps(ours._tables.options), str(told)]
    process = subprocess.Popen([*command, "reads" if reads_only else "writes"])
    try:
        assert process.wait(timeout=PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
    if reads_only and not on_s3:  # a folder is read without a store
        assert told.read_text() == "written"
    else:
        assert "this process was forked" in told.read_text()
    assert ours.replace(TABLE, SECOND, rows(1)).rows == 1


FORKS = """
import json, os, sys
from pathlib import Path
import pyarrow as pa
from perennial.errors import StoreUnavailable
from perennial.lake import committing
from perennial.lake.delta import DeltaLake
url, options, told, does = sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
lake = DeltaLake(url, options)
rows = lake.read("raw/flights", "2013-03-01T00:00Z--2013-03-02T00:00Z")
if does == "writes":
    lake.replace("raw/flights", "2013-03-01T00:00Z--2013-03-02T00:00Z", rows.slice(0, 0))
committing.FAILURES = 1
child = os.fork()
if child == 0:
    try:
        lake.replace("raw/flights", "2013-03-02T00:00Z--2013-03-03T00:00Z", rows)
        told.write_text("written")
    except StoreUnavailable as error:
        told.write_text(str(error))
    finally:
        os._exit(0)
os.waitpid(child, 0)
lake.replace("raw/flights", "2013-03-03T00:00Z--2013-03-04T00:00Z", rows)
"""


def packed_away(lake: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a rival: more commits than are kept, and then maintenance."""
    monkeypatch.setattr(log_archive, "PACKED", 10)
    monkeypatch.setattr(log_archive, "KEPT", 10)
    rival = DeltaLake(lake._tables.url, lake._tables.options)
    for number in range(40):
        rival.replace(TABLE, NAMES[2 + number % 2], rows(number))
    rival.optimize(TABLE)


def test_who_slept_while_the_next_versions_were_packed_loses_the_race(
    ours: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        ours.replace(TABLE, FIRST, rows(number))
    slept: list[int] = []

    def sleeps(before: TableVersion, commit: Make) -> int:
        if not slept:
            slept.append(before.number)
            packed_away(ours, monkeypatch)
        return commit()

    befalls(monkeypatch, sleeps)
    commit = ours.replace(TABLE, FIRST, rows(77))
    assert (slept, commit.version) == ([3], 44)
    assert DeltaLake(ours._tables.url, ours._tables.options).read(TABLE, FIRST).equals(canonical(rows(77)))
    assert ours.read(TABLE, NAMES[2], version=4).equals(canonical(rows(0)))
    ours.optimize(TABLE)  # finds the log as it left it
    is_as_opened(replayed(ours), ours)


def test_what_is_held_while_its_versions_are_packed_is_looked_for_anew(
    ours: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        ours.replace(TABLE, FIRST, rows(number))
    with ours.holding(TABLE, None):
        assert ours.read(TABLE, NAMES[2]).num_rows == 0
        packed_away(ours, monkeypatch)
        assert ours.read(TABLE, NAMES[2]).equals(canonical(rows(38)))
        assert ours.replace(TABLE, FIRST, rows(77)).version == 44


def test_what_is_held_inside_is_held_until_the_outer_end(ours: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    ours.replace(TABLE, FIRST, rows(1))
    with ours.holding(TABLE, None):
        with ours.holding(TABLE, None):
            pass
        monkeypatch.setattr(Tables, "_latest", lambda *_: pytest.fail("the table was looked for"))
        assert ours.read(TABLE, FIRST).num_rows == 1


# --- what is not ours -------------------------------------------------------------------------------------------------


def appends_only(delta: DeltaTable) -> None:
    delta.alter.set_table_properties({"delta.appendOnly": "false"})


def demands(delta: DeltaTable) -> None:
    delta.alter.add_constraint({"small": "id < 1000000"})


def explains_a_column(delta: DeltaTable) -> None:
    delta.alter.set_column_metadata("id", {"comment": "the flight's number"})


def has_a_feature(delta: DeltaTable) -> None:
    from deltalake import TableFeatures

    delta.alter.add_feature(TableFeatures.ChangeDataFeed, allow_protocol_versions_increase=True)


def checkpoints_more_often(delta: DeltaTable) -> None:
    delta.alter.set_table_properties({"delta.checkpointInterval": "7"})


def nests(delta: DeltaTable) -> None:
    pair = pa.array([{"a": 1}], pa.struct([("a", pa.int64())]))
    more = rows(5).append_column("pair", pair).append_column("partition_key", pa.array([FIRST]))
    write_deltalake(delta, more, mode="append", schema_mode="merge")


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize(
    "changes", [checkpoints_more_often, nests, appends_only, demands, explains_a_column, has_a_feature]
)
def test_a_table_that_another_engine_has_changed_is_left_to_deltalake(
    ours: DeltaLake, changes: Callable[[DeltaTable], None], checkpointed: bool
) -> None:
    ours.replace(TABLE, FIRST, rows(1))
    with ours.holding(TABLE, None):
        ours.read(TABLE, FIRST)
        changes(another_engines(ours._tables))
        assert isinstance(ours._tables.at(TABLE), OpenedVersion)  # also in the middle
    if checkpointed:
        another_engines(ours._tables).create_checkpoint()
    assert isinstance(ours._tables.at(TABLE), OpenedVersion)
    commit = ours.replace(TABLE, SECOND, rows(2, 3))
    assert ours.read(TABLE, SECOND).equals(canonical(rows(2, 3)))
    assert another_engines(ours._tables).version() == commit.version


def cut_checkpoint(log: Path) -> None:
    """As some engines write it: in several files."""
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    checkpoint.rename(checkpoint.with_suffix(".0000000001.0000000001.parquet"))
    last = json.loads((log / "_last_checkpoint").read_text())
    (log / "_last_checkpoint").write_text(json.dumps(last | {"parts": 1}))


def cleaned_up(log: Path) -> None:
    """As engines with another retention leave it: without the commits up to the checkpoint."""
    for version in range(20):
        (log / f"{version:020d}.json").unlink()


def damaged_pointer(log: Path) -> None:
    """As a machine that lost its power leaves it."""
    (log / "_last_checkpoint").write_bytes(b"")


def damaged_checkpoint(log: Path) -> None:
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-9])
    (log / "_last_checkpoint").write_text(json.dumps({"version": 19, "size": 1}))


@pytest.mark.parametrize("changes", [cut_checkpoint, cleaned_up, damaged_pointer])
def test_a_log_that_is_unlike_ours_is_left_to_deltalake(tmp_path: Path, changes: Callable[[Path], None]) -> None:
    lake = DeltaLake(str(tmp_path), {})
    for number in range(22):
        lake.replace(TABLE, NAMES[number % 6], rows(number))
    changes(tmp_path / TABLE / "_delta_log")
    assert isinstance(lake._tables.at(TABLE), OpenedVersion)
    before = lake.read(TABLE, NAMES[21 % 6])
    assert before.equals(canonical(rows(21)))
    lake.replace(TABLE, SECOND, rows(5, 6))
    assert lake.read(TABLE, SECOND).equals(canonical(rows(5, 6)))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"add": {"path": "x", "partitionValues": {"partition_key": "y"}}}',
        '{"add": 1}',
        '{"add": {"path": "x"}}',
        '{"metaData": {"schemaString": "{}"}}',
    ],
)
def test_a_damaged_commit_is_told_by_deltalake_or_read_as_it_reads_it(tmp_path: Path, content: str) -> None:
    lake, theirs = DeltaLake(str(tmp_path), {}), OpenedLake(str(tmp_path), {})
    for number in range(3):
        lake.replace(TABLE, FIRST, rows(number))
    (tmp_path / TABLE / "_delta_log" / f"{4:020d}.json").write_text(content)
    said: list[str] = []
    for each in (lake, theirs):
        try:
            said.append(f"{each.read(TABLE, FIRST).to_pydict()}")
        except StoreUnavailable as error:
            said.append(str(error))
    assert said[0] == said[1]


@pytest.mark.parametrize("told", [None, "{", "7", '{"numRecords": "3"}'])
def test_statistics_that_do_not_say_how_many_rows_there_are_do_no_harm(tmp_path: Path, told: str | None) -> None:
    lake = DeltaLake(str(tmp_path), {})
    for number in range(2):
        lake.replace(TABLE, FIRST, rows(number, 5))
    path = tmp_path / TABLE / "_delta_log" / f"{2:020d}.json"
    actions = [json.loads(line) for line in path.read_text().splitlines()]
    for each in actions:
        if "add" in each:
            each["add"]["stats"] = told
    path.write_text("\n".join(map(json.dumps, actions)))
    assert lake.replace(TABLE, FIRST, rows(1, 5)).version == 2
    assert lake.replace(TABLE, FIRST, rows(1, 6)).version == 3
    assert lake.read(TABLE, FIRST).equals(canonical(rows(1, 6)))


def test_a_checkpoint_without_statistics_as_text_is_left_to_deltalake(tmp_path: Path) -> None:
    lake = DeltaLake(str(tmp_path), {})
    for number in range(22):
        lake.replace(TABLE, FIRST, rows(number))
    (path,) = (tmp_path / TABLE / "_delta_log").glob("*.checkpoint.parquet")
    found = pq.read_table(path)
    added = found["add"].combine_chunks()
    fields = [each for each in added.type if each.name != "stats"]
    without = pa.StructArray.from_arrays(
        [added.field(each.name) for each in fields], fields=fields, mask=added.is_null()
    )
    pq.write_table(found.set_column(found.column_names.index("add"), "add", without), path)
    assert isinstance(lake._tables.at(TABLE), OpenedVersion)
    assert lake.replace(TABLE, FIRST, rows(99)).version == 23


def test_a_damaged_checkpoint_is_told_as_deltalake_tells_it(tmp_path: Path) -> None:
    lake, theirs = DeltaLake(str(tmp_path), {}), OpenedLake(str(tmp_path), {})
    for number in range(22):
        lake.replace(TABLE, FIRST, rows(number))
    damaged_checkpoint(tmp_path / TABLE / "_delta_log")
    for each in (lake, theirs):
        with pytest.raises(StoreUnavailable, match="Reading"):
            each.read(TABLE, FIRST)


def log_end(lake: DeltaLake) -> LogEnd:
    tables = lake._tables
    return LogEnd(tables.filesystem, tables.root(TABLE), lambda: open_store(tables.url, tables.options), TABLE)


@pytest.mark.parametrize("size", [1, 2])
def test_a_hole_in_the_log_is_not_filled(ours: DeltaLake, size: int) -> None:
    for number in range(5):
        ours.replace(TABLE, NAMES[number], rows(number))
    log = f"{ours._tables.root(TABLE)}/_delta_log"
    for missing in range(4 - size, 4):
        ours._tables.filesystem.delete_file(f"{log}/{missing:020d}.json")
    end = log_end(ours)
    with pytest.raises(FileNotFoundError, match="lacks a commit before version 5, from 0 on"):
        end.commits(0)
    assert [version for version, _ in end.commits(4)] == [4, 5]
    with pytest.raises(StoreUnavailable):
        ours.replace(TABLE, SECOND, rows(9))


def test_what_befalls_both_ways_is_seen_by_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: `befalls` reaches the commits of either way."""
    seen: list[str] = []

    def noted(before: TableVersion, commit: Make) -> int:
        seen.append(type(before).__name__)
        return commit()

    befalls(monkeypatch, noted)
    for kind in (OpenedLake, DeltaLake):
        kind(str(tmp_path), {}).replace(TABLE, FIRST, rows(len(seen)))
    assert seen == ["OpenedVersion", "ReplayedVersion"]
