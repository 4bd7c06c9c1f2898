"""A registered model is loaded in a fresh process and must predict what was kept, or nothing is deployed."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.unit.jobs.test_learning_path import judged
from tests.unit.jobs.world import ROWS, World

from perennial.errors import NotDeployable
from perennial.jobs.retrain import deploy
from perennial.jobs.retrain.trying.fresh_process import tried_in_fresh_process
from perennial.ledger.entries import DeployedRole
from perennial.modeling.predict import predict
from perennial.modeling.trial import PREDICTION, ModelTrial, Tried, as_file, from_file, tried_here


def deployed(world: World) -> deploy.Deployed:
    return deploy.run(world.use_case, judged(world, 30), world.ports, "test", actor="ann", reason="test")


def trial_of(world: World) -> ModelTrial:
    """The trial that a deployment asks for."""
    asked: list[ModelTrial] = []

    def keep(trial: ModelTrial) -> Tried:
        asked.append(trial)
        return Tried(0, 0)

    world.ports = replace(world.ports, tried=keep)
    deployed(world)
    (trial,) = asked
    return trial


def test_a_fresh_process_loads_the_registered_version_and_scores_a_window(world: World) -> None:
    trial = trial_of(world)
    done = tried_in_fresh_process(trial)
    assert done.rows == trial.batch.num_rows == ROWS
    assert done.process != os.getpid()


def test_an_environment_without_a_module_deploys_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = tmp_path / "environment" / "skops"
    lacking.mkdir(parents=True)
    (lacking / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'skops'\")")
    monkeypatch.setenv("PYTHONPATH", str(lacking.parent))
    world.ports = replace(world.ports, tried=tried_in_fresh_process)
    with pytest.raises(NotDeployable, match=r"(?s)Version 1 of parcels .*No module named 'skops'.*requirements\.txt"):
        deployed(world)
    assert world.ports.ledger.deployments("parcels") == []
    assert world.ports.registry.alias("parcels", DeployedRole.CHAMPION) is None
    monkeypatch.delenv("PYTHONPATH")
    assert deployed(world).model_version == "1"  # the same version, once the environment is right


@pytest.mark.parametrize("tried", [tried_here, tried_in_fresh_process], ids=["here", "fresh"])
def test_a_prediction_that_differs_in_its_last_bit_is_told(world: World, tried: object) -> None:
    trial = trial_of(world)
    values = trial.example.column(PREDICTION).to_numpy().copy()
    values[2] = np.nextafter(values[2], 2.0)
    place = trial.example.column_names.index(PREDICTION)
    other = replace(trial, example=trial.example.set_column(place, PREDICTION, pa.array(values)))
    with pytest.raises(NotDeployable, match=rf"1 of the 50 rows .*\(row 2: .* instead of {float(values[2])!r}\)"):
        tried(other)  # type: ignore[operator]


def test_what_was_kept_is_what_the_next_deployment_is_compared_with(world: World) -> None:
    trial = trial_of(world)
    kept = from_file(world.ports.registry.attached("parcels", "1", deploy.EXAMPLE) or b"")
    assert kept.equals(trial.example)
    assert kept.column_names == ["sent_at", "weight", "service", PREDICTION]  # no key, and no label
    zeros = pa.array(np.zeros(kept.num_rows))
    forged = kept.set_column(kept.column_names.index(PREDICTION), PREDICTION, zeros)
    world.ports.registry.attach("parcels", "1", {deploy.EXAMPLE: as_file(forged)})
    with pytest.raises(NotDeployable, match="50 of the 50 rows"):
        deploy._try(
            world.use_case.spec,
            world.ports.registry.versions("parcels")[0],
            *_training(world),
            replace(world.ports, tried=None),
        )


def _training(world: World) -> tuple[pa.Table, object]:
    from perennial.records.training_set import read_manifest, read_rows

    (entry,) = world.ports.ledger.deployments("parcels")
    manifest = read_manifest(entry.training["training_id"], world.ports)
    return read_rows(manifest, world.ports), manifest


def test_bytes_that_are_no_model_and_rows_that_lack_a_feature(world: World) -> None:
    trial = trial_of(world)
    with pytest.raises(NotDeployable, match=r"changed or damaged.*champion stays"):
        tried_here(replace(trial, content=b"other"))
    with pytest.raises(NotDeployable, match="weight is not among the columns"):
        tried_here(replace(trial, batch=trial.batch.drop_columns(["weight"])))


def test_predictions_that_are_not_finite_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = trial_of(world)

    def broken(pipeline: object, task: object, frame: pd.DataFrame) -> np.ndarray:
        values = predict(pipeline, task, frame)  # type: ignore[arg-type]
        return np.where(np.arange(len(values)) == 77, np.nan, values)

    monkeypatch.setattr("perennial.modeling.trial.predict", broken)
    with pytest.raises(NotDeployable, match="infinity or NaN for 1 of the 180 rows of a window"):
        tried_here(trial)
