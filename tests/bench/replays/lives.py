"""Policies that live through the windows of a recorded use case, two at a time, and what became of them."""

import logging
import multiprocessing
import time
import warnings
from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from perennial import clock
from perennial.artifacts.memory import InMemoryArtifacts
from perennial.backtest.backtest import under
from perennial.backtest.life import Known, Life, Outcomes, Retraining, Trainings
from perennial.backtest.stored_history import StoredHistory
from perennial.features.build import feature_frame
from perennial.jobs.retrain import assemble
from perennial.modeling.holdout import split
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.performance.labels import join_labels, truth_of
from perennial.ports import Ports
from perennial.records.gate import gated
from perennial.records.labels import known_labels
from perennial.records.training_set import outcomes, read_manifest, read_rows
from perennial.spec.load import LoadedUseCase
from perennial.spec.monitoring import Monitoring
from perennial.window import Window
from replays.choice import chosen
from replays.stored import RUN_ID, Recorded

NEVER, WEEKLY, OURS, UNJUDGED = "never", "weekly", "ours", "unjudged"
PROCESSES = 2
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Lived:
    """What a policy published and what became known of it, and the retrainings it asked for, after the first model."""

    policy: str
    outcomes: Outcomes
    retrainings: tuple[Retraining, ...]
    seconds: float

    @property
    def won(self) -> int:
        """How many of the retrainings brought a new model."""
        return sum(each.promoted for each in self.retrainings)


def lives(recorded: Recorded, first: datetime, windows: Sequence[Window]) -> dict[str, Lived]:
    """Live through the windows under `ours`, the spec as it is, and under its rivals.

    All begin with a first model, of the windows from `first` on. `never` keeps it. `weekly` chooses among the spec's
    candidates every seven days as the spec's own retrainings do, fits the choice on all rows that are mature by then,
    and puts it into service whatever a judge would say. `unjudged` does the same at the moments at which `ours`
    retrained: what it published differs from `ours` by what the judge refused.
    """
    global _work  # noqa: PLW0603
    never = recorded.use_case.spec.monitoring.model_copy(update={"triggers": ()})
    _work = _Work(recorded.use_case, recorded.stored(first, windows), tuple(windows))
    weekly = [window.start for window in windows if not (window.start - windows[0].start) % WEEK]
    # Forked, so that the processes share the stores, which hold locks and can't be sent.
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("fork")) as pool:
        ours = pool.submit(_by_policy, OURS, recorded.use_case.spec.monitoring)
        others = [pool.submit(_renewed, WEEKLY, weekly), pool.submit(_by_policy, NEVER, never)]
        moments = [windows[0].start, *(each.as_of for each in ours.result().retrainings)]
        found = [ours.result(), pool.submit(_renewed, UNJUDGED, moments).result(), *(each.result() for each in others)]
    return {each.policy: each for each in found}


@dataclass(frozen=True)
class _Work:
    use_case: LoadedUseCase
    history: StoredHistory
    windows: tuple[Window, ...]


_work: _Work | None = None


def _begun() -> _Work:
    assert _work is not None
    warnings.simplefilter("ignore")
    logging.getLogger("perennial").setLevel(logging.ERROR)  # what jobs warn of is about the past
    return _work


def _by_policy(name: str, policy: Monitoring) -> Lived:
    """What the jobs of production make of the windows under the policy."""
    work, began = _begun(), time.perf_counter()
    use_case = under(work.use_case, policy)
    life = Life(name, use_case, work.history.ports(InMemoryArtifacts()), Trainings(), lambda _: None)
    for _ in life.live(work.windows):
        pass
    return Lived(name, life.outcomes(work.windows), tuple(life.retrainings), time.perf_counter() - began)


def _renewed(name: str, moments: Collection[datetime]) -> Lived:
    """What models make of the windows of which a new one takes over at each moment, the first at the first window."""
    work, began = _begun(), time.perf_counter()
    use_case, spec = work.use_case, work.use_case.spec
    ports = work.history.ports(InMemoryArtifacts())
    assert all(spec.grid.containing(each).start == each for each in moments), "models take over between windows"
    found: Outcomes = {}
    retrainings: list[Retraining] = []
    for window in work.windows:
        if window.start in moments:
            manifest = read_manifest(assemble.run(use_case, window.start, ports, RUN_ID).training_id, ports)
            rows = read_rows(manifest, ports)
            candidate, told = chosen(spec, split(spec, rows, manifest.until)[0])
            pipeline = fit(spec, candidate, feature_frame(spec, rows), outcomes(spec, rows))
            if window is not work.windows[0]:
                retrainings.append(Retraining(window.start, "It was time.", promoted=True, judged=told))
        batch = pa.concat_tables(list(gated(use_case, window, ports).clean_chunks(ports.lake, spec, 100_000)))
        said = predict(pipeline, spec.task, feature_frame(spec, batch))
        scored = batch.select([spec.key]).append_column("prediction", pa.array(said))
        found[window] = _known(use_case, window, scored, ports)
    return Lived(name, found, tuple(retrainings), time.perf_counter() - began)


def _known(use_case: LoadedUseCase, window: Window, scored: pa.Table, ports: Ports) -> Known:
    """What was predicted of the rows whose outcome is known by now, in the order of `Life.outcomes`."""
    spec = use_case.spec
    labelled = join_labels(scored, known_labels(use_case, window, clock.now(), ports), spec.key).sort_by(spec.key)
    truth = truth_of(spec.task, labelled.column(spec.labels.column))
    return Known(truth, labelled.column("prediction").to_numpy())
