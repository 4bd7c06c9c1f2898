"""A use case in roll-out, on the stores that faults are made in: its stages, what is known about them, and its audit.

Turns follow each other in time. In each, a canary begins; an evaluation long ago has compared both models in `KNOWN`
windows, which are not scored here; `SCORED` windows are scored now, their labels come, and an evaluation decides.
"""

import hashlib
import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
from tests.faults.outcome import Damage
from tests.faults.processes import recover
from tests.faults.world import NAME, World
from tests.unit.jobs.world import START
from tests.waiting import wait_until

from perennial.digest import table_digest
from perennial.errors import TransientError
from perennial.jobs.evaluate import rollout
from perennial.jobs.evaluate.rollout import RolledOut
from perennial.jobs.predict import shadow
from perennial.jobs.upkeep import reconcile
from perennial.ledger.entries import (
    Batch,
    DecisionKind,
    DeployedRole,
    Deployment,
    InterventionKind,
    PairedGain,
    Performance,
    RecordedDecision,
)
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.rules import in_force
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.performance.maturity import Maturity
from perennial.policy.rollout import ADVANCE
from perennial.quality.labels import label_schema
from perennial.records.leases import labels_lease
from perennial.records.rollout import alias_of, begun, current_stage, ended
from perennial.records.scorers import parts_of
from perennial.spec.rollout import Rollout
from perennial.verdict import HOLD, Verdict
from perennial.window import Window

SHARES = (20, 60)
FIRST = 200  # the number of the first window
KNOWN, SCORED = 40, 3  # so many are known that what is by chance in the few scored ones changes no decision
TURN = KNOWN + SCORED + 2  # a window is left for what is scored after the decision
GOOD, BAD = 0.05, -0.05
BEFORE = "before the decision"


@dataclass
class Canary:
    """The world with a roll-out in its spec; `name` is the scenario's, `turn` the number of the canary."""

    world: World
    name: str
    begins: int
    turn: int = -1
    decided: int = 0
    deployed: int = 0

    @property
    def ledger(self) -> PostgresLedger:
        return self.world.ledger

    @property
    def first(self) -> int:
        """The number of the turn's first window."""
        return self.begins + self.turn * TURN

    @property
    def scored(self) -> list[Window]:
        """The windows that are scored in the canary."""
        return [self.world.window(self.first + KNOWN + each) for each in range(SCORED)]

    @property
    def as_of(self) -> datetime:
        """When the evaluation decides."""
        return self.world.window(self.first + TURN - 1).start

    @property
    def after(self) -> Window:
        """The first window after the decision."""
        return self.world.window(self.first + TURN - 1)

    def begin(self, share: int) -> Deployment:
        """The version that is not in service begins a canary at that share of rows, with the turn's first window."""
        self.turn += 1
        self.stop()
        window = self.world.window(self.first)
        found = self.ledger.deploy(self.challenger(share, window, f"{self.name}-{self.turn}-begin"))
        assert found.effective_from == window.start, "windows were scored out of turn"
        self.decided = len(self._decisions())
        self.deployed = len(self.ledger.deployments(NAME))
        return found

    def challenger(self, share: int, window: Window, run_id: str) -> Deployment:
        """The entry by which the version that is not in service begins a canary with the window."""
        before = self.ledger.current_deployment(NAME, DeployedRole.CHALLENGER)
        entry = self.world.deployment(self._other(), window, run_id, before)
        return replace(entry, role=DeployedRole.CHALLENGER, share=share, salt=run_id)

    def begin_newer(self, run_id: str) -> None:
        """A newer winner begins its own roll-out, as `deploy` has it."""
        champion = self.ledger.current_deployment(NAME, DeployedRole.CHAMPION)
        entry = self.world.deployment(self._other(), self.after, run_id, champion)
        begun(self.world.use_case.spec, entry, self.world.ports)
        self.deployed += 1

    def _other(self) -> str:
        champion = self.ledger.current_deployment(NAME, DeployedRole.CHAMPION)
        assert champion is not None
        return "2" if champion.model_version == "1" else "1"

    def stop(self) -> None:
        """End the canary that is under way, if one is."""
        stage = current_stage(NAME, self.ledger)
        if stage is not None:
            at = self.world.window(self.first).start
            ended(stage, at, self.world.ports, f"{self.name}-{self.turn}-stop", actor="faults", reason="next turn")

    def play(self, seed: int, gain: float) -> None:
        """Score the turn's windows by both models, and let it be known by how much the challenger was better before."""
        stage = current_stage(NAME, self.ledger)
        champion = self.ledger.current_deployment(NAME, DeployedRole.CHAMPION)
        assert stage is not None
        assert champion is not None
        chance = random.Random(seed)
        for each in range(KNOWN):
            window = self.world.window(self.first + each)
            value = gain + chance.uniform(-0.005, 0.005)
            self.ledger.record_gain(
                PairedGain(
                    NAME, window, 1, champion.model_digest, stage.model_digest, "roc_auc",
                    window.end + timedelta(days=1), value, 0.7, 0.7 + value, 60, "faults",
                )
            )  # fmt: skip
        for number, window in enumerate(self.scored):
            self.world.change_source(window, seed + number)
            recover(self.world, self.first + KNOWN + number, f"{self.name}-{self.turn}-{number}")
            shadow.run(self.world.use_case, window, self.world.ports, "faults")
            self._measured(window, chance)

    def _measured(self, window: Window, chance: random.Random) -> None:
        """The window's labels are there, and it was measured finally."""
        spec, ports, keys = self.world.use_case.spec, self.world.ports, self.world.keys(window)
        labels = {
            "parcel": keys,
            "late": [number % 2 == 0 for number in chance.sample(range(len(keys)), len(keys))],
            "delivered_at": [window.end] * len(keys),
        }
        with labels_lease(NAME, window, ports, "faults") as lease:
            table = pa.table(labels).select(label_schema(spec).names).cast(label_schema(spec))
            version = ports.lake.replace("labels/parcels", window.key, table, lease).version
        live = self.ledger.latest_batch(NAME, window)
        assert live is not None
        self.ledger.record_performance(
            Performance(
                NAME, window, live.revision, live.model_version, live.model_digest, window.end + timedelta(days=1),
                Maturity.FINAL, live.rows, live.rows, 1.0, Verdict.PASS, {"roc_auc": 0.7}, {}, {}, (), {}, version,
                "faults",
            )
        )  # fmt: skip

    def evaluate(self, run_id: str, as_of: datetime | None = None) -> RolledOut:
        """What the task `rollout` does, until it is through, as Airflow's retries would."""
        began: list[RolledOut] = []

        def through() -> bool:
            try:
                began.append(evaluate(self.world, as_of or self.as_of, run_id))
            except TransientError:
                return False
            return True

        wait_until(through, "the evaluation")
        return began[0]

    def predict_after(self, seed: int, run_id: str) -> Window:
        """Score the first window after the decision."""
        self.world.change_source(self.after, seed)
        recover(self.world, self.first + TURN - 1, run_id)
        return self.after

    def progress(self) -> str:
        """How far the evaluation came, by what it left."""
        if not self._acted():
            return BEFORE
        entries = self.ledger.deployments(NAME)[self.deployed :]
        if not entries:
            return "before the entry"
        if entries[-1].withdraws is None:
            return "after the entry"
        told = {each.subject for each in self.ledger.interventions(NAME, InterventionKind.ROLLED_BACK)}
        again = sum(len(self.ledger.batches(NAME, window)) > 1 for window in self.scored)
        return "after it was told" if str(entries[-1].id) in told else f"with {again} of {SCORED} windows scored again"

    def audit(self, windows: list[Window]) -> Damage:
        """What is wrong with these windows, and with the deployments, the aliases and what is told of roll-backs."""
        return sum((self.audit_window(window) for window in windows), self._audit_roles())

    def audit_action(self, action: str) -> Damage:
        """The turn's canary came to this, by one deployment in each role that it is about."""
        acted = self._acted()
        stages = {each.subject.split("/")[0] for each in acted}
        last = sum(each.action == ADVANCE and each.numbers["next_share"] is None for each in acted[:1])
        made = len(self.ledger.deployments(NAME)) - self.deployed
        right = len(stages) == 1 and {each.action for each in acted} == {action}
        return Damage(torn=int(not right), doubled=abs(made - 1 - last))

    def _audit_roles(self) -> Damage:
        """Each role has one line of entries, the aliases follow it, and of each roll-back it is told once."""
        entries, ports = self.ledger.deployments(NAME), self.world.ports
        line = [each.supersedes for each in entries if each.supersedes is not None]
        withdrawn = {str(each.id) for each in entries if each.withdraws is not None}
        told = [each.subject for each in self.ledger.interventions(NAME, InterventionKind.ROLLED_BACK)]
        night = f"{self.name}-{self.turn}-night"
        reconcile.run(self.world.use_case, self.world.window(0).end, ports, night, actor="faults")
        roles = {role: self.ledger.current_deployment(NAME, role) for role in DeployedRole}
        return Damage(
            lost=len(withdrawn - set(told)),
            doubled=len(told) - len(set(told)) + len(line) - len(set(line)),
            stale=sum(ports.registry.alias(NAME, role) != alias_of(entry) for role, entry in roles.items()),
        )

    def _acted(self) -> list[RecordedDecision]:
        """The turn's decisions that change something."""
        return [each for each in self._decisions()[self.decided :] if each.action != HOLD]

    def _decisions(self) -> list[RecordedDecision]:
        return list(self.ledger.decisions(NAME, DecisionKind.ROLLOUT))

    def audit_window(self, window: Window) -> Damage:
        """The window's rows: published once, each by the model of its stage, as the ledger's parts and the lake say."""
        ledger, ports = self.ledger, self.world.ports
        batches, snapshot = ledger.batches(NAME, window), ledger.latest_snapshot(NAME, window)
        live, assigned = batches[-1], self._assigned(window)
        published = ports.published.read(NAME, window)
        rows = {each["parcel"]: each for each in published.to_pylist()}
        keys = set(self.world.keys(window))
        said = self._said(window, live, set(assigned.values()))
        wrong = [
            key
            for key, row in rows.items()
            if key in keys and (row["model_digest"], row["prediction"]) != (assigned[key], said[assigned[key]][key])
        ]
        parts = {part.model_digest: part.rows for part in parts_of(live)}
        counted = {digest: list(assigned.values()).count(digest) for digest in parts}
        linear = [batch.revision for batch in batches] == list(range(1, len(batches) + 1))
        one = {(row["revision"], row["snapshot_digest"]) for row in rows.values()} == {
            (live.revision, live.snapshot_digest)
        }
        agreeing = (
            table_digest(ports.lake.read(live.table, window.key, version=live.version))
            == table_digest(ports.lake.read(live.table, window.key))
            == ports.published.digest(NAME, window)
        )
        newest = snapshot is not None and live.snapshot_digest == snapshot.digest
        return Damage(
            lost=len(keys ^ set(rows)),
            doubled=published.num_rows - len(rows),
            torn=int(bool(wrong) or parts != counted or sum(parts.values()) != live.rows or not (linear and one)),
            stale=int(not (agreeing and newest)),
        )

    def _assigned(self, window: Window) -> dict[int, str]:
        """The digest of the model by which each key is to be predicted: as docs/rollout.md says it, and not by the code
        that scores.
        """
        entries = self.ledger.deployments(NAME)
        champion, stage = (in_force(entries, role, window.start) for role in DeployedRole)
        assert champion is not None
        share = stage.share if stage is not None and stage.in_rollout and stage.share else 0
        theirs = stage.model_digest if stage is not None else ""
        salt = stage.salt if stage is not None else ""
        return {
            key: theirs if place(salt, key) < share * 100 else champion.model_digest for key in self.world.keys(window)
        }

    def _said(self, window: Window, live: Batch, digests: set[str]) -> dict[str, dict[int, float]]:
        """What each model says of each key of the live revision's snapshot."""
        ledger, ports, spec = self.ledger, self.world.ports, self.world.use_case.spec
        snapshot = next(each for each in ledger.snapshots(NAME, window) if each.digest == live.snapshot_digest)
        rows = ports.lake.read(snapshot.table, window.key, version=snapshot.version)
        found = {}
        for model in ports.registry.versions(NAME):
            if model.digest in digests:
                pipeline = ports.registry.load(NAME, model.version, model.digest).pipeline
                values = predict(pipeline, spec.task, model_inputs(pipeline).frame(rows))
                found[model.digest] = dict(zip(rows["parcel"].to_pylist(), np.asarray(values).tolist(), strict=True))
        return found


def place(salt: str, key: int) -> int:
    """A key's place among 10,000."""
    digest = hashlib.sha256(f"{salt}\x00{NAME}\x00{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10_000


def canary(world: World, name: str) -> Canary:
    """The world with a roll-out, and nobody in it yet; its turns begin after all windows that there are."""
    last = world.ledger.last_ingested(NAME)
    return Canary(with_rollout(world), name, max(FIRST, (last.end - START).days + 1 if last else 0))


def with_rollout(world: World) -> World:
    spec = world.use_case.spec.model_copy(update={"rollout": Rollout(canary=SHARES)})
    return replace(world, use_case=replace(world.use_case, spec=spec))


def evaluate(world: World, as_of: datetime, run_id: str) -> RolledOut:
    """What the task `rollout` does once."""
    rolling = with_rollout(world)
    return rollout.run(rolling.use_case, as_of, rolling.ports, run_id, actor="faults")
