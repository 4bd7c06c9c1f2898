"""A champion under other libraries than it was trained with: scored with if it predicts the same, replaced if not."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.jobs.test_predict_path import AS_WAS, first_model, ingest_and_validate, predict
from tests.unit.jobs.world import World

from perennial.errors import LibrariesChanged, NothingKept
from perennial.jobs.predict import score
from perennial.jobs.retrain import chain as retrain
from perennial.modeling import libraries
from perennial.modeling.trial import EXAMPLE, PREDICTION, as_file, from_file


@pytest.fixture
def newer(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A window was scored; then scikit-learn was replaced by a newer one."""
    first_model(world)
    predict(world, 31)
    monkeypatch.setattr(libraries, "installed", lambda: {**_installed(), "scikit-learn": "99.1"})
    return world


_installed = libraries.installed


def forget_example(world: World) -> None:
    """As it is with versions that were deployed before examples were kept."""
    world.ports.registry.remove("parcels", "1", [EXAMPLE])


def forge_example(world: World) -> None:
    """Let it have predicted something else at its deployment."""
    kept = from_file(world.ports.registry.attached("parcels", "1", EXAMPLE) or b"")
    place = kept.column_names.index(PREDICTION)
    other = kept.set_column(place, PREDICTION, pa.array(np.zeros(kept.num_rows)))
    world.ports.registry.attach("parcels", "1", {EXAMPLE: as_file(other)})


def test_the_champion_goes_on_where_it_predicts_the_same(newer: World) -> None:
    assert predict(newer, 32).model_version == "1"


def test_one_that_predicts_otherwise_scores_nothing(newer: World) -> None:
    forge_example(newer)
    ingest_and_validate(newer, 32)
    with pytest.raises(LibrariesChanged, match=r"Version 1 of parcels .*99\.1.* 50 of 50 rows differently.*retrain"):
        score.run(newer.use_case, newer.day(32), newer.ports, "test", model=AS_WAS)
    assert newer.ports.ledger.latest_batch("parcels", newer.day(32)) is None


def test_it_is_no_rival_for_the_candidates_of_the_retraining_that_the_error_asks_for(newer: World) -> None:
    forge_example(newer)
    done = retrain.run(newer.use_case, newer.day(33).start, newer.ports, "again", actor="test", reason="libraries")
    assert done.judged.winner is not None
    assert any("99.1" in reason and "without skill" in reason for reason in done.judged.reasons)
    newest = newer.ports.ledger.deployments("parcels")[-1]
    assert newest.model_version == "2"
    assert predict(newer, 33).model_version == "2"


def test_without_an_example_what_it_scored_is_the_proof(newer: World) -> None:
    before = from_file(newer.ports.registry.attached("parcels", "1", EXAMPLE) or b"")
    forget_example(newer)
    assert predict(newer, 32).model_version == "1"
    kept = from_file(newer.ports.registry.attached("parcels", "1", EXAMPLE) or b"")
    assert kept.column_names == before.column_names
    scored = newer.ports.lake.read("predictions/parcels", newer.day(31).key)
    assert set(kept.column(PREDICTION).to_pylist()) <= set(scored.column("prediction").to_pylist())


def test_without_anything_that_it_scored_it_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first_model(world)
    forget_example(world)
    monkeypatch.setattr(libraries, "installed", lambda: {**_installed(), "numpy": "99.1"})
    ingest_and_validate(world, 31)
    with pytest.raises(NothingKept, match=r"numpy .* \(here: 99\.1\).*nothing proves"):
        score.run(world.use_case, world.day(31), world.ports, "test", model=AS_WAS)


def test_under_the_same_libraries_nothing_is_predicted_to_load_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_model(world)

    def never(*_: Any) -> None:
        raise AssertionError("the example was predicted")

    monkeypatch.setattr(libraries, "predict", never)
    assert predict(world, 31).model_version == "1"
