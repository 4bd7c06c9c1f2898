"""A judged winner of a use case with a roll-out begins as challenger; a first model is champion at once."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.jobs.rollout_world import ROLLOUT
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import SPEC, World

from perennial.errors import DeploymentConflict
from perennial.jobs.predict import shadow
from perennial.jobs.retrain import chain, deploy
from perennial.ledger.entries import DeployedRole
from perennial.spec.load import load_use_case


def test_a_winner_begins_in_the_shadow_and_deploying_it_again_changes_nothing(world: World, tmp_path: Path) -> None:
    (tmp_path / "parcels" / "use_case.yaml").write_text(SPEC + ROLLOUT)
    world.use_case = load_use_case(tmp_path / "parcels")
    first_model(world)
    ledger, registry = world.ports.ledger, world.ports.registry
    champion = ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    assert champion is not None
    assert ledger.current_deployment("parcels", DeployedRole.CHALLENGER) is None
    as_of = world.day(58).start
    done = chain.run(world.use_case, as_of, world.ports, "second", actor="ada", reason="it drifted")
    assert done.deployed is not None
    assert (done.deployed.role, done.deployed.share, done.deployed.model_version) == ("challenger", 0, "2")
    stage = ledger.current_deployment("parcels", DeployedRole.CHALLENGER)
    assert stage is not None
    assert stage.in_rollout
    assert (stage.effective_from, stage.salt, stage.run_id) == (as_of, stage.model_digest[:16], "second")
    assert ledger.current_deployment("parcels", DeployedRole.CHAMPION) == champion
    assert (registry.alias("parcels", "champion"), registry.alias("parcels", "challenger")) == ("1", "2")
    again = deploy.run(world.use_case, done.judged, world.ports, "second", actor="ada", reason="it drifted")
    assert again == done.deployed
    assert len(ledger.deployments("parcels")) == 2
    assert predict(world, 58).model_version == "1"
    assert shadow.run(world.use_case, world.day(58), world.ports, "test").challenger == "2"
    ledger.deploy(replace(stage, supersedes=stage.id, ends=True, run_id="stopped", id=None, recorded_at=None))
    late = deploy.run(world.use_case, done.judged, world.ports, "second", actor="ada", reason="it drifted")
    assert late == done.deployed  # the retry of a run that was killed does not begin again what is over
    moved = replace(done.judged, champion_id=99)
    with pytest.raises(DeploymentConflict, match="was judged against deployment 99"):
        deploy.run(world.use_case, moved, world.ports, "third", actor="ada", reason="late")
