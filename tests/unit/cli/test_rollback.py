"""`perennial rollback` says in sentences which version serves now, and what was scored again."""

import json
import re
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.rollout_world import RolloutWorld, make

from perennial.cli.session import Session


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, perennial: Call) -> RolloutWorld:
    """The world that commands find instead of `world`: a bad model took over on day 2."""
    root = tmp_path / "served"
    root.mkdir()
    made = make(root, 6)
    first = made.champion("true")
    for day in range(4):
        if day == 2:
            made.ports.ledger.deploy(made.entry("bad", 2, first))
        made.scored(day)
    monkeypatch.setattr(Session, "ports", made.ports)
    monkeypatch.setenv("PERENNIAL_USE_CASES", str(root))
    return made


def test_it_says_which_version_serves_and_how_many_windows_were_scored_again(
    served: RolloutWorld, perennial: Call
) -> None:
    since = f"{served.world.day(2).start:%Y-%m-%dT%H:%MZ}"
    code, out, _ = perennial("rollback", "parcels", "--reason", "complaints", "--rescore-from", since)
    assert code == 0
    serves, again = out.splitlines()
    model = served.models["true"]
    expected = f"Version {model.version} is the champion from {served.world.day(4).start:%Y-%m-%dT%H:%MZ} on."
    assert serves.startswith(f"{expected} Its digest is ")
    assert re.fullmatch(r"Rollback: 2 windows scored again, \d+ s after the decision\.", again)


def test_json_is_as_ever(served: RolloutWorld, perennial: Call) -> None:
    code, out, _ = perennial("rollback", "parcels", "--reason", "complaints", "--json")
    assert (code, json.loads(out)["model_version"]) == (0, served.models["true"].version)
