"""The bill of materials of a deployed version: CycloneDX 1.6, an ML-BOM, as JSON.

The library writes components and hashes. cyclonedx-python-lib 11 has no classes for `modelCard` and `data`, so that
these two are added to its JSON as the specification has them; a test validates the whole against the official schema.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from perennial.card.facts import Facts
from perennial.card.packages import Package, Packages
from perennial.card.sections.judgement import INTERVALS
from perennial.card.sections.limits import limits
from perennial.card.statements import NO_EVIDENCE, Source, SourceKind
from perennial.records.judgement import JUDGED
from perennial.records.training_set import TrainingManifest

MODEL, TRAINING_SET = "model", "training-set"
OURS = "perennial"
SHA256 = re.compile(r"[0-9a-f]{64}")


def bill_of_materials(facts: Facts, packages: Packages | None) -> bytes:
    """The bill as it was at the deployment: the same records make the same bytes.

    The serial number follows from the model's digest, and the time is the deployment's. `packages` is None where what
    was installed is not on record, which the bill then says.
    """
    entry = facts.first
    model = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=entry.use_case,
        version=entry.model_version,
        bom_ref=BomRef(MODEL),
        description=facts.as_deployed.title if facts.as_deployed else None,
        hashes=_hashes(entry.model_digest),
        properties=list(_properties(facts, packages)),
    )
    data = _training_set(facts)
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"urn:sha256:{entry.model_digest}"))
    bom.metadata.component = model
    if entry.recorded_at is not None:
        bom.metadata.timestamp = entry.recorded_at
    if data is not None:
        bom.components.add(data)
    bom.register_dependency(model, [data] if data else [])
    found: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    if packages is not None and packages.packages:
        _add_libraries(found, json.loads(_libraries(packages)))
    found["metadata"]["component"]["modelCard"] = _model_card(facts, data is not None)
    for component in found.get("components", []):
        if component["bom-ref"] == TRAINING_SET:
            component.update(_as_data(facts))
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False).encode()


def _properties(facts: Facts, packages: Packages | None) -> Iterator[Property]:
    entry, then = facts.first, facts.as_deployed
    named = {
        "judged_digest": entry.training.get(JUDGED),
        "code_version": entry.code_version,
        "lock_digest": entry.lock_digest,
        "python": packages.python if packages else None,
        "packages": f"{len(packages.packages)} installed" if packages else None,
        "deployment_id": entry.id,
        "run_id": entry.run_id,
        "owner": then.owner if then else None,
        "risk_tier": then.risk_tier if then else None,
    }
    for name, value in named.items():
        yield Property(name=f"{OURS}:{name}", value=NO_EVIDENCE if value is None else str(value))


@lru_cache(maxsize=2)
def _libraries(packages: Packages) -> str:
    """The packages as components, in JSON. Versions that one environment deployed have the same; it takes a while."""
    bom = Bom()
    bom.components.update(map(_library, packages.packages))
    return json.dumps(json.loads(JsonV1Dot6(bom).output_as_string())["components"])


def _add_libraries(bill: dict[str, Any], libraries: list[dict[str, Any]]) -> None:
    """Make them components that the model depends on."""
    bill["components"] = [*bill.get("components", []), *libraries]
    refs = {each["bom-ref"] for each in libraries}
    known = {each["ref"]: each for each in bill["dependencies"]} | {ref: {"ref": ref} for ref in refs}
    model = known[MODEL]
    known[MODEL] = {**model, "dependsOn": sorted({*model.get("dependsOn", []), *refs})}
    bill["dependencies"] = [known[ref] for ref in sorted(known)]


def _library(package: Package) -> Component:
    """A package; its hashes are those of the files that the lock accepts for it."""
    purl = PackageURL("pypi", name=package.name, version=package.version)
    return Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        bom_ref=BomRef(purl.to_string()),
        purl=purl,
        hashes=_hashes(*package.hashes),
        properties=[Property(name=f"{OURS}:locked", value="yes" if package.hashes else "no")],
    )


def _training_set(facts: Facts) -> Component | None:
    training = facts.first.training
    digest = training.get("digest")
    if not isinstance(digest, str):
        return None
    return Component(
        type=ComponentType.DATA,
        name=str(training.get("table", "training set")),
        version=str(training["version"]) if "version" in training else None,
        bom_ref=BomRef(TRAINING_SET),
        hashes=_hashes(digest),
        properties=[
            Property(name=f"{OURS}:{name}", value=str(training.get(name, NO_EVIDENCE)))
            for name in ("training_id", "partition", "as_of", "rows", "windows", "excluded", "immature")
        ],
    )


def _as_data(facts: Facts) -> dict[str, Any]:
    """What makes a component a data set, and the snapshots that it was made of."""
    described = {"type": "dataset", "name": f"training set of {facts.first.use_case}"}
    snapshots = list(_snapshots(facts.manifest)) if facts.manifest else []
    return {"data": [described], **({"components": snapshots} if snapshots else {})}


def _snapshots(manifest: TrainingManifest) -> Iterator[dict[str, Any]]:
    for each in manifest.windows:
        name = f"snapshot {each.window.key}"
        yield {
            "type": "data",
            "bom-ref": name,
            "name": name,
            "version": str(each.version),
            "hashes": [{"alg": "SHA-256", "content": each.snapshot_digest}],
            "data": [{"type": "dataset", "name": each.window.key}],
        }


def _model_card(facts: Facts, with_data: bool) -> dict[str, Any]:
    """The parts of the card that CycloneDX has a place for; what is not on record is left out."""
    then, estimator = facts.as_deployed, (facts.parameters or {}).get("estimator")
    described: dict[str, Any] = {"approach": {"type": "supervised"}}
    if then is not None:
        described |= {
            "task": then.task.replace("_", " "),
            "inputs": [{"format": f"{name} ({kind})"} for name, kind in then.features.items()],
            "outputs": [{"format": then.label}],
        }
    if estimator:
        described |= {"modelArchitecture": estimator}
    if with_data:
        described["datasets"] = [{"ref": TRAINING_SET}]
    considered: dict[str, Any] = {}
    if then is not None and then.risk is not None:
        considered["useCases"] = [then.risk.purpose]
    told = [f"{each.name}: {each.text}" for each in limits(facts).statements if _of_the_time(each.source)]
    if told:
        considered["technicalLimitations"] = told
    measured = list(_measured(facts))
    return {
        "modelParameters": described,
        **({"quantitativeAnalysis": {"performanceMetrics": measured}} if measured else {}),
        **({"considerations": considered} if considered else {}),
    }


def _of_the_time(source: Source | None) -> bool:
    """Whether it is known, and not from a file that changes."""
    return source is not None and source.kind is not SourceKind.USE_CASE_FILE


def _measured(facts: Facts) -> Iterator[dict[str, Any]]:
    """Each metric of the judged model, with its interval, and each slice that was judged."""
    intervals = facts.first.training.get(INTERVALS) or {}
    for name, value in facts.first.metrics.items():
        if value is not None:
            yield _metric(name, value, intervals.get(name, {}).get("low"), intervals.get(name, {}).get("high"))
    found = facts.evidence.slices if facts.evidence else None
    for each in found.slices if found else ():
        if each.comparison is not None:
            yield _metric(each.comparison.metric, each.comparison.challenger, None, None) | {"slice": each.name}


def _metric(name: str, value: float, low: float | None, high: float | None) -> dict[str, Any]:
    told: dict[str, Any] = {"type": name, "value": f"{value:.6g}"}
    if low is not None and high is not None:
        told["confidenceInterval"] = {"lowerBound": f"{low:.6g}", "upperBound": f"{high:.6g}"}
    return told


def _hashes(*digests: str) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=each) for each in digests if SHA256.fullmatch(each)]
