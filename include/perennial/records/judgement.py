"""What a judgement found beside the numbers in its decision: an artefact that the decision names by its digest."""

from dataclasses import dataclass, field
from typing import Literal

from perennial.encoding import from_json_text, json_bytes
from perennial.judgement.calibration import CalibrationCompared
from perennial.judgement.decisions import DecisionComparison
from perennial.judgement.fairness import FairnessJudged
from perennial.judgement.slices import SlicesJudged
from perennial.judgement.verdict import GainJudgement
from perennial.ledger.entries import RecordedDecision
from perennial.ports import Ports

DIGEST, HOLDOUT_END = "judgement_digest", "holdout_end"  # among a decision's numbers; 0.1.0 wrote neither


@dataclass(frozen=True)
class Evidence:
    """The candidate that was judged against `rival`, and all that was found.

    `gains` holds the judgement of each candidate that was tested; all else is of `tested` alone, the one that won or
    came nearest. `calibration_reasons` are sentences. `decisions` compares what the two would have decided, and
    `decided_by` says by which rule each did; None and {} for regression, and where there is nothing to compare.
    """

    tested: str
    rival: str
    gains: dict[str, GainJudgement]
    slices: SlicesJudged | None
    calibration: CalibrationCompared
    calibration_reasons: tuple[str, ...]
    decisions: DecisionComparison | None = None
    decided_by: dict[str, str] = field(default_factory=dict)
    fairness: FairnessJudged | None = None
    format: Literal[1] = 1


def keep(evidence: Evidence, ports: Ports) -> str:
    """Store it; the same evidence has the same digest. Errors: `StoreUnavailable`."""
    return ports.artifacts.put(json_bytes(evidence))


def read(decision: RecordedDecision, ports: Ports) -> Evidence | None:
    """What the decision's judgement found; None where nothing was kept.

    Errors: `UntrustedModel` when its bytes are missing or changed, `StoreUnavailable`.
    """
    digest = decision.numbers.get(DIGEST)
    return from_json_text(Evidence, ports.artifacts.get(digest)) if isinstance(digest, str) else None
