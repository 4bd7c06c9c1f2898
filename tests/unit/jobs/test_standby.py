"""The champion before the present one is proven ready, or it is told that it is not."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.jobs.rollout_world import RolloutWorld, make

from perennial.jobs.retrain import rollback
from perennial.jobs.upkeep import standby
from perennial.jobs.upkeep.standby import StandbyTried
from perennial.ledger.entries import DecisionKind, DeployedRole
from perennial.modeling.artifact import load
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.modeling.trial import EXAMPLE, PREDICTION, as_file
from perennial.records.gate import Gated, gated
from perennial.review import going_back
from perennial.review.going_back import Readiness
from perennial.spec.rollout import Rollout

KEPT = "rollout: {standby: true}\n"


def keep_example(world: RolloutWorld, name: str, nudge: float = 0.0) -> None:
    """What deploying leaves with a version: rows, and what it predicted for them."""
    model, spec = world.models[name], world.world.use_case.spec
    pipeline = load(world.ports.registry.content("parcels", model.version, model.digest), model.digest)
    rows = world.world.parcels.table.slice(0, 5).select(list(spec.feature_columns))
    values = predict(pipeline, spec.task, model_inputs(pipeline).frame(rows)) + nudge
    kept = as_file(rows.append_column(PREDICTION, pa.array(values)))
    world.ports.registry.attach("parcels", model.version, {EXAMPLE: kept})


@pytest.fixture
def served(tmp_path: Path) -> RolloutWorld:
    """The model `fair` served days 0 and 1, `true` days 2 and 3."""
    made = make(tmp_path, 8, KEPT)
    first = made.champion("fair")
    for day in range(4):
        if day == 2:
            made.ports.ledger.deploy(made.entry("true", 2, first))
        made.scored(day)
    return made


def tried(world: RolloutWorld, hours: int = 0) -> StandbyTried:
    at = world.world.day(4).start + timedelta(hours=hours)
    return standby.run(world.world.use_case, at, world.ports, f"maintenance {hours}")


def readiness(world: RolloutWorld, hours: int = 1) -> Readiness | None:
    at = world.world.day(4).start + timedelta(hours=hours)
    found = going_back.run(world.world.use_case.spec, at, world.ports.ledger)
    return found.standby.readiness if found and found.standby else None


def test_one_that_predicts_as_it_did_is_ready_and_that_is_on_record(served: RolloutWorld) -> None:
    assert readiness(served) is Readiness.NOT_TRIED
    keep_example(served, "fair")
    found = tried(served)
    assert (found.ready, found.version, found.champion) == (
        True, served.models["fair"].version, served.models["true"].version,
    )  # fmt: skip
    assert found.reasons == (
        f"Version {found.version} was loaded, predicted the 5 rows of its input example as it did when it was "
        "deployed, to the last bit, and scored 240 rows of the window 2024-01-04.",
    )
    assert readiness(served) is Readiness.READY
    assert readiness(served, 49) is Readiness.NOT_LATELY
    (told,) = served.ports.ledger.decisions("parcels", DecisionKind.STANDBY)
    assert (told.action, told.reasons) == ("ready", found.reasons)
    spec = served.world.use_case.spec.model_copy(update={"rollout": Rollout(canary=(5,))})
    state = going_back.run(spec, served.world.day(4).end, served.ports.ledger)
    assert state is not None
    assert state.standby is not None
    assert state.standby.readiness is Readiness.NOT_KEPT


def test_one_that_predicts_otherwise_in_the_last_bit_is_not_ready_until_it_is_mended(served: RolloutWorld) -> None:
    keep_example(served, "fair", 1e-16)
    found = tried(served)
    assert found.ready is False
    assert "was tried and predicts" in found.reasons[0]
    assert "A rollback to it would not work." in found.reasons[0]
    assert readiness(served) is Readiness.NOT_READY
    keep_example(served, "fair")
    assert tried(served, 2).ready is True
    assert readiness(served, 3) is Readiness.READY


def test_one_without_an_example_or_with_other_bytes_is_not_ready(served: RolloutWorld) -> None:
    assert "nothing proves that it still predicts the same" in tried(served).reasons[0]
    keep_example(served, "fair")
    version = served.models["fair"].version
    served.ports.registry.remove("parcels", version, ["model.skops"])
    found = tried(served, 1)
    assert found.ready is False
    assert readiness(served, 2) is Readiness.NOT_READY


def test_one_that_lacks_features_of_the_newest_window_is_not_ready(
    served: RolloutWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_example(served, "fair")

    def without_weight(*given: Any) -> Gated:
        gate = gated(*given)
        columns = {name: kind for name, kind in gate.snapshot.columns.items() if name != "weight"}
        return replace(gate, snapshot=replace(gate.snapshot, columns=columns))

    monkeypatch.setattr(standby, "gated", without_weight)
    found = tried(served)
    assert found.ready is False
    assert "was trained on features that the window's rows don't have" in found.reasons[0]


def test_who_stands_by_follows_the_champions_and_the_trial_follows_with_it(served: RolloutWorld) -> None:
    keep_example(served, "fair")
    assert tried(served).ready
    rollback.run(served.world.use_case, None, served.ports, "back", actor="ada", reason="complaints")
    assert readiness(served) is None  # nothing was before the first one
    found = tried(served, 1)
    assert (found.version, found.ready) == (None, None)
    current = served.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    served.ports.ledger.deploy(served.entry("as fair", 5, current))
    assert readiness(served) is Readiness.NOT_TRIED  # against another champion than before
    assert len(served.ports.ledger.decisions("parcels", DecisionKind.STANDBY)) == 1


def test_without_a_scored_window_the_example_is_the_trial(tmp_path: Path) -> None:
    made = make(tmp_path, 2, KEPT)
    made.ports.ledger.deploy(made.entry("true", 1, made.champion("fair")))
    keep_example(made, "fair")
    found = tried(made)
    assert found.ready
    assert found.reasons[0].endswith("to the last bit.")
