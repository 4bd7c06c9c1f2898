"""What all tests of one process share: nobody renders pictures that nobody looks at."""

import sys
from typing import BinaryIO

import pytest
from matplotlib.figure import Figure


class Unrendered(Figure):
    """A figure that is drawn and never rendered, which takes a third of a retraining on stores in memory."""

    def savefig(self, sink: BinaryIO, **_: object) -> None:
        sink.write(b"unrendered")


@pytest.fixture(autouse=True)
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the rendering of candidates' pictures. `jobs/test_pictures.py` looks at them."""
    if pictures := sys.modules.get("perennial.jobs.retrain.trying.pictures"):
        monkeypatch.setattr(pictures, "Figure", Unrendered)
