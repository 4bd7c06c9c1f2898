"""Train: one candidate is fitted on the older part of the training set and measured on the holdout."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from perennial.errors import InvalidSpec
from perennial.modeling.attempt import Attempt, Unusable, attempted_here
from perennial.modeling.holdout import split
from perennial.modeling.search import found_candidate
from perennial.policy.candidate_costs import Costs, Failure
from perennial.policy.promotion import text_of
from perennial.ports import Ports
from perennial.records.training_set import WINDOW_COLUMN, read_manifest, read_rows
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.training import Candidate

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A fitted candidate, kept as an artefact under its digest, with its metrics on the holdout.

    `earlier` are its metrics on rows before the holdout, by a model of those before them: what candidates are chosen
    by. Empty where there is one candidate, or too little to learn from. `costs` is None where nothing was measured.
    `found` are the parameters that were searched for; `remarks` are clauses about it, such as how.
    """

    candidate: str
    digest: str
    metrics: dict[str, float]
    rows: int
    holdout_rows: int
    seconds: float
    earlier: dict[str, float] = field(default_factory=dict)
    costs: Costs | None = None
    found: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    calibrated: bool = False


@dataclass(frozen=True)
class Refused:
    """A candidate that can't be used: `reason` is a sentence without its name; the other candidates go on.

    `metrics` and `costs` are what was measured before that was known.
    """

    candidate: str
    failure: Failure
    reason: str
    metrics: dict[str, float] = field(default_factory=dict)
    costs: Costs | None = None

    def __str__(self) -> str:
        return f"{self.candidate} was not used: it {self.reason.rstrip('.')}."


Outcome = Trained | Refused
_OUTCOMES: TypeAdapter[list[Outcome]] = TypeAdapter(list[Outcome])


def outcomes_of(values: Iterable[dict[str, Any]]) -> list[Outcome]:
    """The outcomes that `as_json` made the values of."""
    return _OUTCOMES.validate_python(list(values))


def run(use_case: LoadedUseCase, training_id: str, candidate_name: str, ports: Ports, run_id: str) -> Outcome:
    """Fit the candidate of that name; what is wrong with it alone is its outcome, and no error.

    Errors: `InvalidSpec` when there is none of that name, `NotEnoughData`, `StoreUnavailable`.
    """
    spec = use_case.spec
    candidate = next((each for each in spec.training.candidates if each.name == candidate_name), None)
    if candidate is None:
        known = ", ".join(each.name for each in spec.training.candidates)
        raise InvalidSpec(f"{spec.name} has no candidate {candidate_name!r}; the spec has {known}.")
    manifest = read_manifest(training_id, ports)
    training, holdout = split(spec, read_rows(manifest, ports), manifest.until)
    done = (ports.attempted or attempted_here)(Attempt(spec, candidate, training, holdout, WINDOW_COLUMN))
    if isinstance(done, Unusable):
        refused = Refused(candidate.name, done.failure, done.reason, done.metrics, done.costs)
        log.warning("%s: %s (%s)", spec.name, refused, run_id)
        return refused
    digest = ports.artifacts.put(done.content)
    told = ", ".join(f"{name} {text_of(value)}" for name, value in done.metrics.items())
    log.info("%s %s: %s in %.1f s (%s)", spec.name, candidate.name, told, done.seconds, run_id)
    return Trained(
        candidate=candidate.name,
        digest=digest,
        metrics=done.metrics,
        rows=training.num_rows,
        holdout_rows=holdout.num_rows,
        seconds=done.seconds,
        earlier=done.earlier,
        costs=done.costs,
        found=done.found,
        remarks=done.remarks,
        calibrated=done.calibrated,
    )


def candidate_of(spec: UseCase, trained: Trained) -> Candidate:
    """The spec's candidate as it was trained: with the parameters that were found for it."""
    candidate = next(each for each in spec.training.candidates if each.name == trained.candidate)
    found = found_candidate(candidate, trained.found)
    return found.model_copy(update={"calibrate": "always" if trained.calibrated else "never"})
