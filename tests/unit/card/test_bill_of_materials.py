"""The bill of materials is a CycloneDX 1.6 ML-BOM by the official schema, and the same records make the same bytes."""

import json
import re
from dataclasses import replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from referencing import Registry, Resource
from tests.unit.jobs.test_learning_path import retrained
from tests.unit.jobs.world import SPEC, World, make_world
from tests.unit.review.lived import Life

from perennial.card.bill_of_materials import bill_of_materials
from perennial.card.facts import Facts, facts
from perennial.card.packages import Package, Packages, canonical, installed, read_packages
from perennial.code_version import LOCK
from perennial.errors import UntrustedModel
from perennial.jobs.retrain import card as job
from perennial.spec.load import load_use_case


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = make_world(tmp_path_factory.mktemp("world"))
    risk = "risk: {purpose: To warn., impact: low, likelihood: low, autonomy: advises, personal_data: false}\n"
    spec = SPEC.replace("roc_auc\n", "roc_auc\n  slices: {columns: [service]}\n") + risk
    (made.use_case.folder / "use_case.yaml").write_text(spec)
    made = replace(made, use_case=load_use_case(made.use_case.folder))
    retrained(made, 30)
    return made


@pytest.fixture(scope="module")
def known(world: World) -> Facts:
    return facts(world.use_case.spec, None, world.day(40).start, world.ports)


@pytest.fixture(scope="module")
def bill(world: World, known: Facts) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(job.bill(known, world.ports))
    return found


@pytest.fixture(scope="module")
def official() -> Any:
    """The schema that the library carries, with those that it refers to."""
    folder = files("cyclonedx.schema").joinpath("_res")
    read = {
        name: json.loads(folder.joinpath(f"{name}.SNAPSHOT.schema.json").read_text("utf-8"))
        for name in ("bom-1.6", "spdx", "jsf-0.82", "cryptography-defs")
    }
    registry: Registry[Any] = Registry().with_resources(
        (each["$id"], Resource.from_contents(each)) for each in read.values() if "$id" in each
    )
    return jsonschema.Draft7Validator(read["bom-1.6"], registry=registry, format_checker=jsonschema.FormatChecker())


def components(bill: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in bill["components"] if each["type"] == kind}


def test_it_is_valid_by_the_official_schema(bill: dict[str, Any], official: Any) -> None:
    official.validate(bill)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    broken = json.loads(json.dumps(bill))
    broken["metadata"]["component"]["modelCard"]["made up"] = 1
    assert not official.is_valid(broken)


def test_the_model_is_a_machine_learning_model_with_its_card(world: World, bill: dict[str, Any]) -> None:
    (deployment,) = world.ports.ledger.deployments("parcels")
    model = bill["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "parcels", "1")
    assert model["hashes"] == [{"alg": "SHA-256", "content": deployment.model_digest}]
    card = model["modelCard"]
    assert card["modelParameters"]["datasets"] == [{"ref": "training-set"}]
    assert card["modelParameters"]["modelArchitecture"] == "linear"
    assert card["considerations"]["useCases"] == ["To warn."]
    measured = {
        each["type"]: each for each in card["quantitativeAnalysis"]["performanceMetrics"] if "slice" not in each
    }
    assert float(measured["roc_auc"]["value"]) == pytest.approx(deployment.metrics["roc_auc"], abs=1e-6)
    assert set(measured["roc_auc"]["confidenceInterval"]) == {"lowerBound", "upperBound"}
    sliced = {each["slice"] for each in card["quantitativeAnalysis"]["performanceMetrics"] if "slice" in each}
    assert sliced == {"service air", "service rail", "service road"}
    properties = {each["name"]: each["value"] for each in model["properties"]}
    assert properties["perennial:judged_digest"] == deployment.training["judged_digest"]
    assert (properties["perennial:owner"], properties["perennial:risk_tier"]) == ("logistics", "low")


def test_the_training_set_and_each_snapshot_are_data_with_their_digests(known: Facts, bill: dict[str, Any]) -> None:
    (data,) = components(bill, "data").values()
    assert data["hashes"] == [{"alg": "SHA-256", "content": known.first.training["digest"]}]
    assert known.manifest is not None
    assert [each["hashes"][0]["content"] for each in data["components"]] == [
        each.snapshot_digest for each in known.manifest.windows
    ]


def test_every_installed_package_is_there_with_version_purl_and_the_locks_hashes(bill: dict[str, Any]) -> None:
    libraries = components(bill, "library")
    assert set(libraries) == {each.name for each in installed().packages}
    found = libraries["scikit-learn"]
    assert (found["version"], found["purl"]) == (version("scikit-learn"), f"pkg:pypi/scikit-learn@{found['version']}")
    lock = LOCK.read_text()  # an environment of the lowest versions has but some of the packages that it pins
    pinned = {
        name
        for name, each in libraries.items()
        if re.search(rf"^{name}(\[.*\])?=={re.escape(each['version'])}[ ;]", lock, re.MULTILINE)
    }
    assert pinned
    assert {name for name, each in libraries.items() if each.get("hashes")} == pinned
    assert all(f"sha256:{each['content']}" in lock for name in pinned for each in libraries[name]["hashes"])
    assert libraries["perennial"]["properties"] == [{"name": "perennial:locked", "value": "no"}]
    (of_model,) = (each for each in bill["dependencies"] if each["ref"] == "model")
    assert set(of_model["dependsOn"]) == {each["bom-ref"] for each in bill["components"]}


def test_the_model_depends_on_each_component_and_they_on_nothing(bill: dict[str, Any]) -> None:
    refs = sorted(each["bom-ref"] for each in bill["components"])
    assert len(refs) == len(installed().packages) + 1
    assert [(each["ref"], each.get("dependsOn", [])) for each in bill["dependencies"]] == [
        ("model", refs),
        *((ref, []) for ref in refs),
    ]
    assert sorted(bill["components"], key=lambda each: (each["type"], each["name"])) == bill["components"]


def test_the_same_records_make_the_same_bytes_and_the_time_is_the_deployments(
    world: World, known: Facts, bill: dict[str, Any]
) -> None:
    again = facts(world.use_case.spec, "1", world.day(50).start, world.ports)
    assert job.bill(again, world.ports) == job.bill(known, world.ports)
    assert bill["metadata"]["timestamp"].startswith("2030-01-01T00:00:00")
    other = replace(known, first=replace(known.first, model_digest="a" * 64))
    assert json.loads(bill_of_materials(other, None))["serialNumber"] != bill["serialNumber"]


def test_what_was_installed_at_the_deployment_counts_not_what_is_now(world: World, known: Facts) -> None:
    assert known.as_deployed is not None
    then = Packages("3.11.0", (Package("numpy", "2.0.0", ()),))
    digest = world.ports.artifacts.put(json.dumps({"python": "3.11.0", "packages": [], "format": 1}).encode())
    assert read_packages(digest, world.ports).packages == ()
    earlier = replace(known, as_deployed=replace(known.as_deployed, packages_digest=digest))
    assert components(json.loads(job.bill(earlier, world.ports)), "library") == {}
    found = components(json.loads(bill_of_materials(known, then)), "library")
    assert [each["purl"] for each in found.values()] == ["pkg:pypi/numpy@2.0.0"]


def test_a_version_of_before_says_that_there_is_no_evidence(
    tmp_path: Path, official: Any, caplog: pytest.LogCaptureFixture, known: Facts
) -> None:
    life = Life(tmp_path)
    life.deploy(30, "1", "the first")
    old = facts(life.spec, None, life.now, life.ports)
    found = json.loads(job.bill(old, life.ports))
    official.validate(found)
    assert "components" not in found
    properties = {each["name"]: each["value"] for each in found["metadata"]["component"]["properties"]}
    assert properties["perennial:packages"] == properties["perennial:owner"] == "no evidence"
    assert known.as_deployed is not None

    class Empty:
        def get(self, digest: str) -> bytes:
            raise UntrustedModel(f"{digest} is gone")

        def put(self, content: bytes) -> str:
            raise AssertionError("a bill stores nothing")

    lost = replace(old, as_deployed=known.as_deployed)
    job.bill(lost, replace(life.ports, artifacts=Empty()))
    assert "names no packages" in caplog.text


def test_names_are_written_as_indexes_write_them() -> None:
    assert all(each.name == canonical(each.name) for each in installed().packages)
    assert len({each.name for each in installed().packages}) == len(installed().packages)
