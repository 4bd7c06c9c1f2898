"""The command line does not know who answers: where people must approve, it ends with the judgement."""

import json

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.world import World

RISK = "risk: {purpose: p, impact: high, likelihood: high, autonomy: decides, personal_data: false}\n"
SHADOW = "rollout: {shadow: 14d}\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_retrain_says_how_a_winner_is_approved_and_deploys_nothing(
    world: World, perennial: Call, as_json: bool
) -> None:
    spec = world.use_case.folder / "use_case.yaml"
    spec.write_text(spec.read_text() + RISK + SHADOW)
    code, out, err = perennial("retrain", "parcels", "--as-of", "2024-01-31", *(["--json"] if as_json else []))
    told = err if as_json else out
    assert code == 0
    assert "parcels has the risk tier high: 2 people must approve a new model, and they answer in Airflow" in told
    assert "run the DAG parcels.retrain with the same as_of" in told
    assert world.ports.ledger.deployments("parcels") == []
    if as_json:
        assert [json.loads(line)["action"] for line in out.splitlines()] == ["promote"]
