"""One policy's way through stored windows, by the jobs of production on stores in memory."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np

from perennial import clock
from perennial.arrays import Floats
from perennial.errors import NoModel, NotIngested, NotValidated, ValidationFailed
from perennial.jobs.evaluate import measure
from perennial.jobs.predict import monitor, score
from perennial.jobs.retrain import assemble, deploy, judge, train
from perennial.jobs.retrain.assemble import Assembled
from perennial.jobs.retrain.train import Outcome, Trained
from perennial.lake.port import window_partition
from perennial.ledger.entries import RecordedDecision
from perennial.performance.labels import join_labels, truth_of
from perennial.ports import Ports
from perennial.records.batch import published_costs
from perennial.records.labels import known_labels
from perennial.records.model_choice import ModelChoice
from perennial.spec.load import LoadedUseCase
from perennial.spec.monitoring import Trigger
from perennial.verdict import RETRAIN
from perennial.window import Window

log = logging.getLogger(__name__)

RUN_ID = "backtest"
FROM_REPORTS = frozenset({Trigger.DRIFT, Trigger.ESTIMATE})  # the triggers that look at drift reports


class Known(NamedTuple):
    """Of the rows whose outcome is known: outcomes, published predictions, and what decisions cost, if anything."""

    truth: Floats
    predictions: Floats
    costs: Floats = np.empty(0)


Outcomes = dict[Window, Known]


@dataclass(frozen=True)
class Retraining:
    """A retraining that a policy decided on: when, why, whether the new model won, and what the judge said of it."""

    as_of: datetime
    reason: str
    promoted: bool
    judged: str = ""


@dataclass
class Trainings:
    """Models that one of the policies has trained already, by training set and candidate."""

    trained: dict[tuple[str, str], Outcome] = field(default_factory=dict)

    def of(self, use_case: LoadedUseCase, assembled: Assembled, ports: Ports) -> list[Outcome]:
        """Each candidate of the spec, trained on this set."""
        for candidate in use_case.spec.training.candidates:
            key = (assembled.digest, candidate.name)
            if key not in self.trained:
                self.trained[key] = train.run(use_case, assembled.training_id, candidate.name, ports, RUN_ID)
        return [self.trained[assembled.digest, each.name] for each in use_case.spec.training.candidates]


@dataclass
class Life:
    """One policy's way through the windows. `seconds` went into training and judging.

    `use_case` has the policy as its `monitoring`; `ports` are the policy's own stores.
    """

    policy: str
    use_case: LoadedUseCase
    ports: Ports
    trainings: Trainings
    on_progress: Callable[[str], None]
    retrainings: list[Retraining] = field(default_factory=list)
    seconds: float = 0.0

    def live(self, windows: Sequence[Window]) -> Iterator[tuple[int, int]]:
        """Live through the windows, and yield before the first and after each how many are done, and their rows.

        Errors: `NoModel` when no first model is better than no skill at all; those of the jobs.
        """
        if not self._retrain(windows[0].start, "the first model").promoted:
            raise NoModel(
                f"{self.use_case.name}: no candidate trained as of {windows[0].start:%Y-%m-%d} is better than no skill "
                "at all. Start later, or lengthen training.history."
            )
        rows = 0
        for done, window in enumerate(windows):
            yield done, rows  # before the first: how many are still to come is known from the start
            try:
                rows += score.run_again(self.use_case, window, self.ports, RUN_ID, model=ModelChoice()).rows
            except (NotIngested, NotValidated, ValidationFailed) as error:
                log.info("%s: not scored: %s", window, error)
                continue
            asked = next((each for each in self._decisions(window) if each.action == RETRAIN), None)
            if asked is not None:
                self.retrainings.append(self._answered(asked))
        yield len(windows), rows

    def _decisions(self, window: Window) -> list[RecordedDecision]:
        """What is decided after a window. What no trigger of the policy looks at is not computed."""
        triggers = self.use_case.spec.monitoring.triggers
        decisions = []
        if FROM_REPORTS.intersection(triggers):
            decisions.append(monitor.run(self.use_case, window, self.ports, RUN_ID).decision)
        if triggers:
            decisions.append(measure.run(self.use_case, window.end, self.ports, RUN_ID).decision)
        return decisions

    def _answered(self, asked: RecordedDecision) -> Retraining:
        done = self._retrain(asked.as_of, " ".join(asked.reasons))
        outcome = "a new model takes over" if done.promoted else "the champion stays"
        self.on_progress(f"{self.policy}: retrained as of {asked.as_of:%Y-%m-%d}, {outcome}")
        return done

    def _retrain(self, as_of: datetime, reason: str) -> Retraining:
        """Train, judge and deploy as the retrain DAG does."""
        assembled = assemble.run(self.use_case, as_of, self.ports, RUN_ID)
        trained = self.trainings.of(self.use_case, assembled, self.ports)
        began = time.perf_counter()
        judged = judge.run(self.use_case, assembled.training_id, trained, self.ports, RUN_ID)
        self.seconds += time.perf_counter() - began + sum(each.seconds for each in trained if isinstance(each, Trained))
        if judged.winner is not None:
            deploy.run(self.use_case, judged, self.ports, RUN_ID, actor=RUN_ID, reason=reason)
        return Retraining(as_of, reason, judged.winner is not None, judged.reasons[0])

    def outcomes(self, windows: Sequence[Window]) -> Outcomes:
        """What was published for each window that was scored, and what became known of it, rows by their key."""
        spec = self.use_case.spec
        found: Outcomes = {}
        for window in windows:
            batch = self.ports.ledger.latest_batch(spec.name, window)
            if batch is None:
                continue
            rows = self.ports.lake.read(batch.table, window_partition(window), version=batch.version)
            labels = known_labels(self.use_case, window, clock.now(), self.ports)
            labelled = join_labels(rows, labels, spec.key).sort_by(spec.key)
            truth = truth_of(spec.task, labelled.column(spec.labels.column))
            costs = published_costs(batch, labelled, truth)
            predictions = labelled.column("prediction").to_numpy()
            found[window] = Known(truth, predictions, np.empty(0) if costs is None else costs)
        return found
