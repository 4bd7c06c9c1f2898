"""Judge: candidates and champion on the same holdout rows, and what the winner will consider normal."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from perennial.arrays import Floats
from perennial.drift.profiles.withheld import disguised
from perennial.drift.reference import fit_reference
from perennial.encoding import json_digest
from perennial.features.build import example_rows, feature_frame
from perennial.grouping import tables_by_value
from perennial.jobs.predict.monitor import monitored_columns
from perennial.jobs.retrain.allow_feature import allowed
from perennial.jobs.retrain.assembling.remarks import SUSPICION, left_out, rival_of, suspicions
from perennial.jobs.retrain.judging.on_holdout import on_holdout, weigh_all
from perennial.jobs.retrain.judging.refit import Refitted, refit
from perennial.jobs.retrain.train import Outcome, Refused, Trained, candidate_of
from perennial.ledger.entries import DecisionKind, DeployedRole, RecordedDecision
from perennial.modeling.artifact import dump, load
from perennial.modeling.decision import DecisionRule
from perennial.modeling.estimation import Estimation, WindowOutcome, learn_calibration, learn_losses, loss_example
from perennial.modeling.holdout import split
from perennial.modeling.importance import permutation_importance
from perennial.modeling.libraries import installed
from perennial.modeling.out_of_fold import out_of_fold_predictions
from perennial.modeling.reference import ModelReference
from perennial.modeling.trial import TRIED_ROWS, as_file
from perennial.policy.baseline import must_beat_no_skill
from perennial.policy.promotion import Numbers, decide_promotion, measured_in_service
from perennial.ports import Ports
from perennial.records.candidates import TRAINED, numbers_of
from perennial.records.judgement import DIGEST, HOLDOUT_END, keep
from perennial.records.training_set import (
    WINDOW_COLUMN,
    TrainingManifest,
    label_kind,
    label_rows,
    outcomes,
    read_manifest,
    read_rows,
)
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.spec.training import NO_SKILL
from perennial.verdict import PROMOTE, Decision

log = logging.getLogger(__name__)

SHOWN = 12  # characters of a question's digest that name it


@dataclass(frozen=True)
class Judged:
    """The verdict on the candidates. `winner` is None when the champion stays.

    `champion_id` is the ledger entry that the winner may supersede; `reference_digest` names the artefact with what
    the winner considers normal. `refitted` is the winner as it will be deployed, None where it is deployed as judged.
    `verdict` is what the labels prove (see `perennial.judgement.verdict`), None where nothing could be compared;
    `needed_labels` would probably settle what is open. `decision` is the winner's, which it is deployed with;
    `in_service` is what it will be held against there.
    """

    training_id: str
    action: str
    reasons: tuple[str, ...]
    scores: dict[str, dict[str, float]]
    champion_id: int | None
    winner: Trained | None
    reference_digest: str | None
    refitted: Refitted | None = None
    verdict: str | None = None
    needed_labels: int | None = None
    decision: DecisionRule | None = None
    in_service: dict[str, float] = field(default_factory=dict)


def run(use_case: LoadedUseCase, training_id: str, tried: Sequence[Outcome], ports: Ports, run_id: str) -> Judged:
    """Decide whether a candidate takes over. The champion is scored anew on the very rows the candidates were.

    Candidates that can't be used are not compared; the decision says why.

    Errors: `NotEnoughData`, `UntrustedModel`, `StoreUnavailable`.
    """
    spec = use_case.spec
    trained = [each for each in tried if isinstance(each, Trained)]
    manifest = read_manifest(training_id, ports)
    training, holdout = split(spec, read_rows(manifest, ports), manifest.until)
    pa.default_memory_pool().release_unused()
    champion = ports.ledger.current_deployment(spec.name, DeployedRole.CHAMPION)
    rival = rival_of(spec, champion, trained, holdout, manifest, ports)
    found = on_holdout(spec, training, holdout, trained, rival, champion, ports)
    weighed = weigh_all(spec, holdout, found)
    decision = decide_promotion(
        spec.training, found.candidates, found.rival, found.baseline, weighed.judged, weighed.gates
    )
    decision = must_beat_no_skill(decision, weighed.skill)
    remarks = (
        *(f"{each.candidate}: {remark}." for each in trained for remark in each.remarks),
        *weighed.remarks,
        *found.remarks,
        *rival.remarks,
        *left_out(manifest),
        *suspicions(spec, training, holdout, allowed(spec.name, ports.ledger)),
    )
    refused = (str(each) for each in tried if isinstance(each, Refused))
    kept: Numbers = {DIGEST: keep(weighed.evidence, ports)} if weighed.evidence else {}
    decision = replace(
        decision,
        reasons=(*decision.reasons, *refused, *remarks, *filter(None, [manifest.behind()])),
        numbers={**decision.numbers, **_outcome_numbers(tried), **rival.numbers, **kept},
    )
    rival_digest = champion.model_digest if champion else "none"
    subject = f"{training_id} against {rival_digest}: {_question(spec, tried)}"
    recorded = _record(spec, decision, subject, manifest, ports, run_id)
    winner = _winner(recorded, found.trained)
    judged = Judged(
        training_id=training_id,
        action=recorded.action,
        reasons=recorded.reasons,
        scores={
            NO_SKILL: found.baseline,
            **({found.rival.name: found.rival.metrics} if found.rival else {}),
            **{each.candidate: each.metrics for each in tried if each.metrics},
        },
        champion_id=champion.id if champion else None,
        winner=winner,
        reference_digest=None,
        verdict=recorded.numbers.get("verdict"),
        needed_labels=recorded.numbers.get("needed_labels"),
    )
    if winner is None:
        return judged
    importances = _importances(spec, winner, holdout, ports)
    del training, holdout  # of a large training set no more is in memory than what is left to do needs
    refitted = refit(spec, winner, manifest, ports) if spec.training.refit else None
    reference = _reference(spec, winner, manifest, importances, ports)
    return replace(
        judged,
        decision=found.rule_of(winner) if spec.decision is not None else None,
        in_service=measured_in_service(recorded.numbers) if recorded.numbers["tested"] == winner.candidate else {},
        reference_digest=ports.artifacts.put(json.dumps(reference, sort_keys=True).encode()),
        refitted=refitted,
    )


def _question(spec: UseCase, tried: Sequence[Outcome]) -> str:
    """What names the question that the judge answers beside rows and champion: who is judged, and by which rules.

    Another candidate, or the same under other rules, is another question, which an earlier answer does not settle.
    """
    judged = {each.candidate: each.digest if isinstance(each, Trained) else each.failure.value for each in tried}
    rules = [each.model_dump(mode="json") if each else None for each in (spec.training, spec.decision)]
    return json_digest([judged, rules])[:SHOWN]


def _record(
    spec: UseCase, decision: Decision, subject: str, manifest: TrainingManifest, ports: Ports, run_id: str
) -> RecordedDecision:
    """The decision as the ledger has it, which is the first one about this subject; also in the log."""
    recorded = ports.ledger.record_decision(
        RecordedDecision(
            use_case=spec.name,
            kind=DecisionKind.PROMOTE,
            subject=subject,
            as_of=manifest.as_of,
            action=decision.action,
            reasons=decision.reasons,
            numbers={**decision.numbers, HOLDOUT_END: manifest.until.isoformat()},
            run_id=run_id,
        )
    )
    for reason in recorded.reasons:
        log.log(logging.WARNING if reason.startswith(SUSPICION) else logging.INFO, "%s: %s", spec.name, reason)
    return recorded


def _outcome_numbers(tried: Sequence[Outcome]) -> Numbers:
    """What became of each candidate, what it costs, and the scores of those that were measured and not used."""
    numbers: Numbers = {}
    for each in tried:
        if isinstance(each, Refused):
            numbers |= {f"{each.candidate}.{metric}": value for metric, value in each.metrics.items()}
            numbers |= numbers_of(each.candidate, each.failure.value, each.reason, each.costs)
        else:
            numbers |= numbers_of(each.candidate, TRAINED, None, each.costs)
    return numbers


def _importances(spec: UseCase, winner: Trained, holdout: pa.Table, ports: Ports) -> dict[str, float]:
    """How much the winner, as it was judged, depends on each feature."""
    pipeline = load(ports.artifacts.get(winner.digest), winner.digest)
    return permutation_importance(spec, pipeline, feature_frame(spec, holdout), outcomes(spec, holdout))


def _reference(
    spec: UseCase, winner: Trained, manifest: TrainingManifest, importances: dict[str, float], ports: Ports
) -> dict[str, Any]:
    """What is normal for the winner: its training windows, and predictions of rows that their model had not seen."""
    rows = read_rows(manifest, ports)
    names = [each.window.key for each in manifest.windows if each.labelled]
    predictions = out_of_fold_predictions(spec, candidate_of(spec, winner), rows, WINDOW_COLUMN, names)
    windows = tables_by_value(rows, WINDOW_COLUMN, names)
    del rows
    pa.default_memory_pool().release_unused()
    labels = [(name, label_rows(spec, window)) for name, window in windows]
    return ModelReference(
        inputs=fit_reference(
            [(name, disguised(each, spec.personal_columns)) for name, each in windows],
            monitored_columns(spec),
            importances,
            [predictions[name] for name in names],
            spec.monitoring.min_rows,
        ),
        labels=fit_reference(labels, {spec.labels.column: label_kind(spec)}, {}, min_rows=spec.monitoring.min_rows),
        estimation=_estimation(spec, windows, predictions, ports),
    ).to_json()


def _estimation(
    spec: UseCase, windows: Sequence[tuple[str, pa.Table]], predictions: dict[str, Floats], ports: Ports
) -> Estimation | None:
    """How to estimate the winner's performance, learnt where the truth is known and the model had not seen the rows."""
    if spec.task is Task.BINARY_CLASSIFICATION:
        nothing = pd.DataFrame()  # probabilities are all that is learnt from
        return learn_calibration(
            [WindowOutcome(predictions[name], outcomes(spec, rows), nothing) for name, rows in windows]
        )
    learnt, models = learn_losses(
        spec,
        [WindowOutcome(predictions[name], outcomes(spec, rows), feature_frame(spec, rows)) for name, rows in windows],
    )
    if learnt is None:
        return None
    example, said = _example(spec, windows, predictions)
    return replace(
        learnt,
        loss_models={name: ports.artifacts.put(dump(model)) for name, model in models.items()},
        loss_examples={
            name: ports.artifacts.put(as_file(loss_example(model, example, said))) for name, model in models.items()
        },
        libraries=installed(),
    )


def _example(
    spec: UseCase, windows: Sequence[tuple[str, pa.Table]], predictions: dict[str, Floats]
) -> tuple[pa.Table, Floats]:
    """Some rows from all over the windows, as others may see them, with their predictions."""
    rows = pa.concat_tables([rows for _, rows in windows])
    spread = np.unique(np.linspace(0, rows.num_rows - 1, TRIED_ROWS).astype(np.int64))
    example = example_rows(spec, rows.take(pa.array(spread)), TRIED_ROWS).select(list(spec.feature_columns))
    return example, np.concatenate([predictions[name] for name, _ in windows])[spread]


def _winner(recorded: RecordedDecision, trained: Sequence[Trained]) -> Trained | None:
    if recorded.action != PROMOTE:
        return None
    return next(each for each in trained if each.digest == recorded.numbers["winner_digest"])
