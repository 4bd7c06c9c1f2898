"""What the registry shows of a retraining: one run, and in it one of each candidate, with pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

DIGEST = "digest"  # the tag of a candidate's run that names its model's bytes


@dataclass(frozen=True)
class CandidateRun:
    """One candidate: what it was given, how it did, and files for people, such as `plots/roc.png`."""

    name: str
    parameters: dict[str, Any]
    metrics: dict[str, float]
    tags: dict[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class RetrainingRun:
    """A retraining, which `training_id` and the name of the ledger's run identify."""

    use_case: str
    training_id: str
    run_id: str
    as_of: datetime
    metrics: dict[str, float]
    tags: dict[str, str]
    candidates: tuple[CandidateRun, ...]


@dataclass(frozen=True)
class ShownCandidate:
    """A candidate as the registry has it; values of parameters are text, `files` are paths."""

    name: str
    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    files: tuple[str, ...]


@dataclass(frozen=True)
class ShownRetraining:
    """A retraining that the registry shows since then, with the digests of its candidates' models."""

    training_id: str
    run_id: str
    at: datetime
    digests: tuple[str, ...]
