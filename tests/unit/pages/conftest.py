"""When pages are asked for."""

import pytest
from tests.unit.jobs.world import World, make_world
from tests.unit.pages import asking
from tests.unit.pages.asking import live

from perennial import clock


@pytest.fixture(autouse=True)
def now(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is always the same moment: an hour after day 45, or what the module calls `NOW`."""
    moment = getattr(request.module, "NOW", asking.NOW)
    monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world of the module's own, as `live` says."""
    return live(make_world(tmp_path_factory.mktemp("lived")))
