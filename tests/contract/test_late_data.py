"""Late data and gaps on a real lake, ledger and published table."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import RECORDED, ROWS, World, make_world

from perennial.digest import table_digest
from perennial.jobs.predict import late, monitor
from perennial.jobs.upkeep import gaps
from perennial.lake.delta import DeltaLake
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.published.postgres import PostgresPublished


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    migrate.upgrade(database_url)
    made = make_world(tmp_path)
    ledger = PostgresLedger(database_url, lambda: RECORDED)
    stores = replace(
        made.ports,
        lake=DeltaLake(str(tmp_path / "lake"), {}),
        ledger=ledger,
        published=PostgresPublished(database_url),
    )
    spec = made.use_case.spec.model_copy(update={"late_data": timedelta(days=2), "allow_empty": True})
    yield replace(made, ports=stores, use_case=replace(made.use_case, spec=spec))
    ledger.close()


def test_late_rows_reach_every_store_and_the_record_and_gaps_are_found(world: World) -> None:
    first_model(world)
    everything = world.parcels.table
    held_back = set(world.rows_of(30)[:20])
    world.parcels.table = everything.filter(pa.array([i not in held_back for i in range(everything.num_rows)]))
    for day in (30, 32):
        predict(world, day)
        monitor.run(world.use_case, world.day(day), world.ports, "daily")
    world.parcels.table = everything
    first = late.run(world.use_case, world.day(32), world.ports, "daily")
    assert (first.windows, first.new, first.predictions_changed) == (1, 20, 20)
    again = late.run(world.use_case, world.day(32), world.ports, "retried")
    assert (again.windows, again.changed_windows) == (1, ())

    window = world.day(30)
    (entry,) = world.ports.ledger.late_rows_between("parcels", window.start, window.end)
    assert (entry.new, entry.gone, entry.changed, entry.rows, entry.revision) == (20, 0, 0, ROWS, 2)
    live = world.ports.lake.read("predictions/parcels", window.key)
    assert live.num_rows == ROWS
    assert table_digest(live) == world.ports.published.digest("parcels", window)
    assert [report.number for report in world.ports.ledger.drift_of("parcels", window)] == [0, 1]

    _, missing = gaps.find(world.use_case.spec, world.day(34).end + timedelta(hours=1), world.ports.ledger)
    assert missing == [world.day(day) for day in (31, 33, 34)]
    late.ingest.note_empty(world.use_case, world.day(33), world.ports, "daily")
    _, missing = gaps.find(world.use_case.spec, world.day(34).end + timedelta(hours=1), world.ports.ledger)
    assert missing == [world.day(day) for day in (31, 34)]
