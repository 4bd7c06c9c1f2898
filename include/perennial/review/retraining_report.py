"""The report on a retraining: what it learnt from, how the candidates were judged, and what came of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from perennial.errors import PerennialError
from perennial.ledger.entries import DecisionKind, DeployedRole, Deployment, RecordedDecision
from perennial.performance.gain import gain, metric_named
from perennial.ports import Ports
from perennial.records.training_set import TrainingManifest, read_manifest
from perennial.spec.load import LoadedUseCase
from perennial.spec.names import METRICS
from perennial.verdict import PROMOTE, RETRAIN

ASKING = (DecisionKind.RETRAIN_ON_DRIFT, DecisionKind.RETRAIN_ON_PERFORMANCE)
CHAMPION, NO_SKILL, STORED_ROWS = "champion version ", "no_skill", "stored_rows"  # names in the judge's numbers


@dataclass(frozen=True)
class MetricCompared:
    """A metric of everything that was judged, all on the same holdout rows.

    `scores` are by name, None where the metric is not defined on these rows. `difference` is the best candidate's value
    minus the rival's, `better` whether that is for the better; both are None without one of the two values.
    """

    metric: str
    deciding: bool
    scores: dict[str, float | None]
    difference: float | None
    better: bool | None


@dataclass(frozen=True)
class Comparison:
    """Who was compared on `rows` holdout rows: the `candidates`, the `best` of them, and the `rival` it had to beat.

    The rival is the champion, or a prediction without skill. `min_gain` is how much better than the rival the best must
    be in the deciding metric.
    """

    rows: int | None
    candidates: tuple[str, ...]
    best: str | None
    rival: str | None
    min_gain: float | None
    metrics: tuple[MetricCompared, ...]


@dataclass(frozen=True)
class RetrainingReport:
    """What is on record about the retraining that a run did; what it has not done is None.

    `asked_for` are the decisions of the same moment that called for it, none where a person did. `comparison` is what
    the judge compared. `previous` is the champion that its winner replaced. `training` is None, too, where retention
    took the manifest, and `training_gone` says so.
    """

    use_case: str
    title: str
    run_id: str
    sentence: str
    asked_for: tuple[RecordedDecision, ...]
    decision: RecordedDecision | None
    comparison: Comparison | None
    deployment: Deployment | None
    previous: Deployment | None
    training: TrainingManifest | None
    training_gone: str | None
    model_address: str | None
    format: Literal[1] = 1


def run(use_case: LoadedUseCase, run_id: str, ports: Ports) -> RetrainingReport:
    """What the run of that name in the ledger decided and deployed. Errors: `StoreUnavailable`."""
    name, ledger = use_case.name, ports.ledger
    decisions = [each for each in ledger.decisions(name, DecisionKind.PROMOTE) if each.run_id == run_id]
    champions = [each for each in ledger.deployments(name) if each.role is DeployedRole.CHAMPION]
    deployed = [each for each in champions if each.run_id == run_id]
    decision, deployment = decisions[-1] if decisions else None, deployed[-1] if deployed else None
    training, gone = _training(decision, ports)
    return RetrainingReport(
        use_case=name,
        title=use_case.spec.title,
        run_id=run_id,
        sentence=_sentence(decision, deployment),
        asked_for=_asked_for(name, decision, ports),
        decision=decision,
        comparison=_comparison(decision, {each.name for each in use_case.spec.training.candidates}),
        deployment=deployment,
        previous=next((each for each in champions if deployment and each.id == deployment.supersedes), None),
        training=training,
        training_gone=gone,
        model_address=ports.registry.address(name, deployment.model_version) if deployment else None,
    )


def _training(decision: RecordedDecision | None, ports: Ports) -> tuple[TrainingManifest | None, str | None]:
    if decision is None:
        return None, None
    try:
        return read_manifest(decision.subject.partition(" ")[0], ports), None
    except PerennialError as error:
        return None, str(error)


def _asked_for(name: str, decision: RecordedDecision | None, ports: Ports) -> tuple[RecordedDecision, ...]:
    if decision is None:
        return ()
    at = decision.as_of
    found = (each for kind in ASKING for each in ports.ledger.decisions(name, kind, at, at))
    return tuple(each for each in found if each.action == RETRAIN)


def _comparison(decision: RecordedDecision | None, known: Collection[str]) -> Comparison | None:
    """The judge's numbers, which hold every score as `<name>.<metric>`, as a table."""
    if decision is None:
        return None
    numbers = decision.numbers
    scores: dict[str, dict[str, float | None]] = {}
    for key, value in numbers.items():
        name, _, metric = key.rpartition(".")
        if metric in METRICS and name and not name.startswith(STORED_ROWS):
            scores.setdefault(metric, {})[name] = value
    deciding = str(numbers.get("metric"))
    names = list(dict.fromkeys(name for each in scores.values() for name in each))
    rivals = [name for name in names if name.startswith(CHAMPION)] or [name for name in names if name == NO_SKILL]
    # A candidate that use_case.yaml no longer has is one all the same.
    candidates = tuple(name for name in names if name in known or name not in (*rivals, NO_SKILL))
    best = _best(deciding, {name: scores.get(deciding, {}).get(name) for name in candidates})
    rival = rivals[0] if rivals else None
    return Comparison(
        rows=numbers.get("rows"),
        candidates=candidates,
        best=best,
        rival=rival,
        min_gain=numbers.get("min_gain"),
        metrics=tuple(
            _compared(metric, metric == deciding, scores[metric], best, rival)
            for metric in sorted(scores, key=lambda each: each != deciding)
        ),
    )


def _best(metric: str, values: Mapping[str, float | None]) -> str | None:
    known = {name: value for name, value in values.items() if value is not None}
    if not known:
        return None
    sign = 1 if metric_named(metric).higher_is_better else -1
    return min(known, key=lambda name: (-sign * known[name], name))


def _compared(
    metric: str, deciding: bool, scores: Mapping[str, float | None], best: str | None, rival: str | None
) -> MetricCompared:
    mine, its = scores.get(best or ""), scores.get(rival or "")
    if mine is None or its is None:
        return MetricCompared(metric, deciding, dict(scores), difference=None, better=None)
    return MetricCompared(metric, deciding, dict(scores), mine - its, gain(metric, mine, its) > 0)


def _sentence(decision: RecordedDecision | None, deployment: Deployment | None) -> str:
    if decision is None:
        return "No candidate has been judged in this run."
    if decision.action != PROMOTE:
        return "The champion stays: no candidate was better."
    if deployment is None:
        return "A candidate won, and is not deployed yet."
    return f"Version {deployment.model_version} is the champion, for data from {deployment.effective_from:%Y-%m-%d} on."
