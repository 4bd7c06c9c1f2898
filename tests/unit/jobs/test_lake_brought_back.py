"""An older lake was brought back, and gives the numbers of its lost versions to other rows."""

from dataclasses import replace
from typing import Any, cast

import pyarrow as pa
import pytest
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import World

from perennial.errors import RowsLost
from perennial.jobs.evaluate import measure
from perennial.jobs.predict import ingest, monitor, score, validate
from perennial.lake.memory import InMemoryLake
from perennial.ordered import OrderedTable
from perennial.records.gate import Gated, snapshot_rows
from perennial.records.model_choice import ModelChoice


def brought_back(world: World, lake: InMemoryLake) -> World:
    return replace(world, ports=replace(world.ports, lake=lake))


def saved(world: World) -> InMemoryLake:
    assert isinstance(world.ports.lake, InMemoryLake)
    return world.ports.lake.copy()


def test_rows_get_a_number_that_the_ledger_does_not_know_as_other_rows(world: World) -> None:
    ingest.run(world.use_case, world.day(0), world.ports, "one")
    lake = saved(world)
    world.change(0, "weight", 11.0)
    lost = ingest.run(world.use_case, world.day(0), world.ports, "two")
    world = brought_back(world, lake)
    world.change(0, "weight", 12.0)
    found = ingest.run(world.use_case, world.day(0), world.ports, "three")
    assert found.changed
    assert found.version == lost.version + 1  # the very next was given to the rows at first, and is the lost ones'
    snapshot = world.ports.ledger.latest_snapshot("parcels", world.day(0))
    assert snapshot is not None
    assert (snapshot.version, snapshot.digest) == (found.version, found.digest)
    assert snapshot_rows(snapshot, world.ports.lake).column("weight")[0].as_py() == 12.0
    validate.run(world.use_case, world.day(0), world.ports, "three")


def test_lost_rows_that_the_source_still_has_are_recorded_anew_once(world: World) -> None:
    lake = saved(world)
    for day in (1, 0):
        ingest.run(world.use_case, world.day(day), world.ports, "one")
    world = brought_back(world, lake)
    again = [ingest.run(world.use_case, world.day(0), world.ports, "again").changed for _ in range(2)]
    assert again == [True, False]


def test_rows_of_another_number_are_not_scored_alone(world: World) -> None:
    first_model(world)
    lake = saved(world)
    predict(world, 31)
    world = brought_back(world, lake)
    for day in (41, 42, 43):
        predict(world, day)
    window = world.day(31)
    with pytest.raises(RowsLost, match=r"does not hold snapshot .* with the digest .*`perennial run parcels --window"):
        score.run(world.use_case, window, world.ports, "alone", model=ModelChoice.parse("as_now"))
    batch = world.ports.ledger.latest_batch("parcels", window)
    assert batch is not None
    with pytest.raises(RowsLost, match="does not hold revision 1"):
        measure.run(world.use_case, world.day(40).start, world.ports, "alone")
    with pytest.raises(RowsLost):
        monitor.run(world.use_case, window, world.ports, "alone")
    assert world.ports.published.read("parcels", window).num_rows == batch.rows
    assert predict(world, 31).revision == 2


def test_as_many_other_rows_under_the_same_number_are_not_scored(world: World) -> None:
    first_model(world)
    lake = saved(world)
    predict(world, 31)
    snapshot = world.ports.ledger.latest_snapshot("parcels", world.day(31))
    assert snapshot is not None
    partition, rows = world.day(31).key, snapshot_rows(snapshot, world.ports.lake)
    world = brought_back(world, lake)
    others = rows.set_column(rows.column_names.index("weight"), "weight", pa.array([11.0] * rows.num_rows))
    made = lake.replace("raw/parcels", partition, others)
    assert (made.version, made.rows) == (snapshot.version, snapshot.rows)
    with pytest.raises(RowsLost, match=rf"does not hold snapshot .* but rows with the digest {made.digest[:12]}"):
        score.run(world.use_case, world.day(31), world.ports, "alone", model=ModelChoice.parse("as_now"))


def test_rows_that_an_earlier_commit_left_in_place_are_scored_if_they_are_the_snapshots(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_model(world)
    ingest.run(world.use_case, world.day(31), world.ports, "one")
    snapshot = world.ports.ledger.latest_snapshot("parcels", world.day(31))
    assert snapshot is not None
    made = world.ports.lake.replace("raw/parcels", world.day(32).key, snapshot_rows(snapshot, world.ports.lake))
    found = Gated(replace(snapshot, version=made.version), cast(Any, None), pa.array([], pa.null()))
    spec = world.use_case.spec
    monkeypatch.setattr(OrderedTable, "table", lambda *_: pytest.fail("all rows were taken into memory"))
    assert sum(each.num_rows for each in found.clean_chunks(world.ports.lake, spec, 100)) == snapshot.rows
    other = replace(found, snapshot=replace(found.snapshot, digest="0" * 64))
    with pytest.raises(RowsLost, match="does not hold snapshot 000000000000"):
        list(other.clean_chunks(world.ports.lake, spec, 100))
