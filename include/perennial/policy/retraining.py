"""When to retrain: `retrain`, `hold` (nothing calls for it) or `wait` (too early to decide, or not possible yet)."""

from collections.abc import Collection

from perennial.policy.blockers import BLOCKERS
from perennial.policy.evidence import RetrainingEvidence
from perennial.policy.triggers import TRIGGERS, Numbers
from perennial.spec.monitoring import Monitoring, Trigger
from perennial.verdict import HOLD, RETRAIN, WAIT, Decision


def decide(spec: Monitoring, evidence: RetrainingEvidence, asked: Collection[Trigger] = tuple(Trigger)) -> Decision:
    """Ask those triggers that the spec has; if one calls, and nothing blocks, retrain.

    The reasons are those of the triggers that call and of what blocks them, or else of all triggers asked.
    Errors: `InvalidSpec` when nobody knows the metric.
    """
    findings = {each: TRIGGERS[each](spec, evidence) for each in Trigger if each in asked and each in spec.triggers}
    numbers: Numbers = {
        "trigger": None,
        "new_labels": evidence.new_labels,
        "estimate_trust": evidence.trust,
        "concept_drift": evidence.concept_drift,
    }
    for finding in reversed(findings.values()):
        numbers |= finding.numbers
    calling = {each: finding for each, finding in findings.items() if finding.calls}
    if not calling:
        reasons = tuple(reason for finding in findings.values() for reason in finding.reasons)
        unknown = any(finding.calls is None for finding in findings.values())
        return Decision(WAIT if unknown else HOLD, reasons or (_nothing(spec, asked),), numbers)
    numbers["trigger"] = next(iter(calling))
    reasons = tuple(reason for finding in calling.values() for reason in finding.reasons)
    blocks = [reason for blocker in BLOCKERS if (reason := blocker(spec, evidence)) is not None]
    for obstacles in (
        [finding.defect for finding in calling.values()],
        [finding.unlearnable for finding in calling.values()],
    ):
        if all(obstacles):
            blocks += [obstacle for obstacle in obstacles if obstacle is not None]
    return Decision(WAIT if blocks else RETRAIN, (*reasons, *blocks), numbers)


def _nothing(spec: Monitoring, asked: Collection[Trigger]) -> str:
    triggers = ", ".join(spec.triggers) or "none"
    return f"Nothing that was asked calls for retraining (asked: {', '.join(asked)}; monitoring.triggers: {triggers})."
