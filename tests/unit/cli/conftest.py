"""The command line on a world in memory."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.jobs.world import World, make_world

from perennial.cli.main import main
from perennial.cli.session import Session

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The parcels of `tests.unit.jobs.world`, as every command finds them."""
    root = tmp_path / "use_cases"
    root.mkdir()
    world = make_world(root)
    monkeypatch.setattr(Session, "ports", world.ports)
    monkeypatch.setattr(Session, "source", staticmethod(world.ports.source))
    monkeypatch.setattr(Session, "ledger", world.ports.ledger)
    monkeypatch.setattr(Session, "lake", world.ports.lake)
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PERENNIAL_USE_CASES", str(root))
    return world


@pytest.fixture
def perennial(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command on the world: its exit code, standard output and standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["perennial", *arguments])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call
