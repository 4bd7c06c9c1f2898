"""Models of losses under other libraries than they were trained with: proven, or nothing is estimated."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sklearn.exceptions import InconsistentVersionWarning
from tests.unit.jobs.test_numbers_too_large import priced
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import START, World

from perennial.jobs.evaluate import collect_labels, measure
from perennial.ledger.entries import Performance
from perennial.modeling import artifact, libraries
from perennial.modeling.trial import PREDICTION, TRIED_ROWS, as_file, from_file
from perennial.registry.port import REFERENCE_FILE

_installed = libraries.installed


@pytest.fixture
def prices(tmp_path: Path) -> World:
    """A regression, of which a window was scored."""
    world = priced(tmp_path)
    first_model(world)
    predict(world, 31)
    return world


def measured(world: World) -> Performance:
    as_of = world.day(34).start
    collect_labels.run(world.use_case, as_of, world.ports, "test")
    measure.run(world.use_case, as_of, world.ports, "test")
    (found,) = world.ports.ledger.performance_between("parcels", START, as_of)
    return found


def change_estimation(world: World, change: Callable[[dict[str, Any]], None]) -> None:
    """Alter what the version's reference says of estimates."""
    reference = json.loads(world.ports.registry.attached("parcels", "1", REFERENCE_FILE) or b"")
    change(reference["estimation"])
    world.ports.registry.attach("parcels", "1", {REFERENCE_FILE: json.dumps(reference).encode()})


def replace_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "installed", lambda: {**_installed(), "scikit-learn": "99.1"})


def test_rows_with_what_each_loss_model_said_are_kept_and_are_no_persons(prices: World) -> None:
    reference = prices.ports.registry.reference("parcels", "1", prices.ports.registry.versions("parcels")[0].digest)
    estimation = reference["estimation"]
    assert estimation["loss_examples"].keys() == estimation["loss_models"].keys() == {"mae", "rmse"}
    assert estimation["libraries"] == _installed()
    for digest in estimation["loss_examples"].values():
        kept = from_file(prices.ports.artifacts.get(digest))
        assert kept.column_names == [*prices.use_case.spec.feature_columns, "prediction", PREDICTION]
        assert kept.num_rows == TRIED_ROWS


def test_what_says_the_same_goes_on(prices: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = measured(prices).estimates
    assert before.keys() == {"mae", "rmse"}
    replace_libraries(monkeypatch)
    assert measured(prices).estimates == before


def test_what_says_something_else_estimates_nothing_and_the_window_is_measured_all_the_same(
    prices: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    artifacts = prices.ports.artifacts

    def forged(estimation: dict[str, Any]) -> None:
        kept = from_file(artifacts.get(estimation["loss_examples"]["mae"]))
        other = kept.set_column(kept.num_columns - 1, PREDICTION, pa.array([0.0] * kept.num_rows))
        estimation["loss_examples"]["mae"] = artifacts.put(as_file(other))

    change_estimation(prices, forged)
    replace_libraries(monkeypatch)
    found = measured(prices)
    assert (found.estimates, found.metrics.keys()) == ({}, {"mae", "rmse", "r2"})
    (said,) = (each.getMessage() for each in caplog.records if "not estimated" in each.getMessage())
    assert "The model of losses (mae) of version 1 of parcels was trained with scikit-learn" in said
    assert "50 of 50 rows differently" in said


@pytest.mark.parametrize("same", [True, False])
def test_references_of_before_are_used_under_the_scikit_learn_that_their_files_name(
    prices: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, same: bool
) -> None:
    def of_before(estimation: dict[str, Any]) -> None:
        del estimation["loss_examples"], estimation["libraries"]

    change_estimation(prices, of_before)
    read = artifact.load

    def of_another(content: bytes, digest: str) -> Any:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name="tree", current_sklearn_version="99.1", original_sklearn_version="1.9"
            ),
            stacklevel=1,
        )
        return read(content, digest)

    if not same:
        monkeypatch.setattr(libraries, "load", of_another)
    assert (measured(prices).estimates.keys() == {"mae", "rmse"}) is same
    told = [each.getMessage() for each in caplog.records if "not estimated" in each.getMessage()]
    assert ["scikit-learn 1.9 (here: 99.1). Nothing proves" in each for each in told] == [True] * (not same)
