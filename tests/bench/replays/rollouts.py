"""Roll-outs that live through the windows of a recorded use case, by the jobs of production on stores in memory."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
from sklearn.pipeline import Pipeline

from perennial import clock
from perennial.artifacts.memory import InMemoryArtifacts
from perennial.backtest.life import Known, Life, Outcomes, Trainings
from perennial.drift.reference import fit_reference
from perennial.encoding import bytes_digest
from perennial.features.build import feature_frame
from perennial.jobs.evaluate import measure, rollout
from perennial.jobs.predict import ingest, score, shadow, validate
from perennial.lake.memory import InMemoryLake
from perennial.ledger.entries import DecisionKind, DeployedRole, Deployment, InterventionKind
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.modeling.artifact import dump
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.modeling.reference import ModelReference
from perennial.modeling.train import fit
from perennial.performance.labels import join_labels, truth_of
from perennial.ports import Ports
from perennial.published.memory import InMemoryPublished
from perennial.records.gate import gated
from perennial.records.labels import collect, known_labels
from perennial.records.model_choice import ModelChoice
from perennial.records.rollout import begun, current_stage, stage_name
from perennial.records.scorers import parts_of
from perennial.registry.memory import MemoryRegistry
from perennial.registry.port import LoadedModel, ModelCandidate
from perennial.sources.port import Extract, Source
from perennial.spec.columns import Kind as ColumnKind
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import Limits, UseCase
from perennial.spec.rollout import Rollout
from perennial.spec.sources import Source as SourceSpec
from perennial.spec.training import Candidate
from perennial.verdict import HOLD
from perennial.window import Window
from replays.stored import RUN_ID, Recorded

Change = Callable[[pa.Table], pa.Table]
MOST_CHUNK_ROWS = 100_000
NUMBERS = (ColumnKind.INTEGER, ColumnKind.NUMERIC)


@dataclass(frozen=True)
class Recipe:
    """How a model is made: the candidate fitted by that spec's features and seed on windows from the first on."""

    spec: UseCase
    candidate: Candidate
    until: datetime


@dataclass(frozen=True)
class Case:
    """A challenger that enters its roll-out with the window that begins then.

    With `breaks`, the source's rows are changed so from `after` days after the canary with `breaks_at` percent began.
    """

    name: str
    champion: Recipe
    challenger: Recipe
    begins: datetime
    breaks: Change | None = None
    breaks_at: int = 0
    after: timedelta = timedelta()


@dataclass(frozen=True)
class Stage:
    """A stage of a roll-out, and what ended it; the end of the windows where `action` is None.

    `windows` had final labels and both models' predictions. `rows` of its windows were published by the challenger,
    and `left` of them still are.
    """

    name: str
    since: datetime
    until: datetime
    action: str | None
    reason: str
    windows: int
    rows: int
    left: int

    @property
    def days(self) -> float:
        """How long it lasted."""
        return (self.until - self.since) / timedelta(days=1)


@dataclass(frozen=True)
class LivedRollout:
    """What became of a case: its stages, and what was published, against the champion alone and a switch at once.

    `rescored` windows were scored again after a roll-back, `seconds` after the decision.
    """

    case: Case
    stages: tuple[Stage, ...]
    published: Outcomes
    never: Outcomes
    at_once: Outcomes
    rescored: int
    seconds: float | None
    broke: datetime | None

    @property
    def promoted(self) -> bool:
        """Whether the challenger became the champion."""
        return self.stages[-1].action == "advance"


@dataclass
class _Feed:
    """A source whose rows may be changed from a moment on."""

    recorded: Recorded
    change: Change | None
    since: datetime | None = None

    def source(self, use_case: LoadedUseCase, source: SourceSpec) -> "_Slices":
        return _Slices(self, source == use_case.spec.labels.source)


@dataclass(frozen=True)
class _Slices(Source):
    feed: _Feed
    labels: bool

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        del as_of, limits, keys
        recorded, feed = self.feed.recorded, self.feed
        rows = recorded.within(recorded.labels if self.labels else recorded.rows, window.start, window.end)
        if not self.labels and feed.change is not None and feed.since is not None and window.start >= feed.since:
            rows = feed.change(rows)
        return Extract(rows, "recorded rows")


class _Registry(MemoryRegistry):
    """Models are read from their bytes once, as production's cache has it for a process."""

    def __init__(self) -> None:
        super().__init__()
        self._read: dict[str, LoadedModel] = {}

    def load(self, use_case: str, version: str, digest: str) -> LoadedModel:
        if digest not in self._read:
            self._read[digest] = super().load(use_case, version, digest)
        return self._read[digest]


def lived(case: Case, recorded: Recorded, spec: Rollout, first: datetime, windows: Sequence[Window]) -> LivedRollout:
    """Live through the windows, each day by the steps of the predict DAG and the evaluate DAG. While nothing is
    in roll-out, windows are only scored; nothing retrains. Both models are of windows from `first` on.
    """
    warnings.simplefilter("ignore")
    logging.getLogger("perennial").setLevel(logging.ERROR)  # what jobs warn of is about the past
    use_case = _use_case(recorded.use_case, spec)
    feed = _Feed(recorded, case.breaks)
    ports = Ports(
        feed.source, InMemoryLake(), InMemoryLedger(clock.now), _Registry(), InMemoryPublished(), InMemoryArtifacts(),
    )  # fmt: skip
    models = [_fitted(each, recorded, first) for each in (case.champion, case.challenger)]
    entries = [_registered(model, name, use_case, ports, windows[0]) for model, name in zip(models, "ab", strict=True)]
    champion = ports.ledger.deploy(entries[0])
    served: dict[Window, int] = {}
    for window in windows:
        if window.start == case.begins:
            begun(use_case.spec, replace(entries[1], supersedes=champion.id, effective_from=window.start), ports)
        ingest.run(use_case, window, ports, RUN_ID)
        validate.run(use_case, window, ports, RUN_ID)
        score.run(use_case, window, ports, RUN_ID, model=ModelChoice())
        collect(use_case, window, clock.now(), ports, RUN_ID)  # each is known from its arrival on, and not before
        stage = current_stage(use_case.name, ports.ledger)
        served[window] = _challengers_rows(use_case, window, ports)
        if stage is None:
            continue
        shadow.run(use_case, window, ports, RUN_ID)
        measure.run(use_case, window.end, ports, RUN_ID)
        rollout.run(use_case, window.end, ports, RUN_ID, actor=RUN_ID)
        stage = current_stage(use_case.name, ports.ledger)
        if case.breaks and feed.since is None and stage is not None and stage.share == case.breaks_at:
            feed.since = window.end + case.after
    return _told(case, use_case, ports, models, windows, served, feed.since)


def _use_case(use_case: LoadedUseCase, spec: Rollout) -> LoadedUseCase:
    monitoring = use_case.spec.monitoring.model_copy(update={"triggers": ()})
    return replace(
        use_case, spec=use_case.spec.model_copy(update={"monitoring": monitoring, "rollout": spec}), expectations=()
    )


def _fitted(recipe: Recipe, recorded: Recorded, first: datetime) -> Pipeline:
    rows, labels = (recorded.within(each, first, recipe.until) for each in (recorded.rows, recorded.labels))
    known = labels.column(recipe.spec.labels.column).is_valid()
    truth = np.asarray(labels.filter(known).column(recipe.spec.labels.column).to_pylist(), dtype=np.float64)
    return fit(recipe.spec, recipe.candidate, feature_frame(recipe.spec, rows.filter(known)), truth)


def _registered(pipeline: Pipeline, name: str, use_case: LoadedUseCase, ports: Ports, window: Window) -> Deployment:
    """The model in the registry, and the entry by which it would be champion from the window on."""
    rows = ports.source(use_case, use_case.spec.source).fetch(window, window.end, use_case.spec.limits).rows
    kinds = {name: each.kind for name, each in use_case.spec.feature_columns.items() if each.kind in NUMBERS}
    reference = ModelReference(fit_reference([(window.key, rows)], kinds, {}, min_rows=1), None, None)
    content = dump(pipeline)
    version = ports.registry.register(
        ModelCandidate(
            use_case.name, name, content, bytes_digest(content), {}, {}, reference.to_json(), {},
            model_inputs(pipeline).frame(rows.slice(0, 5)), window.start,
        )
    )  # fmt: skip
    return Deployment(
        use_case=use_case.name, role=DeployedRole.CHAMPION, model_version=version.version, model_digest=version.digest,
        effective_from=window.start, supersedes=None, actor=RUN_ID, reason="a bench", training={}, metrics={},
        approved_by=None, code_version="c", lock_digest="l", run_id=f"{RUN_ID}-{name}",
    )  # fmt: skip


def _challengers_rows(use_case: LoadedUseCase, window: Window, ports: Ports) -> int:
    """How many of the window's live rows are by a challenger."""
    batch = ports.ledger.latest_batch(use_case.name, window)
    assert batch is not None
    return sum(part.rows for part in parts_of(batch) if part.role == DeployedRole.CHALLENGER)


def _told(
    case: Case,
    use_case: LoadedUseCase,
    ports: Ports,
    models: Sequence[Pipeline],
    windows: Sequence[Window],
    served: dict[Window, int],
    broke: datetime | None,
) -> LivedRollout:
    alone = [_alone(model, use_case, ports, windows) for model in models]
    told = ports.ledger.interventions(use_case.name, InterventionKind.ROLLED_BACK)
    details = told[0].details if told else {"windows": 0, "seconds": None}
    return LivedRollout(
        case=case,
        stages=tuple(_stages(case, use_case, ports, windows, served)),
        published=Life(case.name, use_case, ports, Trainings(), lambda _: None).outcomes(windows),
        never=alone[0],
        at_once={window: alone[window.start >= case.begins][window] for window in windows},
        rescored=details["windows"],
        seconds=details["seconds"],
        broke=broke,
    )


def _stages(
    case: Case, use_case: LoadedUseCase, ports: Ports, windows: Sequence[Window], served: dict[Window, int]
) -> Iterator[Stage]:
    """Each stage, from when it began until the decision that ended it."""
    ledger, name = ports.ledger, use_case.name
    decisions = ledger.decisions(name, DecisionKind.ROLLOUT)
    for entry in ledger.deployments(name):
        if entry.role is not DeployedRole.CHALLENGER or not entry.in_rollout:
            continue
        own = [each for each in decisions if each.subject.startswith(f"{entry.id}/")]
        ended = next((each for each in own if each.action != HOLD), None)
        until = ended.as_of if ended else windows[-1].end
        inside = [window for window in windows if entry.effective_from <= window.start < until]
        yield Stage(
            name=stage_name(entry.share),
            since=entry.effective_from,
            until=until,
            action=ended.action if ended else None,
            reason=" ".join((ended or own[-1]).reasons),
            windows=(ended or own[-1]).numbers["windows"],
            rows=sum(served[window] for window in inside),
            left=sum(_challengers_rows(use_case, window, ports) for window in inside),
        )


def _alone(model: Pipeline, use_case: LoadedUseCase, ports: Ports, windows: Sequence[Window]) -> Outcomes:
    """What would have been published by one model, on the rows as they came."""
    spec, found = use_case.spec, Outcomes()
    for window in windows:
        rows = pa.concat_tables(list(gated(use_case, window, ports).clean_chunks(ports.lake, spec, MOST_CHUNK_ROWS)))
        said = pa.array(predict(model, spec.task, model_inputs(model).frame(rows)))
        scored = rows.select([spec.key]).append_column("prediction", said)
        labelled = join_labels(scored, known_labels(use_case, window, clock.now(), ports), spec.key).sort_by(spec.key)
        truth = truth_of(spec.task, labelled.column(spec.labels.column))
        found[window] = Known(truth, labelled.column("prediction").to_numpy())
    return found
