"""An older lake was brought back, and gives the numbers of its lost versions to other rows."""

from dataclasses import replace

import pytest
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import World

from perennial.errors import RowsLost
from perennial.jobs.evaluate import measure
from perennial.jobs.predict import ingest, monitor, score, validate
from perennial.lake.memory import InMemoryLake
from perennial.records.gate import snapshot_rows
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
    with pytest.raises(RowsLost, match=r"does not hold snapshot .* 0 rows, not 180.*`perennial run parcels --window"):
        score.run(world.use_case, window, world.ports, "alone", model=ModelChoice.parse("as_now"))
    batch = world.ports.ledger.latest_batch("parcels", window)
    assert batch is not None
    with pytest.raises(RowsLost, match="does not hold revision 1"):
        measure.run(world.use_case, world.day(40).start, world.ports, "alone")
    with pytest.raises(RowsLost):
        monitor.run(world.use_case, window, world.ports, "alone")
    assert world.ports.published.read("parcels", window).num_rows == batch.rows
    assert predict(world, 31).revision == 2
