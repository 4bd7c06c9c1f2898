"""Backtest: how rival retraining policies would have done on the stored history.

Each policy lives through the same windows by the very jobs that run in production, on stores in memory: windows are
scored, monitored and evaluated as of their ends, and where the policy decides to retrain, real models are trained on
what was known then, judged, and put into service if they win. What differs from then is only the policy.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from perennial import clock
from perennial.artifacts.memory import InMemoryArtifacts
from perennial.backtest.life import Known, Life, Outcomes, Retraining, Trainings
from perennial.backtest.stored_history import stored_history
from perennial.errors import NotEnoughData
from perennial.performance.gain import gain
from perennial.performance.metrics import metrics_of
from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.spec.decision import COST
from perennial.spec.load import LoadedUseCase
from perennial.spec.monitoring import Monitoring
from perennial.spec.names import Task
from perennial.window import Window
from perennial.wording import counted

log = logging.getLogger(__name__)

ALWAYS = "always"


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
    history, artifacts, trainings = stored_history(use_case, windows, ports), InMemoryArtifacts(), Trainings()
    lives = {}
    for name, policy in policies.items():
        began = time.perf_counter()
        lives[name] = Life(name, under(use_case, policy), history.ports(artifacts), trainings, on_progress)
        before, total = (len(lives) - 1) * len(windows), len(policies) * len(windows)
        for done, rows in lives[name].live(windows):
            on_window(WindowsDone(before + done, total, rows))
        on_progress(
            f"{name}: {counted(len(windows), 'window')}, {counted(len(lives[name].retrainings), 'retraining')}, "
            f"{time.perf_counter() - began:.0f} s"
        )
    outcomes = {name: by_month(life.outcomes(windows)) for name, life in lives.items()}
    return [_result(use_case, name, life, outcomes[name], outcomes[ALWAYS]) for name, life in lives.items()]


def _result(
    use_case: LoadedUseCase,
    name: str,
    life: Life,
    outcomes: dict[str, Known],
    always: dict[str, Known],
) -> PolicyResult:
    spec = use_case.spec
    months = {month: _metrics(spec.task, found) for month, found in outcomes.items()}
    best = {month: _metrics(spec.task, found) for month, found in always.items()}
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


def under(use_case: LoadedUseCase, policy: Monitoring) -> LoadedUseCase:
    """The use case with the policy in place of its `monitoring`.

    Nobody can be asked about the past: what the gates promote is deployed at once, whatever the risk tier.
    """
    told = {"monitoring": policy, "risk": None, "rollout": None}
    return replace(use_case, spec=use_case.spec.model_copy(update=told))


def by_month(outcomes: Outcomes) -> dict[str, Known]:
    """What is known of the rows of each month of the windows' starts, such as `2013-04`."""
    months: dict[str, list[Known]] = {}
    for window, found in outcomes.items():
        months.setdefault(f"{window.start:%Y-%m}", []).append(found)
    return {month: Known(*map(np.concatenate, zip(*found, strict=True))) for month, found in months.items()}


def _metrics(task: Task, found: Known) -> dict[str, float]:
    """The metrics of predictions, and that of decisions where each row has a cost."""
    cost = {COST: float(found.costs.mean())} if 0 < len(found.costs) == len(found.truth) else {}
    return {**metrics_of(task, found.truth, found.predictions), **cost}
