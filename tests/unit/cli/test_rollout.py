"""`perennial rollout` shows the roll-out under way, and takes a person's word on it."""

import json
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.rollout_world import RolloutWorld, make
from tests.unit.jobs.test_rollout import begin, play

from perennial.cli.session import Session


@pytest.fixture
def rolling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, perennial: Call) -> RolloutWorld:
    """The world that commands find instead of `world`: one in roll-out."""
    root = tmp_path / "rolling"
    root.mkdir()
    made = make(root, 8)
    monkeypatch.setattr(Session, "ports", made.ports)
    monkeypatch.setenv("PERENNIAL_USE_CASES", str(root))
    begin(made, "fair", "true")
    return made


def test_it_shows_stage_evidence_and_windows(rolling: RolloutWorld, perennial: Call) -> None:
    play(rolling, range(4))
    code, out, _ = perennial("rollout", "parcels")
    assert code == 0
    assert out.startswith("Version 1 is in the shadow since 2024-01-01 00:00 UTC: 3 of about")
    assert "challenger 1" in out
    assert "2024-01-02T00:00Z" in out
    code, out, _ = perennial("rollout", "parcels", "--json")
    found = json.loads(out)
    assert (found["share"], found["windows_final"], len(found["windows"])) == (0, 3, 3)


def test_advancing_and_stopping_take_a_reason(rolling: RolloutWorld, perennial: Call) -> None:
    assert perennial("rollout", "parcels", "--stop")[0] == 2
    assert perennial("rollout", "parcels", "--stop", "--advance", "--reason", "x")[0] == 2
    assert len(rolling.ports.ledger.deployments("parcels")) == 2
    code, out, _ = perennial("rollout", "parcels", "--advance", "--reason", "seen enough", "--json")
    assert (code, json.loads(out)["now"]) == (0, "the canary at 5%")
    code, out, _ = perennial("rollout", "parcels", "--stop", "--reason", "complaints")
    assert (code, "the canary at 5%" in out) == (0, True)
    assert rolling.ports.ledger.deployments("parcels")[-1].reason == "complaints"
    assert perennial("rollout", "parcels")[1] == "parcels has no roll-out under way.\n"
    assert perennial("rollout", "parcels", "--json")[1] == ""
    code, _, err = perennial("rollout", "parcels", "--stop", "--reason", "again")
    assert (code, "no roll-out under way" in err) == (3, True)
