"""When pages are asked for."""

import pytest
from tests.unit.pages import asking

from perennial import clock


@pytest.fixture(autouse=True)
def now(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is always the same moment: an hour after day 45, or what the module calls `NOW`."""
    moment = getattr(request.module, "NOW", asking.NOW)
    monkeypatch.setattr(clock, "now", lambda: moment)
