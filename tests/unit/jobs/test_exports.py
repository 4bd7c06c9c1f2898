"""Deployed versions are exported on request, with a certificate; one that is refused stops nothing."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.unit.jobs.test_learning_path import judged
from tests.unit.jobs.world import ROWS, World

from perennial.arrays import Floats
from perennial.errors import NoModel, NotExportable
from perennial.jobs.retrain import deploy, export
from perennial.ledger.entries import DecisionKind
from perennial.modeling.exports import formats, onnx_format
from perennial.modeling.exports.formats import FORMATS


@pytest.fixture
def asking(world: World) -> World:
    """A world whose spec asks for ONNX."""
    spec = world.use_case.spec.model_copy(update={"packaging": ("onnx",)})
    world.use_case = replace(world.use_case, spec=spec)
    return world


def deployed(world: World) -> deploy.Deployed:
    return deploy.run(world.use_case, judged(world, 30), world.ports, "test", actor="ann", reason="test")


def records(world: World) -> list[export.Exported]:
    return [export.exported_of(each) for each in world.ports.ledger.decisions("parcels", DecisionKind.EXPORT)]


def deviating(content: bytes, frame: pd.DataFrame, categorical: frozenset[str]) -> Floats:
    found: Floats = np.round(onnx_format.predict(content, frame, categorical), 2)
    return found


def test_what_the_spec_asks_for_is_exported_and_attached(asking: World) -> None:
    version = deployed(asking).model_version
    (done,) = records(asking)
    assert (done.version, done.format, done.action) == (version, "onnx", "exported")
    assert done.certificate is not None
    assert done.certificate.rows == 7 * ROWS
    assert done.certificate.largest_difference is not None
    assert done.certificate.largest_difference < 1e-12
    assert (done.certificate.decision_flips, done.certificate.threshold) == (0, 0.5)
    registry = asking.ports.registry
    assert registry.attached("parcels", version, "exports/model.onnx") == asking.ports.artifacts.get(str(done.digest))
    told = json.loads(registry.attached("parcels", version, "exports/onnx.certificate.json") or b"")
    assert told["largest_difference"] == done.certificate.largest_difference
    deploy.export.after_deployment(asking.use_case, version, asking.ports, "again")
    assert records(asking) == [done]


def test_nothing_is_exported_unless_it_is_asked_for(world: World) -> None:
    deployed(world)
    assert records(world) == []


def test_an_export_that_deviates_is_refused_and_the_model_is_deployed(
    asking: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as wrong:
        wrong.setitem(formats.FORMATS, "onnx", replace(FORMATS["onnx"], predict=deviating))
        version = deployed(asking).model_version
    (refused,) = records(asking)
    assert (refused.action, refused.digest, refused.path) == ("refused", None, None)
    assert "Predictions differ by up to 0.005; at most 1e-05 is accepted." in refused.reasons[0]
    assert refused.certificate is not None
    assert refused.certificate.rank_flips == 0.0  # rounding makes ties, and reverses nobody
    assert asking.ports.registry.attached("parcels", version, "exports/model.onnx") is None
    assert f"version {version} to onnx refused: Predictions differ" in caplog.text
    again = export.run(asking.use_case, version, "onnx", asking.ports, "by hand")  # with a scorer that is right
    assert again.action == "exported"
    assert [each.action for each in records(asking)] == ["refused", "exported"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ImportError("No module named 'onnx'"), r"not installed \(No module named 'onnx'\): install perennial\[onnx\]"),
        (RuntimeError("bad graph"), "Writing or scoring onnx failed: RuntimeError: bad graph"),
    ],
)
def test_a_converter_that_is_missing_or_fails_refuses(
    asking: World, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def fail(*_: object) -> bytes:
        raise error

    monkeypatch.setitem(formats.FORMATS, "onnx", replace(FORMATS["onnx"], write=fail))
    assert deployed(asking).model_version == "1"
    (refused,) = records(asking)
    assert re.search(told, refused.reasons[0])


@pytest.mark.parametrize("step", ["attach", "record_decision"])
def test_a_run_that_is_killed_between_the_steps_is_repeated_without_harm(
    asking: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    verdict = judged(asking, 30)
    store = asking.ports.registry if step == "attach" else asking.ports.ledger
    original = getattr(store, step)

    def killed(*given: object) -> object:
        if step == "record_decision" or any("exports/" in path for path in given[-1]):  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return original(*given)

    def run(run_id: str) -> deploy.Deployed:
        return deploy.run(asking.use_case, verdict, asking.ports, run_id, actor="ann", reason="test")

    with monkeypatch.context() as cut:
        cut.setattr(store, step, killed)
        with pytest.raises(KeyboardInterrupt):
            run("first")
    assert len(asking.ports.ledger.deployments("parcels")) == 1
    assert records(asking) == []
    assert run("second").model_version == "1"
    assert len(asking.ports.ledger.deployments("parcels")) == 1
    (done,) = records(asking)
    assert done.action == "exported"
    assert asking.ports.registry.attached("parcels", "1", str(done.path)) is not None


def test_versions_and_formats_that_are_not_there(world: World) -> None:
    with pytest.raises(NoModel, match="never had version '3' in service; versions that were: none"):
        export.run(world.use_case, "3", "onnx", world.ports, "test")
    with pytest.raises(NotExportable, match="no export to 'oonx'; there are onnx, pmml"):
        export.run(world.use_case, "3", "oonx", world.ports, "test")
