"""A world with windows in every state, and its gauges as Prometheus reads them."""

import pytest
from tests.unit.jobs.world import World, make_world
from tests.unit.pages.asking import live
from tests.unit.telemetry.read import Read, read

from perennial.jobs.evaluate import collect_labels, measure


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> World:
    """As `live`; days 30 and 31 are measured."""
    world = live(make_world(tmp_path_factory.mktemp("lived")))
    for job in (collect_labels, measure):
        job.run(world.use_case, world.day(34).start, world.ports, "test")
    return world


@pytest.fixture(scope="module")
def told(lived: World) -> Read:
    """What is told of it."""
    return read(lived)
