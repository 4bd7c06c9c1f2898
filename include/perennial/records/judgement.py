"""What a judgement found beside the numbers in its decision: an artefact that the decision names by its digest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from perennial.encoding import from_json_text, json_bytes
from perennial.judgement.calibration import CalibrationCompared
from perennial.judgement.decisions import DecisionComparison
from perennial.judgement.fairness import FairnessJudged
from perennial.judgement.slices import SlicesJudged
from perennial.judgement.verdict import GainJudgement
from perennial.ledger.entries import DecisionKind, Deployment, RecordedDecision
from perennial.ledger.port import Ledger
from perennial.ports import Ports
from perennial.spec.names import METRICS
from perennial.window import parse_instant

STORED_ROWS = "stored_rows"  # among a decision's numbers: how many, and before the names of scores on them
JUDGED = "judged_digest"  # of a deployment's training: the model that was judged, before it was refitted
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


def scores(numbers: Mapping[str, Any], *, on_stored_rows: bool = False) -> dict[str, dict[str, float | None]]:
    """What every model scored that a decision's numbers name, as `<name>.<metric>`, by metric and name.

    It is on the holdout; `on_stored_rows` asks for those on the rows that still have a former champion's columns.
    """
    found: dict[str, dict[str, float | None]] = {}
    for key, value in numbers.items():
        name, _, metric = key.rpartition(".")
        own = name.removeprefix(f"{STORED_ROWS}.")
        if metric in METRICS and name and (own != name) is on_stored_rows:
            found.setdefault(metric, {})[own] = value
    return found


def judgement_of(deployment: Deployment, decisions: Iterable[RecordedDecision]) -> RecordedDecision | None:
    """The one of the decisions to promote by which the model won: of several as of the same moment, the last."""
    at, judged = _as_of(deployment), deployment.training.get(JUDGED, deployment.model_digest)
    own = [each for each in decisions if each.as_of == at and each.numbers.get("winner_digest") == judged]
    return own[-1] if own else None


def find(deployment: Deployment, ledger: Ledger) -> RecordedDecision | None:
    """The same, of those that the ledger has. Errors: `StoreUnavailable`."""
    at = _as_of(deployment)
    return judgement_of(deployment, ledger.decisions(deployment.use_case, DecisionKind.PROMOTE, at, at))


def _as_of(deployment: Deployment) -> datetime:
    text = deployment.training.get("as_of")
    return parse_instant(text) if isinstance(text, str) else deployment.effective_from


def keep(evidence: Evidence, ports: Ports) -> str:
    """Store it; the same evidence has the same digest. Errors: `StoreUnavailable`."""
    return ports.artifacts.put(json_bytes(evidence))


def read(decision: RecordedDecision, ports: Ports) -> Evidence | None:
    """What the decision's judgement found; None where nothing was kept.

    Errors: `UntrustedModel` when its bytes are missing or changed, `StoreUnavailable`.
    """
    digest = decision.numbers.get(DIGEST)
    return from_json_text(Evidence, ports.artifacts.get(digest)) if isinstance(digest, str) else None
