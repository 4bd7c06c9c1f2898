"""Nothing that a source can send crashes a job or leaves anything half-written.

Each entry of the corpus meets real stores: Delta tables, PostgreSQL, CSV and Parquet files. Refused input meets a
window that is scored already, and must leave every store exactly as it was; other input has a window of its own.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import singledispatch

import numpy as np
import pytest
from tests.contract.hostile_inputs import (
    FILES,
    QUERIES,
    Failed,
    FileInput,
    Outcome,
    QueryInput,
    Refused,
    SetAside,
    Unharmed,
)
from tests.contract.hostile_rows import ROWS, good_csv, good_table, parquet_bytes
from tests.contract.hostile_world import RUN, HostileWorld, make_world, query

from perennial.digest import table_digest
from perennial.errors import ValidationFailed
from perennial.jobs.predict import ingest, score, validate
from perennial.lake.port import predictions_table, quarantine_table, raw_table
from perennial.records.model_choice import ModelChoice
from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict
from perennial.window import Window

SETTLED = 1  # the day of a window that is scored before anything hostile comes
LONGEST_MESSAGE = 4_000
_fresh_days = itertools.count(10)


@pytest.fixture(scope="module")
def world(shared_ledger_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileWorld]:
    made = make_world(tmp_path_factory.mktemp("hostile"), shared_ledger_url)
    settled = made.day(SETTLED)
    made.execute("CREATE TABLE keepsake (a int); INSERT INTO keepsake VALUES (1)")
    made.deliver("csv_parcels", settled, good_csv(settled.start))
    made.deliver("parquet_parcels", settled, {".parquet": parquet_bytes(good_table(settled.start))})
    for name in ("csv_parcels", "parquet_parcels", "sql_parcels"):
        assert made.predict(made.use_case(name), settled).rows == ROWS
    yield made
    # After all of that, the next good window goes through, and the settled ones are as they were.
    good = made.day(2)
    made.deliver("csv_parcels", good, good_csv(good.start))
    assert made.predict(made.use_case("csv_parcels"), good).rows == ROWS


@pytest.mark.parametrize("entry", FILES, ids=lambda entry: entry.name)
def test_hostile_files(world: HostileWorld, entry: FileInput) -> None:
    window = world.day(SETTLED if isinstance(entry.outcome, Refused) else next(_fresh_days))
    files = entry.deliver(window.start)
    name = "parquet_parcels" if any("parquet" in str(suffix) for suffix in files) else "csv_parcels"
    world.deliver(name, window, files)
    check(entry.outcome, world, world.use_case(name), window)


@pytest.mark.parametrize("entry", QUERIES, ids=lambda entry: entry.name)
def test_hostile_answers_of_a_database(world: HostileWorld, entry: QueryInput) -> None:
    window = world.day(SETTLED if isinstance(entry.outcome, Refused) else next(_fresh_days))
    sql = entry.sql if entry.column is None else query(**{entry.column: entry.sql})
    use_case = replace(world.use_case("sql_parcels"), queries={"source.sql": sql})
    check(entry.outcome, world, use_case, window)
    assert world.execute("SELECT count(*) FROM keepsake") == [(1,)]


@singledispatch
def check(outcome: Outcome, world: HostileWorld, use_case: LoadedUseCase, window: Window) -> None:
    """Run the window, and compare what came of it with the outcome."""
    raise AssertionError(outcome)


@check.register
def _(outcome: Refused, world: HostileWorld, use_case: LoadedUseCase, window: Window) -> None:
    before = world.stored(use_case.name, window)
    with pytest.raises(outcome.error) as raised:
        ingest.run(use_case, window, world.ports, RUN)
    message = str(raised.value)
    assert type(raised.value) is outcome.error
    assert [text for text in outcome.says if text not in message] == [], message
    assert len(message) < LONGEST_MESSAGE
    assert message.replace("\n", "").isprintable()
    assert world.stored(use_case.name, window) == before


@check.register
def _(outcome: SetAside, world: HostileWorld, use_case: LoadedUseCase, window: Window) -> None:
    scored = world.predict(use_case, window)
    assert scored.rows == ROWS - outcome.rows
    assert quarantined(world, use_case.name, window) == {outcome.rule: outcome.rows}
    assert_whole(world, use_case.name, window)


@check.register
def _(outcome: Failed, world: HostileWorld, use_case: LoadedUseCase, window: Window) -> None:
    ingest.run(use_case, window, world.ports, RUN)
    with pytest.raises(ValidationFailed) as raised:
        validate.run(use_case, window, world.ports, RUN)
    assert outcome.reason in str(raised.value)
    with pytest.raises(ValidationFailed):
        score.run(use_case, window, world.ports, RUN, model=ModelChoice())
    stored = world.stored(use_case.name, window)
    (validation,) = stored.validations
    assert (validation.verdict, validation.rows_quarantined) == (Verdict.FAIL, outcome.rows_quarantined)
    assert sum(quarantined(world, use_case.name, window).values()) == outcome.rows_quarantined
    assert stored.batches == ()
    assert world.ports.published.read(use_case.name, window).num_rows == 0
    assert world.ports.lake.read(predictions_table(use_case.name), window.key).num_rows == 0


@check.register
def _(outcome: Unharmed, world: HostileWorld, use_case: LoadedUseCase, window: Window) -> None:
    scored = world.predict(use_case, window)
    assert scored.rows == ROWS
    assert quarantined(world, use_case.name, window) == {}
    kept = world.ports.lake.read(raw_table(use_case.name), window.key).column(outcome.column).to_pylist()
    assert [value for value in outcome.values if value not in kept] == []
    assert_whole(world, use_case.name, window)


def quarantined(world: HostileWorld, name: str, window: Window) -> dict[str, int]:
    """How many rows lie in quarantine, by the rule that put them there."""
    rows = world.ports.lake.read(quarantine_table(name), window.key)
    rules = rows.column("rule").to_pylist()
    return {rule: rules.count(rule) for rule in rules}


def assert_whole(world: HostileWorld, name: str, window: Window) -> None:
    """Snapshot, verdict, batch, lake and published table are one state, complete and the same everywhere."""
    ports = world.ports
    stored = world.stored(name, window)
    snapshot, validation, batch = stored.snapshots[-1], stored.validations[-1], stored.batches[-1]
    assert snapshot.digest == stored.raw
    assert validation.snapshot_digest == batch.snapshot_digest == snapshot.digest
    assert stored.published == stored.predictions
    raw = ports.lake.read(raw_table(name), window.key)
    caught = ports.lake.read(quarantine_table(name), window.key)
    published = ports.published.read(name, window)
    assert table_digest(published) == stored.published
    keys = [key for key in raw.column("parcel").to_pylist() if key not in caught.column("parcel").to_pylist()]
    assert sorted(published.column("parcel").to_pylist()) == sorted(keys)
    assert published.num_rows == batch.rows
    assert np.isfinite(published.column("prediction").to_numpy()).all()
