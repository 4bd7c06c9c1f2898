"""Policies that live through the windows of a recorded use case, two at a time, and what became of them."""

import logging
import multiprocessing
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
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
from perennial.jobs.retrain.judging.weigh import chosen_before
from perennial.jobs.retrain.train import Trained
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.performance.labels import join_labels, truth_of
from perennial.records.gate import gated
from perennial.records.labels import known_labels
from perennial.records.training_set import outcomes, read_manifest, read_rows
from perennial.spec.load import LoadedUseCase
from perennial.spec.monitoring import Monitoring
from perennial.window import Window
from replays.stored import RUN_ID, Recorded

NEVER, WEEKLY, OURS = "never", "weekly", "ours"
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


def lives(recorded: Recorded, first: datetime, windows: Sequence[Window], **others: Monitoring) -> dict[str, Lived]:
    """Live through the windows under `never`, `weekly`, `ours`, the spec as it is, and under `others`.

    All begin with the first model, of the windows from `first` on. `weekly` fits its recipe every seven days on all
    rows that are mature by then, and puts it into service whatever a judge would say.
    """
    global _work  # noqa: PLW0603
    monitoring = recorded.use_case.spec.monitoring
    never = monitoring.model_copy(update={"triggers": ()})
    policies = {OURS: monitoring, **others, NEVER: never}
    _work = _Work(recorded.use_case, recorded.stored(first, windows), tuple(windows), policies)
    # Forked, so that the processes share the stores, which hold locks and can't be sent.
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("fork")) as pool:
        found = {name: pool.submit(_lived, name) for name in (OURS, WEEKLY, *others, NEVER)}
        return {name: each.result() for name, each in found.items()}


@dataclass(frozen=True)
class _Work:
    use_case: LoadedUseCase
    history: StoredHistory
    windows: tuple[Window, ...]
    policies: Mapping[str, Monitoring]


_work: _Work | None = None


def _lived(name: str) -> Lived:
    assert _work is not None
    warnings.simplefilter("ignore")
    logging.getLogger("perennial").setLevel(logging.ERROR)  # what jobs warn of is about the past
    began = time.perf_counter()
    live: Callable[[str, _Work], tuple[Outcomes, tuple[Retraining, ...]]] = _weekly if name == WEEKLY else _by_policy
    found, retrainings = live(name, _work)
    return Lived(name, found, retrainings, time.perf_counter() - began)


def _by_policy(name: str, work: _Work) -> tuple[Outcomes, tuple[Retraining, ...]]:
    use_case = under(work.use_case, work.policies[name])
    life = Life(name, use_case, work.history.ports(InMemoryArtifacts()), Trainings(), lambda _: None)
    for _ in life.live(work.windows):
        pass
    return life.outcomes(work.windows), tuple(life.retrainings)


def _weekly(name: str, work: _Work) -> tuple[Outcomes, tuple[Retraining, ...]]:
    use_case, spec = work.use_case, work.use_case.spec
    ports = work.history.ports(InMemoryArtifacts())
    first = assemble.run(use_case, work.windows[0].start, ports, RUN_ID)
    trained = [each for each in Trainings().of(use_case, first, ports) if isinstance(each, Trained)]
    chosen = chosen_before(spec.training.metric, trained) or trained[0].candidate
    candidate = next(each for each in spec.training.candidates if each.name == chosen)
    found: Outcomes = {}
    retrainings: list[Retraining] = []
    pipeline, due = None, work.windows[0].start
    for window in work.windows:
        if pipeline is None or window.start >= due:
            manifest = read_manifest(assemble.run(use_case, window.start, ports, RUN_ID).training_id, ports)
            rows = read_rows(manifest, ports)
            if pipeline is not None:
                retrainings.append(Retraining(window.start, "a week has passed", promoted=True))
            pipeline, due = fit(spec, candidate, feature_frame(spec, rows), outcomes(spec, rows)), window.start + WEEK
        batch = pa.concat_tables(list(gated(use_case, window, ports).clean_chunks(ports.lake, spec, 100_000)))
        said = predict(pipeline, spec.task, feature_frame(spec, batch))
        scored = batch.select([spec.key]).append_column("prediction", pa.array(said))
        labelled = join_labels(scored, known_labels(use_case, window, clock.now(), ports), spec.key)
        truth = truth_of(spec.task, labelled.column(spec.labels.column))
        found[window] = Known(truth, labelled.column("prediction").to_numpy())
    return found, tuple(retrainings)
