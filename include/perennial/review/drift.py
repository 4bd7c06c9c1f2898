"""How far windows lie from what their model considers normal: the data of the report, with a versioned schema."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from perennial.drift.assess import Assessment, assess_profile
from perennial.drift.profiles.profile import WindowProfile
from perennial.errors import NotMonitored, UntrustedModel
from perennial.ledger.entries import DeployedRole, Deployment, DriftReport
from perennial.modeling.reference import ModelReference
from perennial.policy.triggers import Finding, on_drift
from perennial.ports import Ports
from perennial.records.retraining import gather
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.verdict import Verdict
from perennial.window import Window


@dataclass(frozen=True)
class FalseAlarmCount:
    """Alarms since the model's deployment: how many there were, and how many ordinary windows would raise.

    `accepted` is the budget of false alarms as the spec states it, `level` the share of it for one window.
    """

    accepted: str
    level: float
    windows: int
    expected: float
    observed: int


@dataclass(frozen=True)
class DriftOverview:
    """One window, or several merged, against the reference of the model that scored them last.

    `left_out` are windows that were never monitored, or whose last report is on another model. `assessment` is the
    recorded one of a single window; several windows' profiles are merged, nothing is read again. `evidence` says
    whether drift has persisted since the deployment (`calls`), in words and numbers.
    """

    use_case: str
    windows: tuple[Window, ...]
    left_out: tuple[Window, ...]
    model_version: str
    model_digest: str
    reported_at: datetime | None
    run_id: str
    assessment: Assessment
    alarms: FalseAlarmCount
    evidence: Finding
    format: Literal[1] = 1


def run(use_case: LoadedUseCase, windows: Sequence[Window], ports: Ports) -> DriftOverview:
    """The drift of these windows, as it was measured when they were monitored.

    Errors: `NotMonitored` when none of them was, `UntrustedModel`, `NoModel`, `StoreUnavailable`.
    """
    spec, name = use_case.spec, use_case.name
    reports = [found[-1] for window in windows if (found := ports.ledger.drift_of(name, window))]
    if not reports:
        raise NotMonitored(
            f"No window of {name} between {windows[0].start:%Y-%m-%d %H:%MZ} and {windows[-1].end:%Y-%m-%d %H:%MZ} was "
            f"monitored. Run `perennial monitor {name} --from … --to …` first."
        )
    last = reports[-1]
    same = [report for report in reports if report.model_digest == last.model_digest]
    kept = tuple(report.window for report in same)
    level = spec.monitoring.false_alarms.level(spec.schedule.every)
    deployment = _deployment(name, last, ports)
    if len(windows) == 1:
        assessment = recorded_assessment(last)
    else:
        assessment = _merged(spec, deployment.model_version, same, level, ports)
    evidence = gather(spec, last.window.end, ports.ledger, deployment)
    known = [point for point in evidence.drift if point.verdict is not Verdict.INSUFFICIENT]
    return DriftOverview(
        use_case=name,
        windows=kept,
        left_out=tuple(window for window in windows if window not in kept),
        model_version=deployment.model_version,
        model_digest=last.model_digest,
        reported_at=last.recorded_at,
        run_id=last.run_id,
        assessment=assessment,
        alarms=FalseAlarmCount(
            accepted=str(spec.monitoring.false_alarms),
            level=level,
            windows=len(known),
            expected=level * len(known),
            observed=sum(point.verdict is Verdict.FAIL for point in known),
        ),
        evidence=on_drift(spec.monitoring, evidence),
    )


def schema_text() -> str:
    """The JSON Schema of the report, as the text of `docs/drift_report.schema.json`."""
    schema = _ADAPTER.json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


_ADAPTER: TypeAdapter[DriftOverview] = TypeAdapter(DriftOverview)
_ASSESSMENT: TypeAdapter[Assessment] = TypeAdapter(Assessment)


def recorded_assessment(report: DriftReport) -> Assessment:
    """The assessment that the report holds. Errors: `UntrustedModel` when another version wrote it."""
    try:
        return _ASSESSMENT.validate_python(report.report)
    except ValidationError as error:
        raise UntrustedModel(
            f"The drift report on {report.window} was written by another version of Perennial and can't be read by "
            "this one. If that version is newer, use it here, too; if it is older, monitor the window again."
        ) from error


def _merged(spec: UseCase, version: str, reports: Sequence[DriftReport], level: float, ports: Ports) -> Assessment:
    stored = ports.registry.reference(spec.name, version, reports[-1].model_digest)
    reference = ModelReference.from_json(stored).inputs.withholding(spec.personal_columns)
    profile = reduce(WindowProfile.merge, [WindowProfile.from_json(report.profile) for report in reports])
    changed = {
        name: sorted({each for report in reports for each in report.report.get(name, ())})
        for name in ("left_out", "not_watched")
    }
    return assess_profile(reference, profile, level, changed["left_out"], changed["not_watched"])


def _deployment(name: str, report: DriftReport, ports: Ports) -> Deployment:
    """The deployment that put the report's model in force then. A window may have been scored by another model, too."""
    then = ports.ledger.deployment_at(name, DeployedRole.CHAMPION, report.window.start)
    if then is not None and then.model_digest == report.model_digest:
        return then
    found = [each for each in ports.ledger.deployments(name) if each.model_digest == report.model_digest]
    assert found, "a window is monitored with a model that was deployed"
    return found[-1]


if __name__ == "__main__":
    sys.stdout.write(schema_text())
