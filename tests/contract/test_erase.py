"""An entity is erased from real stores, and looked for in every file, every row and every artefact.

Every value of the entity's rows that can be recognised holds a mark. The use case goes through all steps first, with a
window that was revised, rows in quarantine, a question to people and its answer; then the marks are counted.
"""

import io
import json
import logging
import os
import re
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import fs
from tests.contract.test_personal_data import (
    Persons,
    environment_of,
    files_below,
    rows_of_database,
    use_case_below,
)
from tests.servers import WatchedPostgres
from tests.unit.jobs.world import DAYS, ROWS, START
from tests.waiting import LOOK_EVERY

from perennial.jobs.erase import find
from perennial.jobs.erase import run as erase
from perennial.jobs.upkeep import verify
from perennial.jobs.upkeep.decommission import TABLES, DataClass
from perennial.lake.port import shadow_table, window_partition
from perennial.lake.storage import open_filesystem, storage_options
from perennial.ledger.entries import ShadowBatch
from perennial.records.batch import compare_stores
from perennial.records.human_labels import answer
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.spec.load import load_use_case
from perennial.window import Window
from perennial.wiring import open_ports

NAME, KEY = "visits", "QXGONE"  # all marks begin with the key
OTHER = "QXKILLED"  # another entity, of the same days
INCOME = 7_654_321.125
ROWS_OF_THE_ENTITY = (10, 31, 32)  # days: one of the training set, one that is revised, one that goes to quarantine
COLUMNS = """columns:
  person: {kind: categorical, role: key}
  sent_at: {kind: timestamp, role: event_time, derive: [hour]}
  weight: {kind: numeric}
  income: {kind: numeric, personal: true}
  account: {kind: categorical, role: carry}
  note: {kind: categorical, role: monitor, personal: true}
labels:"""
EXPECTATIONS = """
expectations:
  - {type: expect_column_values_to_be_between, kwargs: {column: weight, min_value: -50}, quarantine: true}
  - {type: expect_column_values_to_not_match_regex, kwargs: {column: account, regex: ACCOUNT}, severity: warning}
"""


class Killed(BaseException):
    """What ends a process in the middle."""


def people() -> tuple[pa.Table, pa.Table]:
    """Rows of many, among them three of the entity, and their outcomes."""
    random = np.random.default_rng(7)
    n = DAYS * ROWS
    sent = [START + timedelta(days=i // ROWS, seconds=int(s)) for i, s in enumerate(random.integers(0, 86_400, n))]
    weight = random.normal(10, 2, n)
    late = random.random(n) < 1 / (1 + np.exp(10 - weight))
    keys, accounts = [f"person{i:06d}" for i in range(n)], [f"account{i}" for i in range(n)]
    incomes, notes = random.normal(1000, 10, n), [f"note{i % 5}" for i in range(n)]
    for day in ROWS_OF_THE_ENTITY:
        i = day * ROWS
        keys[i], accounts[i], notes[i], incomes[i] = KEY, f"{KEY}ACCOUNT{day}", f"{KEY}NOTE{day}", INCOME
        keys[i + 1], accounts[i + 1], notes[i + 1] = OTHER, f"{OTHER}ACCOUNT{day}", f"{OTHER}NOTE{day}"
    weight[32 * ROWS] = -99.0
    at = pa.array(sent, pa.timestamp("us", "UTC"))
    rows = {"person": keys, "sent_at": at, "weight": weight, "income": incomes, "account": accounts, "note": notes}
    arrived = pa.array([each + timedelta(hours=12) for each in sent], pa.timestamp("us", "UTC"))
    return pa.table(rows), pa.table({"person": keys, "sent_at": at, "late": late, "delivered_at": arrived})


def day(number: int) -> Window:
    return Window(START + timedelta(days=number), START + timedelta(days=number + 1))


def named(number: int) -> str:
    return f"{START + timedelta(days=number):%Y-%m-%d}"


@pytest.fixture(scope="module", params=["folder", "s3"])
def lived(
    request: pytest.FixtureRequest,
    postgres: WatchedPostgres,
    mlflow_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Persons:
    """A use case in which the entity is everywhere, with its lake in a folder or on S3."""
    root = tmp_path_factory.mktemp("visits")
    more = "packaging: [onnx]\nreview: {random_share: 1, limit: 1000}\n"
    folder = use_case_below(root, NAME, COLUMNS, EXPECTATIONS, more, *people())
    database = postgres.url(postgres.new_database(NAME))
    environment = environment_of(root, mlflow_url, database)
    if request.param == "s3":
        endpoint = request.getfixturevalue("s3_endpoint")
        environment |= {
            "PERENNIAL_LAKE_URL": f"s3://{request.getfixturevalue('make_bucket')('erased')}/lake",
            "PERENNIAL_LAKE_CONNECTION": "erased_lake",
            "AIRFLOW_CONN_ERASED_LAKE": f"aws://key:secret@/?endpoint_url={endpoint}&region_name=us-east-1",
        }
    settings = Settings.from_environment(environment)
    ports = open_ports(settings, EnvironmentConnections(settings.environment))
    made = Persons(folder, root / "home", database, environment, load_use_case(folder), ports)
    live(made)
    return made


def live(visits: Persons) -> None:
    """Train, score, measure, revise a window, ask a person, and predict in the shadow."""
    run = visits.run
    run("db", "upgrade")
    run("retrain", NAME, "--as-of", named(31), "--reason", "first")
    for number in (31, 32):
        for step in ("ingest", "validate", "score", "monitor"):
            run(step, NAME, "--window", named(number))
        run("review", "select", NAME, "--window", named(number))
    run("evaluate", NAME, "--as-of", named(38))
    changed = visits.folder / "data" / f"{named(31)}.csv"
    changed.write_text(changed.read_text().replace("note1", "note2"))
    for step in ("ingest", "validate", "score", "monitor"):
        run(step, NAME, "--window", named(31))
    for report in (("card", NAME), ("export", NAME, "--version", "1", "--to", "onnx"), ("maintain", NAME)):
        run(*report)
    answer(
        visits.use_case, day(31), KEY, 1.0, visits.ports, "by hand", author="eve",
        answered_at=datetime(2024, 2, 9, tzinfo=UTC), origin="test",
    )  # fmt: skip
    shadow(visits)


def shadow(visits: Persons) -> None:
    """A shadow of the live revision, as a challenger would have made it."""
    ports, window = visits.ports, day(31)
    batch = ports.ledger.latest_batch(NAME, window)
    assert batch is not None
    rows = ports.lake.read(batch.table, window_partition(window), version=batch.version)
    commit = ports.lake.replace(shadow_table(NAME), window_partition(window), rows)
    ports.ledger.record_shadow(
        ShadowBatch(
            use_case=NAME,
            window=window,
            revision=batch.revision,
            champion_digest=batch.model_digest,
            challenger_version="2",
            challenger_digest="another",
            snapshot_digest=batch.snapshot_digest,
            suite_digest=batch.suite_digest,
            scoring_digest=batch.scoring_digest,
            table=commit.table,
            version=commit.version,
            digest=batch.digest,
            rows=batch.rows,
            fencing_token=0,
            code_version="",
            lock_digest="",
            run_id="by hand",
        )
    )


def lake_files(visits: Persons) -> Iterator[tuple[str, bytes]]:
    """Every file of the lake, those of old versions too; a table as the text of its rows."""
    settings = Settings.from_environment(visits.environment)
    options = {}
    if settings.lake_connection:
        options = storage_options(EnvironmentConnections(visits.environment).url(settings.lake_connection))
    system, root = open_filesystem(settings.lake_url, options)
    for info in system.get_file_info(fs.FileSelector(root, recursive=True)):
        if info.type is not fs.FileType.File:
            continue
        content = system.open_input_stream(info.path).read()
        name = info.path.removeprefix(root).strip("/")
        yield name, content
        if name.endswith(".parquet") and "_delta_log" not in name:
            rows = pq.ParquetFile(pa.BufferReader(content)).read()
            yield f"rows of {name}", json.dumps(rows.to_pylist(), default=str).encode()


def everything(visits: Persons, mlflow_artifacts: Path, postgres: WatchedPostgres) -> Iterator[tuple[str, bytes]]:
    """All that is stored anywhere, but the source."""
    yield from (("lake", each) for _, each in lake_files(visits))
    yield from rows_of_database(visits.database)
    yield from (("home", each) for _, each in files_below(visits.home))
    yield from (("mlflow", each) for _, each in files_below(mlflow_artifacts))
    with closing(psycopg2.connect(postgres.url("postgres"))) as session, session.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'mlflow%'")
        names = [name for (name,) in cursor.fetchall()]
    assert names
    for name in names:
        yield from (("mlflow", each) for _, each in rows_of_database(postgres.url(name)))


MARKS = (KEY.encode(), str(INCOME).encode(), struct.pack("<d", INCOME))


def marked(stored: Iterator[tuple[str, bytes]], marks: tuple[bytes, ...] = MARKS) -> set[str]:
    """Where a value of the entity is: as text, and the number as text and in 64 bits."""
    return {place for place, content in stored if any(mark in content for mark in marks)}


def others(visits: Persons) -> dict[str, Any]:
    """What is live of everybody else: by window and store, without what says how a revision came to be."""
    found: dict[str, Any] = {}
    for number in (10, *range(31, 33)):
        partition = day(number).key
        for each in (
            DataClass.SNAPSHOTS,
            DataClass.QUARANTINE,
            DataClass.LABELS,
            DataClass.PREDICTIONS,
            DataClass.SHADOW,
        ):
            found[f"{each} {number}"] = _but_the_entity(visits.ports.lake.read(TABLES[each](NAME), partition))
        found[f"published {number}"] = _but_the_entity(visits.ports.published.read(NAME, day(number)))
    for partition in visits.ports.lake.partitions(f"training/{NAME}"):
        found[partition] = _but_the_entity(visits.ports.lake.read(f"training/{NAME}", partition))
    return found


def _but_the_entity(rows: pa.Table) -> list[dict[str, Any]]:
    if rows.num_rows == 0:
        return []
    origin = [name for name in rows.column_names if name in ("revision", "run_id", "snapshot_digest")]
    return list(rows.filter(pc.not_equal(rows["person"], KEY)).drop_columns(origin).to_pylist())


def test_an_entity_is_erased_and_looked_for_in_every_file(
    lived: Persons, mlflow_artifacts: Path, postgres: WatchedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = others(lived)
    before = find.run(lived.use_case, KEY, lived.ports)
    assert {each: before.rows(each) for each in DataClass} == {
        "snapshots": 3, "quarantine": 1, "labels": 3, "training": 1, "predictions": 1, "shadow": 1, "published": 1,
    }  # fmt: skip
    assert before.models == ("1",)
    places = marked(everything(lived, mlflow_artifacts, postgres))
    tables = {"ledger.validations", "ledger.review_selections", "ledger.human_labels"}
    assert places - {"home"} == {"lake", f"perennial.predictions_{NAME}", *tables}
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    told = lived.run("erase", NAME, "--entity", KEY)
    assert "retrain to leave it out" in told
    assert "Nothing was changed" in told
    assert marked(everything(lived, mlflow_artifacts, postgres)) == places
    with pytest.raises(Killed):
        killed_in_the_middle(lived, monkeypatch)
    told += lived.run("erase", NAME, "--entity", KEY, "--yes", "--reason", "they asked")
    assert "an erasure that was interrupted" in told
    assert marked(everything(lived, mlflow_artifacts, postgres)) == set()
    told += lived.run("erase", NAME, "--entity", KEY, "--yes", "--reason", "they asked")
    assert "No store has anything about that entity." in told
    told += lived.run("reproduce", NAME, "--window", named(31))
    assert "DIFFERENT" not in told
    assert re.search(r"erased: \d rows? (was|were) erased on", " ".join(told.split()))
    assert others(lived) == kept
    logging.getLogger().removeHandler(handler)
    assert KEY not in told + log.getvalue()
    for number in (31, 32):
        batch = lived.ports.ledger.latest_batch(NAME, day(number))
        assert batch is not None
        found = compare_stores(batch, lived.ports)
        assert found.lake_agrees
        assert found.published_agrees
    assert verify.run(lived.ports.ledger, []).alterations == 0
    revision = lived.ports.ledger.latest_batch(NAME, day(31))
    last = lived.ports.ledger.shadows_between(NAME, day(31).start, day(31).end)[-1]
    assert revision is not None
    assert (last.revision, last.rows, last.snapshot_digest) == (
        revision.revision, revision.rows, revision.snapshot_digest
    )  # fmt: skip
    restored = lived.run("reconcile", NAME, "--json")
    assert json.loads(restored.splitlines()[-1])["restored"] == []
    assert "was erased on" in lived.run("explain", NAME, "--entity", KEY) + lived.said[-1]


def killed_in_the_middle(visits: Persons, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin, and end after the past of one table was rewritten."""
    forget = visits.ports.lake.forget
    left = [1]

    def once(table: str, column: str, value: str) -> Any:
        if not left:
            raise Killed
        left.pop()
        return forget(table, column, value)

    with monkeypatch.context() as patched:
        patched.setattr(visits.ports.lake, "forget", once)
        erase.run(visits.use_case, KEY, visits.ports, "killed", actor="ada", reason="they asked")


def leases_taken(visits: Persons) -> int:
    """A number that grows with each lease."""
    with closing(psycopg2.connect(visits.database)) as session, session.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(fencing_token), 0) FROM ledger.leases")
        return int(cursor.fetchall()[0][0])


@pytest.mark.parametrize("lived", ["folder"], indirect=True)
def test_a_process_that_is_killed_again_and_again_is_followed_by_one_that_ends_it(
    lived: Persons, mlflow_artifacts: Path, postgres: WatchedPostgres
) -> None:
    random = np.random.default_rng(11)
    command = [sys.executable, "-m", "perennial.cli", "erase", NAME, "--entity", OTHER, "--yes", "--reason", "asked"]
    environment = {**os.environ, **lived.environment}
    for _ in range(4):
        before = leases_taken(lived)
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while process.poll() is None and leases_taken(lived) == before:
                time.sleep(LOOK_EVERY)
            time.sleep(random.uniform(0, 1.5))
            process.kill()
    lived.run("erase", NAME, "--entity", OTHER, "--yes", "--reason", "asked")
    assert find.run(lived.use_case, OTHER, lived.ports).found == 0
    assert marked(everything(lived, mlflow_artifacts, postgres), (OTHER.encode(),)) == set()
    for number in (31, 32):
        batch = lived.ports.ledger.latest_batch(NAME, day(number))
        assert batch is not None
        assert compare_stores(batch, lived.ports).published_agrees
    assert "DIFFERENT" not in lived.run("reproduce", NAME, "--from", named(31), "--to", named(33))
    assert verify.run(lived.ports.ledger, []).alterations == 0
