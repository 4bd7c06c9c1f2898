"""A world for roll-outs: as `world`, with more days, models that are made by hand, and verdicts without the suite."""

import copy
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tests.unit.jobs.world import SPEC, START, World, make_world

from perennial.drift.reference import fit_reference
from perennial.encoding import bytes_digest
from perennial.features.build import feature_frame
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import ingest, score
from perennial.ledger.entries import DeployedRole, Deployment, ValidationResult
from perennial.modeling.artifact import dump
from perennial.modeling.recipe import build_pipeline
from perennial.modeling.reference import ModelReference
from perennial.ports import Ports
from perennial.records.model_choice import ModelChoice
from perennial.registry.port import ModelCandidate, RegisteredModel
from perennial.spec.load import load_use_case
from perennial.verdict import Verdict

ROWS = 240
ROLLOUT = "rollout: {shadow: 12d, canary: [5, 25], patience: 40d}\n"
COEFFICIENTS = {  # of service (air, rail, road), hour and weight; the hour means nothing
    "true": (-1.0, 0.0, 1.0, 0.0, 1.2),
    "as fair": (0.3, 0.0, -0.3, -0.4, 1.2),
    "fair": (0.3, 0.0, -0.3, 0.4, 1.2),
    "bad": (2.0, 0.0, -2.0, 0.8, 0.5),
}


@dataclass
class RolloutWorld:
    """The world, and its models by the names of their coefficients; `score` of a window takes no suite."""

    world: World
    days: int
    models: dict[str, RegisteredModel] = field(default_factory=dict)

    @property
    def ports(self) -> Ports:
        return self.world.ports

    def champion(self, name: str) -> Deployment:
        """Put a model into the champion's role from the first day on."""
        return self.ports.ledger.deploy(self.entry(name))

    def stage(self, name: str, share: int, day: int, before: Deployment | None = None, **changes: Any) -> Deployment:
        """Put a model into a stage of its roll-out from a day on."""
        given = {"role": DeployedRole.CHALLENGER, "share": share, "salt": "pinch"} | changes
        return self.ports.ledger.deploy(self.entry(name, day, before, **given))

    def entry(self, name: str, day: int = 0, before: Deployment | None = None, **changes: Any) -> Deployment:
        model = self.models[name]
        given = {"role": DeployedRole.CHAMPION, "run_id": f"deploy {name} {day} {changes.get('share')}"} | changes
        return Deployment(
            use_case="parcels", model_version=model.version, model_digest=model.digest,
            effective_from=self.world.day(day).start, supersedes=before.id if before else None, actor="ada",
            reason="by hand", training={}, metrics={"roc_auc": 0.7}, approved_by=None, code_version="c",
            lock_digest="l", **given,
        )  # fmt: skip

    def prepared(self, day: int) -> None:
        """Ingest a window, and let it pass."""
        found = ingest.run(self.world.use_case, self.world.day(day), self.ports, "test")
        self.ports.ledger.record_validation(
            ValidationResult(
                "parcels", self.world.day(day), found.digest, self.world.use_case.suite_digest, Verdict.PASS, (),
                found.rows, 0, {}, "test",
            )
        )  # fmt: skip

    def scored(self, day: int, model: ModelChoice | None = None, run_id: str = "test") -> score.Scored:
        self.prepared(day)
        return score.run(self.world.use_case, self.world.day(day), self.ports, run_id, model=model or ModelChoice())

    def measured(self, day: int) -> measure.Measured:
        """Collect and measure, as of the end of a day."""
        as_of = self.world.day(day).end
        collect_labels.run(self.world.use_case, as_of, self.ports, "test")
        return measure.run(self.world.use_case, as_of, self.ports, "test")

    def predictions(self, day: int) -> dict[int, tuple[str, float]]:
        """What the lake has of a window: model version and prediction, by key."""
        batch = self.ports.ledger.latest_batch("parcels", self.world.day(day))
        assert batch is not None
        rows = self.ports.lake.read(batch.table, batch.window.key, version=batch.version)
        columns = (rows.column(name).to_pylist() for name in ("parcel", "model_version", "prediction"))
        return {key: (version, value) for key, version, value in zip(*columns, strict=True)}


def make(folder: Path, days: int = 40, rollout: str = ROLLOUT, seed: int = 5) -> RolloutWorld:
    """A world with its models registered, and none of them in service."""
    world = make_world(folder)
    (folder / "parcels" / "use_case.yaml").write_text(SPEC + rollout)
    world.use_case = load_use_case(folder / "parcels")
    world.parcels.table, world.outcomes.table = _tables(days, seed)
    made = RolloutWorld(world, days)
    spec = world.use_case.spec
    rows = world.parcels.table.slice(0, 20 * ROWS)
    late = np.asarray(world.outcomes.table.column("late").slice(0, 20 * ROWS).to_pylist(), dtype=np.int64)
    candidate = spec.training.candidates[0]
    fitted = build_pipeline(spec, candidate).fit(feature_frame(spec, rows), late)
    windows = [(f"w{day}", rows.slice(day * ROWS, ROWS)) for day in range(20)]
    kinds = {name: spec.columns[name].kind for name in ("weight", "service")}
    reference = ModelReference(fit_reference(windows, kinds, {}, min_rows=20), None, None).to_json()
    for name, coefficients in COEFFICIENTS.items():
        pipeline = copy.deepcopy(fitted)
        pipeline.named_steps["estimator"].coef_ = np.array([coefficients])
        content = dump(pipeline)
        made.models[name] = world.ports.registry.register(
            ModelCandidate(
                "parcels", name, content, bytes_digest(content), {}, {}, reference, {}, feature_frame(spec, rows[:5]),
                START,
            )
        )  # fmt: skip
    return made


def _tables(days: int, seed: int) -> tuple[pa.Table, pa.Table]:
    random = np.random.default_rng(seed)
    n = days * ROWS
    seconds = np.repeat(np.arange(days), ROWS) * 86_400 + random.integers(0, 86_400, n)
    sent = [START + timedelta(seconds=int(s)) for s in seconds]
    weight, service = random.normal(10, 2, n), random.integers(0, 3, n)
    odds = 1.2 * (weight - 10) / 2 + (service - 1.0)
    late = random.random(n) < 1 / (1 + np.exp(-odds))
    at = pa.array(sent, pa.timestamp("us", "UTC"))
    names = pa.array(["air", "rail", "road"])
    parcels = pa.table(
        {"parcel": np.arange(n), "sent_at": at, "weight": weight, "service": names.take(pa.array(service))}
    )
    arrived = pa.array([each + timedelta(hours=12) for each in sent], pa.timestamp("us", "UTC"))
    outcomes = pa.table({"parcel": np.arange(n), "sent_at": at, "late": late, "delivered_at": arrived})
    return parcels, outcomes
