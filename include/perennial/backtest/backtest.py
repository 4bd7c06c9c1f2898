"""Backtest: how rival retraining policies would have done on the stored history.

Each policy lives through the same windows by the very jobs that run in production, on stores in memory: windows are
scored, monitored and evaluated as of their ends, and where the policy decides to retrain, real models are trained on
what was known then, judged, and put into service if they win. What differs from then is only the policy.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from perennial import clock
from perennial.arrays import Floats
from perennial.artifacts.memory import InMemoryArtifacts
from perennial.backtest.stored_history import stored_history
from perennial.errors import NoModel, NotEnoughData, NotIngested, NotValidated, ValidationFailed
from perennial.jobs.evaluate import measure
from perennial.jobs.predict import monitor, score
from perennial.jobs.retrain import assemble, deploy, judge, train
from perennial.jobs.retrain.assemble import Assembled
from perennial.jobs.retrain.train import Outcome, Trained
from perennial.lake.port import window_partition
from perennial.ledger.entries import RecordedDecision
from perennial.performance.gain import gain
from perennial.performance.labels import join_labels, truth_of
from perennial.performance.metrics import metrics_of
from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.records.batch import published_costs
from perennial.records.labels import known_labels
from perennial.records.model_choice import ModelChoice
from perennial.spec.decision import COST
from perennial.spec.load import LoadedUseCase
from perennial.spec.monitoring import Monitoring
from perennial.spec.names import Task
from perennial.verdict import RETRAIN
from perennial.window import Window

log = logging.getLogger(__name__)

ALWAYS = "always"
RUN_ID = "backtest"


@dataclass(frozen=True)
class Retraining:
    """A retraining that a policy decided on: when, why, and whether the new model won."""

    as_of: datetime
    reason: str
    promoted: bool


@dataclass(frozen=True)
class PolicyResult:
    """What became of a policy. `months` maps `2013-04` to metrics of all its rows whose outcome is known.

    `overall` are the means of the months' metrics, weighted by rows. `regret` says by how much the deciding metric was
    worse than under the policy `always`, with the same weights and in the metric's unit. `compute_seconds` is the time
    spent on training and judging; a model that several policies train is charged to each.
    """

    policy: str
    windows: int
    rows: int
    months: dict[str, dict[str, float]]
    overall: dict[str, float]
    retrainings: tuple[Retraining, ...]
    compute_seconds: float
    regret: float


def run(
    use_case: LoadedUseCase,
    policies: Mapping[str, Monitoring],
    windows: Sequence[Window],
    ports: Ports,
    on_progress: Callable[[str], None] = log.info,
    on_window: OnWindow = nobody,
) -> list[PolicyResult]:
    """Let every policy live through the windows, from a first model trained when they begin.

    `on_progress` is told of every retraining and of the end of every policy; `on_window` of every window, counted over
    all policies. Errors: `NotEnoughData` when there is no policy `always`, or too little history for a first model;
    `NotIngested` when a window is not in the lake; `StoreUnavailable`.
    """
    if ALWAYS not in policies:
        raise NotEnoughData(f"Regret is counted against a policy named {ALWAYS!r}; there are: {', '.join(policies)}.")
    history, artifacts, trainings = stored_history(use_case, windows, ports), InMemoryArtifacts(), _Trainings()
    lives = {}
    for name, policy in policies.items():
        began = time.perf_counter()
        lives[name] = _Life(name, _under(use_case, policy), history.ports(artifacts), trainings, on_progress)
        before, total = (len(lives) - 1) * len(windows), len(policies) * len(windows)
        for done, rows in lives[name].live(windows):
            on_window(WindowsDone(before + done, total, rows))
        on_progress(
            f"{name}: {len(windows)} windows, {len(lives[name].retrainings)} retrainings, "
            f"{time.perf_counter() - began:.0f} s"
        )
    outcomes = {name: life.outcomes(windows) for name, life in lives.items()}
    return [_result(use_case, name, life, outcomes[name], outcomes[ALWAYS]) for name, life in lives.items()]


@dataclass
class _Trainings:
    """Models that one of the policies has trained already, by training set and candidate."""

    trained: dict[tuple[str, str], Outcome] = field(default_factory=dict)

    def of(self, use_case: LoadedUseCase, assembled: Assembled, ports: Ports) -> list[Outcome]:
        for candidate in use_case.spec.training.candidates:
            key = (assembled.digest, candidate.name)
            if key not in self.trained:
                self.trained[key] = train.run(use_case, assembled.training_id, candidate.name, ports, RUN_ID)
        return [self.trained[assembled.digest, each.name] for each in use_case.spec.training.candidates]


@dataclass
class _Life:
    """One policy's way through the windows."""

    policy: str
    use_case: LoadedUseCase
    ports: Ports
    trainings: _Trainings
    on_progress: Callable[[str], None]
    retrainings: list[Retraining] = field(default_factory=list)
    seconds: float = 0.0

    def live(self, windows: Sequence[Window]) -> Iterator[tuple[int, int]]:
        """Live through the windows, and yield after each how many are done and how many rows they had."""
        if not self._retrain(windows[0].start, "the first model"):
            raise NoModel(
                f"{self.use_case.name}: no candidate trained as of {windows[0].start:%Y-%m-%d} is better than no skill "
                "at all. Start later, or lengthen training.history."
            )
        rows = 0
        for done, window in enumerate(windows):
            yield done, rows
            try:
                rows += score.run(self.use_case, window, self.ports, RUN_ID, model=ModelChoice()).rows
            except (NotIngested, NotValidated, ValidationFailed) as error:
                log.info("%s: not scored: %s", window, error)
                continue
            decisions = [
                monitor.run(self.use_case, window, self.ports, RUN_ID).decision,
                measure.run(self.use_case, window.end, self.ports, RUN_ID).decision,
            ]
            asked = next((each for each in decisions if each.action == RETRAIN), None)
            if asked is not None:
                self.retrainings.append(self._answered(asked))

    def _answered(self, asked: RecordedDecision) -> Retraining:
        promoted = self._retrain(asked.as_of, asked.reasons[0])
        outcome = "a new model takes over" if promoted else "the champion stays"
        self.on_progress(f"{self.policy}: retrained as of {asked.as_of:%Y-%m-%d}, {outcome}")
        return Retraining(asked.as_of, " ".join(asked.reasons), promoted)

    def _retrain(self, as_of: datetime, reason: str) -> bool:
        """Train, judge and deploy as the retrain DAG does; whether a new model won."""
        assembled = assemble.run(self.use_case, as_of, self.ports, RUN_ID)
        trained = self.trainings.of(self.use_case, assembled, self.ports)
        began = time.perf_counter()
        judged = judge.run(self.use_case, assembled.training_id, trained, self.ports, RUN_ID)
        self.seconds += time.perf_counter() - began + sum(each.seconds for each in trained if isinstance(each, Trained))
        if judged.winner is not None:
            deploy.run(self.use_case, judged, self.ports, RUN_ID, actor=RUN_ID, reason=reason)
        return judged.winner is not None

    def outcomes(self, windows: Sequence[Window]) -> dict[str, "_Month"]:
        """What came true of each month, by the windows' starts, and what was predicted and decided."""
        spec = self.use_case.spec
        months: dict[str, list[_Month]] = {}
        for window in windows:
            batch = self.ports.ledger.latest_batch(spec.name, window)
            if batch is None:
                continue
            rows = self.ports.lake.read(batch.table, window_partition(window), version=batch.version)
            labels = known_labels(self.use_case, window, clock.now(), self.ports)
            labelled = join_labels(rows, labels, spec.key)
            truth = truth_of(spec.task, labelled.column(spec.labels.column))
            costs = published_costs(batch, labelled, truth)
            found = _Month(truth, labelled.column("prediction").to_numpy(), np.empty(0) if costs is None else costs)
            months.setdefault(f"{window.start:%Y-%m}", []).append(found)
        return {
            month: _Month(*(np.concatenate([getattr(each, name) for each in found]) for name in vars(found[0])))
            for month, found in months.items()
        }


@dataclass(frozen=True)
class _Month:
    """Of the rows of a month: outcomes, predictions, and what decisions cost, where they cost anything."""

    truth: Floats
    predictions: Floats
    costs: Floats

    def metrics(self, task: Task) -> dict[str, float]:
        """The metrics of predictions, and that of decisions where each row has a cost."""
        cost = {COST: float(self.costs.mean())} if 0 < len(self.costs) == len(self.truth) else {}
        return {**metrics_of(task, self.truth, self.predictions), **cost}


def _result(
    use_case: LoadedUseCase,
    name: str,
    life: _Life,
    outcomes: dict[str, _Month],
    always: dict[str, _Month],
) -> PolicyResult:
    spec = use_case.spec
    months = {month: found.metrics(spec.task) for month, found in outcomes.items()}
    best = {month: found.metrics(spec.task) for month, found in always.items()}
    rows = {month: len(found.truth) for month, found in outcomes.items()}
    metric = spec.training.metric
    losses = {
        month: -gain(metric, found[metric], best[month][metric])
        for month, found in months.items()
        if metric in found and metric in best.get(month, {})
    }
    names = sorted({each for found in months.values() for each in found})
    return PolicyResult(
        policy=name,
        windows=len(life.ports.ledger.batches_between(spec.name, spec.start, clock.now())),
        rows=sum(rows.values()),
        months=months,
        overall={
            each: _weighted({month: found[each] for month, found in months.items() if each in found}, rows)
            for each in names
        },
        retrainings=tuple(life.retrainings),
        compute_seconds=life.seconds,
        regret=_weighted(losses, rows),
    )


def _weighted(values: Mapping[str, float], rows: Mapping[str, int]) -> float:
    total = sum(rows[month] for month in values)
    return sum(value * rows[month] for month, value in values.items()) / total if total else 0.0


def _under(use_case: LoadedUseCase, policy: Monitoring) -> LoadedUseCase:
    # Nobody can be asked about the past: what the gates promote is deployed, whatever the risk tier.
    return replace(use_case, spec=use_case.spec.model_copy(update={"monitoring": policy, "risk": None}))
