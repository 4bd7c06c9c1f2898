"""Card: what a deployment keeps for its model card, and the card attached to the version in the registry.

The card is no gate: it is written after the deployment, and one that can't be written is told, and written by
`reconcile`, every night, or by `perennial card <use case> --attach`.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from perennial.card.as_deployed import AS_DEPLOYED, as_deployed
from perennial.card.as_file import as_html
from perennial.card.bill_of_materials import bill_of_materials
from perennial.card.facts import Facts, facts
from perennial.card.make import card_of
from perennial.card.packages import keep_packages, read_packages
from perennial.card.sections.judgement import INTERVALS
from perennial.encoding import json_bytes
from perennial.errors import PermanentError
from perennial.features.build import feature_frame
from perennial.modeling.artifact import load
from perennial.modeling.holdout import split
from perennial.modeling.predict import predict
from perennial.performance.interval import intervals
from perennial.ports import Ports
from perennial.records.training_set import TrainingManifest, outcomes
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase

log = logging.getLogger(__name__)

CARD, PAGE, BILL = "card/card.json", "card/card.html", "card/bom.cdx.json"


def kept_with_deployment(
    spec: UseCase, judged_digest: str, rows: pa.Table, manifest: TrainingManifest, ports: Ports
) -> dict[str, Any]:
    """What a deployment keeps for its card: the use case as it is now, and how certain the judged model's metrics are.

    Errors: `UntrustedModel`, `StoreUnavailable`.
    """
    _, holdout = split(spec, rows, manifest.until)
    pipeline = load(ports.artifacts.get(judged_digest), judged_digest)
    predicted = predict(pipeline, spec.task, feature_frame(spec, holdout))
    found = intervals(spec.task, outcomes(spec, holdout), predicted)
    return {
        AS_DEPLOYED: as_deployed(spec, keep_packages(ports)),
        INTERVALS: {
            name: {"low": float(each.low), "high": float(each.high)}
            for name, each in found.items()
            if np.isfinite([each.low, each.high]).all()
        },
    }


def after_deployment(use_case: LoadedUseCase, version: str, as_of: datetime, ports: Ports) -> None:
    """Attach the card to a version that was deployed, unless it is there. What fails is told, and undoes nothing."""
    try:
        if ports.registry.attached(use_case.name, version, CARD) is None:
            write(use_case.spec, version, as_of, ports)
    except Exception:
        log.exception(
            "%s: version %s is deployed, and its model card could not be written. `perennial reconcile %s` will try "
            "again, as every night's maintenance does.",
            use_case.name, version, use_case.name,
        )  # fmt: skip


@dataclass(frozen=True)
class Written:
    """The paths of the files that were `missing` beside the version, and of those that said something else before."""

    version: str
    missing: tuple[str, ...]
    changed: tuple[str, ...]


def write(spec: UseCase, version: str | None, as_of: datetime, ports: Ports) -> Written:
    """Attach the card and the bill of materials as they are on record, as far as they are not there yet.

    The bill is of the moment of the deployment, and stays. Errors: `NoModel`, `StoreUnavailable`.
    """
    found = facts(spec, version, as_of, ports)
    card = card_of(found)
    name = spec.name, card.version
    wanted = {PAGE: as_html(card).encode(), CARD: json_bytes(card)}
    attached = {path: ports.registry.attached(*name, path) for path in (*wanted, BILL)}
    changed = {path: content for path, content in wanted.items() if attached[path] != content}
    if attached[BILL] is None:
        changed[BILL] = bill(found, ports)
    if changed:
        ports.registry.attach(*name, changed)
        log.info("%s: version %s has a new %s", spec.name, card.version, ", ".join(sorted(changed)))
    missing = {path for path in changed if attached[path] is None}
    return Written(card.version, tuple(sorted(missing)), tuple(sorted(changed.keys() - missing)))


def bill_of(spec: UseCase, version: str, as_of: datetime, ports: Ports) -> bytes:
    """The bill of materials that was attached to the version, or a new one. Errors: `NoModel`, `StoreUnavailable`."""
    kept = ports.registry.attached(spec.name, version, BILL)
    return kept if kept is not None else bill(facts(spec, version, as_of, ports), ports)


def bill(found: Facts, ports: Ports) -> bytes:
    """The bill of materials, with what was installed at the deployment as far as that is on record."""
    then = found.as_deployed
    try:
        packages = read_packages(then.packages_digest, ports) if then else None
    except PermanentError as error:
        log.warning("%s: the bill of materials names no packages: %s", found.spec.name, error)
        packages = None
    return bill_of_materials(found, packages)
