"""`perennial export` writes a version in another format, or says why not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.test_learning_path import retrained
from tests.unit.jobs.world import World

from perennial.modeling.exports import formats


def test_a_version_is_exported_on_request(world: World, perennial: Call, tmp_path: Path) -> None:
    retrained(world, 30)
    file = tmp_path / "model.onnx"
    code, out, _ = perennial("export", "parcels", "--version", "1", "--to", "onnx", "--file", str(file), "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["version"], found["format"], found["action"]) == ("1", "onnx", "exported")
    assert found["certificate"]["decision_flips"] == 0
    assert file.read_bytes() == world.ports.registry.attached("parcels", "1", "exports/model.onnx")
    code, out, _ = perennial("export", "parcels", "--version", "1", "--to", "onnx", "--file", str(file))
    assert code == 0
    assert "predictions differ by at most" in out
    assert "written to" in out


def test_what_is_refused_ends_with_3_and_its_reason(
    world: World, perennial: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    retrained(world, 30)

    def lacking(_: object) -> bytes:
        raise ImportError("No module named 'onnx'")

    monkeypatch.setitem(formats.FORMATS, "onnx", replace(formats.FORMATS["onnx"], write=lacking))
    code, out, _ = perennial("export", "parcels", "--version", "1", "--to", "onnx", "--file", str(tmp_path / "f"))
    assert code == 3
    assert "refused" in out
    assert "perennial[onnx]" in " ".join(out.split())
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    ("version", "to", "told"), [("9", "onnx", "versions that were: none"), ("1", "onxx", "there are onnx, pmml")]
)
def test_wrong_versions_and_formats(perennial: Call, version: str, to: str, told: str) -> None:
    code, _, err = perennial("export", "parcels", "--version", version, "--to", to)
    assert code == 3
    assert told in err
