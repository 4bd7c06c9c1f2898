"""What became of each candidate of a retraining, among the numbers of the judge's decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perennial.policy.candidate_costs import Costs

TRAINED = "trained"
OUTCOME, WHY = "outcome", "why"  # what numbers are called, after the candidate's name and a dot
SECONDS, ARTEFACT, MEMORY = "seconds_per_1k_rows", "artefact_bytes", "memory_bytes"

Numbers = dict[str, float | int | str | None]


@dataclass(frozen=True)
class CandidateOutcome:
    """One candidate: `outcome` is `trained`, or why it was not used in a word or two, and `why` in a sentence.

    `seconds_per_1k_rows` are those of predicting, `artefact_bytes` of the model, `memory_bytes` the most that the
    process which trained it held; None where that was not measured.
    """

    candidate: str
    outcome: str
    why: str | None
    seconds_per_1k_rows: float | None
    artefact_bytes: int | None
    memory_bytes: int | None


def numbers_of(candidate: str, outcome: str, why: str | None, costs: Costs | None) -> Numbers:
    """What the decision keeps of the candidate."""
    found: Numbers = {OUTCOME: outcome, WHY: why}
    if costs is not None:
        found |= {SECONDS: costs.seconds_per_1k_rows, ARTEFACT: costs.artefact, MEMORY: costs.memory}
    return {f"{candidate}.{name}": value for name, value in found.items()}


def outcomes_in(numbers: Mapping[str, Any]) -> tuple[CandidateOutcome, ...]:
    """The candidates by name; none in decisions of 0.1.0."""
    names = [key.rpartition(".")[0] for key in numbers if key.rpartition(".")[2] == OUTCOME]
    return tuple(
        CandidateOutcome(
            candidate=name,
            outcome=str(numbers[f"{name}.{OUTCOME}"]),
            why=numbers.get(f"{name}.{WHY}"),
            seconds_per_1k_rows=numbers.get(f"{name}.{SECONDS}"),
            artefact_bytes=numbers.get(f"{name}.{ARTEFACT}"),
            memory_bytes=numbers.get(f"{name}.{MEMORY}"),
        )
        for name in sorted(names)
    )
