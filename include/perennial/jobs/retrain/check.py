"""Check: whether the assembled training set may be trained on. If not, that is on record."""

import logging
from dataclasses import dataclass

import pyarrow as pa

from perennial.encoding import json_digest
from perennial.errors import TrainingSetRefused
from perennial.features.build import feature_frame
from perennial.jobs.retrain.allow_feature import allowed
from perennial.ledger.entries import DecisionKind, RecordedDecision
from perennial.modeling.holdout import split
from perennial.modeling.leakage import given_away
from perennial.policy.training_checks import LabelCounts, Problem, label_problems, leakage_problems
from perennial.ports import Ports
from perennial.records.judgement import HOLDOUT_END
from perennial.records.training_set import REFUSED_FOR, TrainingManifest, outcomes, read_manifest, read_rows
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.verdict import REJECT

log = logging.getLogger(__name__)

SHOWN = 12  # characters of the digest of the reasons, in the name of a decision


@dataclass(frozen=True)
class Checked:
    """A training set that may be trained on.

    `positive_share` is that of all its labels, None for a regression. `leaking` are columns that alone predict the
    holdout nearly perfectly and were allowed, each with how well it does, and who allowed it why.
    """

    training_id: str
    rows: int
    positive_share: float | None
    leaking: dict[str, str]


def run(use_case: LoadedUseCase, training_id: str, ports: Ports, run_id: str) -> Checked:
    """Check the labels, and each feature by itself.

    Errors: `TrainingSetRefused`, after the decision not to train is on record; `NotEnoughData`, `StoreUnavailable`.
    """
    spec = use_case.spec
    manifest = read_manifest(training_id, ports)
    training, holdout = split(spec, read_rows(manifest, ports), manifest.until)
    counts = [_counts(spec, "training part", training), _counts(spec, "holdout", holdout)]
    leaking = dict(
        given_away(
            spec,
            feature_frame(spec, training),
            outcomes(spec, training),
            feature_frame(spec, holdout),
            outcomes(spec, holdout),
        )
    )
    permitted = allowed(spec.name, ports.ledger) if leaking else {}
    problems = leakage_problems(spec.name, leaking, permitted)
    classifies = spec.task is Task.BINARY_CLASSIFICATION
    if classifies:
        problems = [*label_problems(spec.training.checks, counts), *problems]
    if problems:
        _record(spec, training_id, manifest, problems, ports, run_id)
        raise TrainingSetRefused(
            f"{spec.name}: nothing was trained on the training set as of {manifest.as_of:%Y-%m-%d %H:%M} UTC; the "
            f"champion stays. {' '.join(each.text for each in problems)}"
        )
    told = {column: f"{skill}; {permitted[column]}" for column, skill in leaking.items()}
    for column, text in told.items():
        log.warning("%s: %s alone predicts the holdout nearly perfectly (%s)", spec.name, column, text)
    rows = sum(each.rows for each in counts)
    share = sum(each.positive for each in counts) / rows if classifies else None
    return Checked(training_id, rows, share, told)


def _counts(spec: UseCase, part: str, rows: pa.Table) -> LabelCounts:
    return LabelCounts(part, rows.num_rows, int((outcomes(spec, rows) == 1).sum()))


def _record(
    spec: UseCase, training_id: str, manifest: TrainingManifest, problems: list[Problem], ports: Ports, run_id: str
) -> None:
    """The decision to train nothing, for these reasons: for others it is another one.

    Its subject is not the judge's: what is allowed later in this run is judged.
    """
    reasons = tuple(each.text for each in problems)
    ports.ledger.record_decision(
        RecordedDecision(
            use_case=spec.name,
            kind=DecisionKind.PROMOTE,
            subject=f"{training_id} before training: {json_digest(reasons)[:SHOWN]}",
            as_of=manifest.as_of,
            action=REJECT,
            reasons=reasons,
            numbers={
                "metric": spec.training.metric,
                REFUSED_FOR: ", ".join(dict.fromkeys(each.failure.value for each in problems)),
                HOLDOUT_END: manifest.until.isoformat(),
            },
            run_id=run_id,
        )
    )
