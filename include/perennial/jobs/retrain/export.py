"""Export: a deployed version in other formats, each with a certificate of how far it predicts the same.

An export is no gate: it is made after the deployment, and one that is refused is recorded with its reason. Making it
again, by a run that was killed or a second one, gives the same bytes at the same place and the first record.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from perennial.encoding import as_json, from_json
from perennial.errors import NoModel, NotExportable
from perennial.ledger.entries import DecisionKind, DeployedRole, Deployment, RecordedDecision
from perennial.modeling.artifact import load
from perennial.modeling.exports.formats import FORMATS
from perennial.modeling.exports.parity import THRESHOLD, Certificate, certify
from perennial.modeling.exports.plain import plain_model
from perennial.modeling.holdout import split
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.ports import Ports
from perennial.records.batch import decision_rule
from perennial.records.training_set import read_manifest, read_rows
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.names import Task

log = logging.getLogger(__name__)

EXPORTED, REFUSED = "exported", "refused"


@dataclass(frozen=True)
class Exported:
    """What came of an export of a version: `digest` names the file in the artefact store, None where it was refused.

    `path` is where the file lies beside the version in the registry. `certificate` is None where no file could be
    written or scored.
    """

    version: str
    format: str
    action: str
    reasons: tuple[str, ...]
    digest: str | None
    path: str | None
    certificate: Certificate | None


def run(use_case: LoadedUseCase, version: str, format_name: str, ports: Ports, run_id: str) -> Exported:
    """Export the version in that format, unless that was done before.

    Errors: `NoModel` when the version was never deployed, `NotExportable` when there is no such format, `RowsRemoved`
    when its judged rows are gone, `UntrustedModel`, `StoreUnavailable`.
    """
    if format_name not in FORMATS:
        raise NotExportable(f"There is no export to {format_name!r}; there are {', '.join(FORMATS)}.")
    entry = _deployment(use_case.spec, version, ports)
    before = _recorded(use_case.spec, entry, format_name, ports)
    if before is not None and before.action == EXPORTED:
        return before
    made = _made(use_case.spec, entry, format_name, ports)
    path = None
    if made.action == EXPORTED:
        content = ports.artifacts.get(str(made.digest))
        path = f"exports/model.{format_name}"
        told = json.dumps(as_json(made.certificate), sort_keys=True).encode()
        ports.registry.attach(entry.use_case, version, {path: content, f"exports/{format_name}.certificate.json": told})
    if before is not None and before.reasons == made.reasons:
        return before
    recorded = ports.ledger.record_decision(
        RecordedDecision(
            use_case=entry.use_case,
            kind=DecisionKind.EXPORT,
            subject=_subject(entry, format_name, made),
            as_of=entry.effective_from,
            action=made.action,
            reasons=made.reasons,
            numbers={
                "version": version,
                "format": format_name,
                "digest": made.digest,
                "path": path,
                "certificate": as_json(made.certificate) if made.certificate else None,
            },
            run_id=run_id,
        )
    )
    for reason in recorded.reasons:
        level = logging.INFO if recorded.action == EXPORTED else logging.WARNING
        log.log(level, "%s: version %s to %s %s: %s", entry.use_case, version, format_name, recorded.action, reason)
    return exported_of(recorded)


def after_deployment(use_case: LoadedUseCase, version: str, ports: Ports, run_id: str) -> None:
    """Make the exports that the spec asks for (`packaging`). One that is refused stops nothing."""
    for format_name in use_case.spec.packaging:
        run(use_case, version, format_name, ports, run_id)


def exported_of(recorded: RecordedDecision) -> Exported:
    """The export that the ledger's entry is about; "" and None for what the entry does not say."""
    numbers = recorded.numbers
    certificate = numbers.get("certificate")
    return Exported(
        version=numbers.get("version", ""),
        format=numbers.get("format", ""),
        action=recorded.action,
        reasons=recorded.reasons,
        digest=numbers.get("digest"),
        path=numbers.get("path"),
        certificate=from_json(Certificate, certificate) if certificate else None,
    )


def _deployment(spec: UseCase, version: str, ports: Ports) -> Deployment:
    entries = [each for each in ports.ledger.deployments(spec.name) if each.role is DeployedRole.CHAMPION]
    found = next((each for each in entries if each.model_version == version), None)
    if found is None:
        known = ", ".join(sorted({each.model_version for each in entries}, key=int)) or "none"
        raise NoModel(f"{spec.name} never had version {version!r} in service; versions that were: {known}.")
    return found


def _recorded(spec: UseCase, entry: Deployment, format_name: str, ports: Ports) -> Exported | None:
    """What became of the export the last time; a success before any refusal."""
    at = entry.effective_from
    records = ports.ledger.decisions(spec.name, DecisionKind.EXPORT, at, at)
    found = [exported_of(each) for each in records]
    own = [each for each in found if (each.version, each.format) == (entry.model_version, format_name)]
    return next((each for each in own if each.action == EXPORTED), own[-1] if own else None)


def _subject(entry: Deployment, format_name: str, made: Exported) -> str:
    """The record's key: a refusal for another reason, or a success after it, is a record of its own."""
    outcome = made.digest if made.action == EXPORTED else " ".join(made.reasons)
    return f"version {entry.model_version} to {format_name}: {outcome}"


def _made(spec: UseCase, entry: Deployment, format_name: str, ports: Ports) -> Exported:
    """Write, score and certify the export; a file that passes is kept in the artefact store."""
    content = ports.registry.content(spec.name, entry.model_version, entry.model_digest)
    pipeline = load(content, entry.model_digest)
    inputs = model_inputs(pipeline)
    frame = inputs.frame(_judged_rows(spec, entry, ports))
    form = FORMATS[format_name]
    found: dict[str, Any] = {"version": entry.model_version, "format": format_name, "path": None}
    try:
        export = form.write(plain_model(pipeline))
        predictions = form.predict(export, frame, inputs.categorical)
    except NotExportable as error:
        return Exported(**found, action=REFUSED, reasons=(str(error),), digest=None, certificate=None)
    except ImportError as error:
        reason = (
            f"The library that writes and scores {format_name} is not installed ({error}): install "
            f"perennial[{format_name}], and run `perennial export {spec.name} --version {entry.model_version} --to "
            f"{format_name}`."
        )
        return Exported(**found, action=REFUSED, reasons=(reason,), digest=None, certificate=None)
    except Exception as error:  # noqa: BLE001 - a scorer may fail in any way; that refuses the export and stops nothing
        reason = f"Writing or scoring {format_name} failed: {type(error).__name__}: {error}"
        return Exported(**found, action=REFUSED, reasons=(reason,), digest=None, certificate=None)
    rule = decision_rule(entry)
    by_threshold = rule.threshold if rule is not None and rule.threshold is not None else THRESHOLD
    threshold = by_threshold if spec.task is Task.BINARY_CLASSIFICATION else None
    certificate = certify(predict(pipeline, spec.task, frame), predictions, form.scorer, threshold)
    if certificate.problems:
        return Exported(**found, action=REFUSED, reasons=certificate.problems, digest=None, certificate=certificate)
    reason = (
        f"On the {certificate.rows:,} judged rows, predictions differ by at most "
        f"{certificate.largest_difference or 0.0:.2g} ({form.scorer})."
    )
    return Exported(
        **found, action=EXPORTED, reasons=(reason,), digest=ports.artifacts.put(export), certificate=certificate
    )


def _judged_rows(spec: UseCase, entry: Deployment, ports: Ports) -> pa.Table:
    """The rows that the version, or the model before its refit, was judged on."""
    if "training_id" not in entry.training:
        raise NoModel(
            f"The ledger does not say what version {entry.model_version} of {spec.name} was judged on, so no export of "
            "it can be certified. Export a version that was deployed by `retrain`."
        )
    manifest = read_manifest(entry.training["training_id"], ports)
    return split(spec, read_rows(manifest, ports), manifest.until)[1]
