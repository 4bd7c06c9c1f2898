"""Approvals at once, forged, out of date or cut short: nothing may be deployed that people did not agree to.

The ledger is a real PostgreSQL, and the registry is files, so that killed processes leave what they wrote. What was
trained and judged is in memory, and the same in every process: they are forked.
"""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier

from tests.faults.outcome import Damage, Outcome
from tests.faults.world import NAME, ModelFiles, World
from tests.unit.jobs.world import make_world
from tests.waiting import PATIENCE

from perennial.errors import DeploymentConflict, MayNotAnswer, NotApproved, PerennialError, QuestionClosed
from perennial.jobs.retrain import approval, assemble, deploy, judge, train
from perennial.jobs.retrain.approval import Answered
from perennial.jobs.retrain.judge import Judged
from perennial.ledger.entries import DeployedRole, Deployment
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ports import Ports
from perennial.registry.port import ModelCandidate, RegisteredModel
from perennial.spec.load import LoadedUseCase
from perennial.spec.risk import Risk

ROLES = ("Approver",)
RISK = {"purpose": "p", "impact": "high", "likelihood": "high", "autonomy": "decides", "personal_data": False}
KILLED = -signal.SIGKILL


class Registry(ModelFiles):
    """Files, into which one model may be registered; what is attached to it is kept beside it."""

    def register(self, candidate: ModelCandidate) -> RegisteredModel:
        self.put("9", candidate.pipeline_bytes, candidate.digest)
        return RegisteredModel(candidate.use_case, "9", candidate.digest)

    def content(self, use_case: str, version: str, digest: str) -> bytes:
        return (self._folder / f"{version}.skops").read_bytes()

    def attach(self, use_case: str, version: str, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            (self._folder / f"{version}-{Path(name).name}").write_bytes(content)

    def attached(self, use_case: str, version: str, name: str) -> bytes | None:
        file = self._folder / f"{version}-{Path(name).name}"
        return file.read_bytes() if file.exists() else None


@dataclass
class Asking:
    """A use case of high risk, of which each turn is a run that judged the same winner against the champion of then."""

    world: World
    use_case: LoadedUseCase
    ports: Ports
    judged: Judged
    name: str
    turn: int = 0

    @property
    def run(self) -> str:
        return f"{NAME}.retrain/{self.name}-{self.turn}"

    @property
    def ledger(self) -> PostgresLedger:
        return self.world.ledger

    def begin(self, turn: int) -> None:
        """Another version is champion, and a run of ann's asks whether the winner may follow it."""
        self.turn = turn
        champion = self.world.deploy("2", self.world.window(0), f"{self.run}-before")
        self.judged = replace(self.judged, champion_id=champion.id)
        self.ask()

    def ask(self) -> None:
        as_of = self.world.window(30).start
        approval.ask(self.use_case, self.judged, as_of, self.ledger, self.run, requester="ann")

    def answer(self, person: str, task: str, *, roles: tuple[str, ...] = ROLES, run: str | None = None) -> str:
        """What was answered: "recorded", or the name of the refusal."""
        request = self.ledger.approval_request(NAME, self.run)
        shown = request.subject if request else ""
        place = run or self.run
        given = Answered(True, f"id of {person}", person, roles, "why", shown, f"{place}/{task}")
        try:
            approval.answer(self.use_case, place, given, ROLES, self.ledger, "page__faults")
        except (MayNotAnswer, QuestionClosed) as refused:
            return type(refused).__name__
        return "recorded"

    def approve(self) -> None:
        assert [self.answer("ben", "approve"), self.answer("carla", "approve_second")] == ["recorded"] * 2

    def deploy(self, judged: Judged | None = None, run: str | None = None) -> deploy.Deployed:
        return deploy.run(self.use_case, judged or self.judged, self.ports, run or self.run, actor="ann", reason="test")

    def champion(self) -> Deployment:
        found = self.ledger.current_deployment(NAME, DeployedRole.CHAMPION)
        assert found is not None
        return found

    def wrong(self, *, deployed: bool) -> Damage:
        """What is wrong where the winner should have been deployed by two people, or not at all."""
        found = self.champion()
        own = found.run_id == self.run
        right = own and found.approved_by == "ben, carla" and found.supersedes == self.judged.champion_id
        return Damage(stale=int(deployed and not own), torn=int(own and not (deployed and right)))


def asking(world: World, name: str) -> Asking:
    """Train and judge once; every turn asks about that."""
    with TemporaryDirectory() as scratch:
        memory = make_world(Path(scratch))
        spec = memory.use_case.spec.model_copy(update={"risk": Risk.model_validate(RISK)})
        use_case, as_of = replace(memory.use_case, spec=spec), memory.day(30).start
        made = assemble.run(use_case, as_of, memory.ports, name)
        trained = [
            train.run(use_case, made.training_id, each.name, memory.ports, name) for each in spec.training.candidates
        ]
        judged = judge.run(use_case, made.training_id, trained, memory.ports, name)
    assert judged.winner is not None
    ports = replace(memory.ports, ledger=world.ledger, registry=Registry(world.address.root / "models"))
    return Asking(world, use_case, ports, judged, name)


def answers_at_once(world: World, times: int, seed: int) -> Outcome:
    """Two approvers, twice each, the requester and somebody without the role answer at once; two deploy at once."""
    asked, damage, pool = asking(world, f"at-once-{seed}"), Damage(), ThreadPoolExecutor(6)
    people = [("ben", ROLES), ("carla", ROLES), ("ben", ROLES), ("ann", ROLES), ("vera", ("Viewer",)), ("carla", ROLES)]
    for turn in range(times):
        asked.begin(turn)
        gate = Barrier(len(people))

        def give(number: int, gate: Barrier = gate) -> str:
            person, roles = people[number]
            gate.wait()
            return asked.answer(person, ("approve", "approve_second")[number % 2], roles=roles)

        list(pool.map(give, range(len(people))))
        counted = {each.approver for each in asked.ledger.approvals(NAME, approval.subject_of(asked.judged, asked.run))}
        damage += Damage(doubled=int(counted != {"ben", "carla"}))
        two = Barrier(2)

        def bring(_: int, two: Barrier = two) -> None:
            two.wait()
            with suppress(DeploymentConflict, NotApproved):  # the other one was faster; what is in service counts
                asked.deploy()

        list(pool.map(bring, range(2)))
        found = asked.champion()
        right = found.run_id == asked.run and set((found.approved_by or "").split(", ")) == {"ben", "carla"}
        damage += Damage(torn=int(not right))
    pool.shutdown()
    return Outcome("6 answers to an approval at once", times, damage)


def forged(world: World, times: int, seed: int) -> Outcome:
    """What somebody may try who edits runs: each must deploy nothing, and be told."""
    asked, damage = asking(world, f"forged-{seed}"), Damage()
    for turn in range(times):
        asked.begin(turn)
        for name, attempt in FORGERIES.items():
            damage += Damage(torn=int(not _refused(asked, attempt)))
            assert damage.none, name
        damage += asked.wrong(deployed=False)
        asked.answer("carla", "approve_second")
        asked.deploy()
        damage += asked.wrong(deployed=True)
    return Outcome(f"{len(FORGERIES)} forged answers", times, damage)


def _refused(asked: Asking, attempt: Callable[[Asking], object]) -> bool:
    before = asked.champion()
    try:
        attempt(asked)
    except PerennialError:
        return asked.champion() == before
    return False


def _with_another_model(asked: Asking) -> object:
    assert asked.judged.refitted is not None
    return asked.deploy(replace(asked.judged, refitted=replace(asked.judged.refitted, digest="0" * 64)))


def _with_other_metrics(asked: Asking) -> object:
    return asked.deploy(replace(asked.judged, reasons=("It is much better.",)))


def _by_somebody_without_the_role(asked: Asking) -> object:
    assert asked.answer("vera", "approve_second", roles=("Op", "User")) == "MayNotAnswer"
    return asked.deploy()


def _by_the_requester(asked: Asking) -> object:
    assert asked.answer("ann", "approve") == "MayNotAnswer"
    return asked.deploy()


def _twice_by_one_person(asked: Asking) -> object:
    assert asked.answer("ben", "approve") == "recorded"
    assert asked.answer("ben", "approve_second") == "MayNotAnswer"
    return asked.deploy()


def _written_for_another_person(asked: Asking) -> object:
    """Past every check, an approval of the requester's is written into the ledger."""
    given = asked.ledger.approvals(NAME, approval.subject_of(asked.judged, asked.run))[0]
    asked.ledger.record_approval(replace(given, approver="ann", approver_id="id of ann", id=None, recorded_at=None))
    return asked.deploy()


def _with_a_lower_tier(asked: Asking) -> object:
    low = replace(asked.use_case, spec=asked.use_case.spec.model_copy(update={"risk": None}))
    return deploy.run(low, asked.judged, asked.ports, asked.run, actor="ann", reason="test")


def _in_another_run(asked: Asking) -> object:
    return asked.deploy(run=f"{asked.run}-other")


FORGERIES: dict[str, Callable[[Asking], object]] = {
    "marked as successful": Asking.deploy,
    "by somebody without the role": _by_somebody_without_the_role,
    "by the requester": _by_the_requester,
    "twice by one person": _twice_by_one_person,
    "written for another person": _written_for_another_person,
    "another model": _with_another_model,
    "other metrics": _with_other_metrics,
    "a lower tier": _with_a_lower_tier,
    "another run": _in_another_run,
}


def champion_moved(world: World, times: int, seed: int) -> Outcome:
    """The champion moves after the approval, or at the very moment of the deployment: who comes second is refused."""
    asked, damage, pool = asking(world, f"moved-{seed}"), Damage(), ThreadPoolExecutor(2)
    chance = random.Random(seed)
    for turn in range(times):
        asked.begin(turn)
        asked.approve()
        before = len(asked.ledger.deployments(NAME))
        rival = world.deployment("2", world.window(0), f"{asked.run}-rival", asked.champion())
        if turn % 2:
            world.ledger.deploy(rival)
            damage += Damage(torn=int(not _refused(asked, Asking.deploy)))
            damage += asked.wrong(deployed=False)
        else:
            wait = chance.uniform(0.0, 0.2)

            def promote(wait: float = wait, rival: Deployment = rival) -> bool:
                time.sleep(wait)
                try:
                    world.ledger.deploy(rival)
                except DeploymentConflict:
                    return False
                return True

            moved = pool.submit(promote)
            try:
                asked.deploy()
                deployed = True
            except (DeploymentConflict, NotApproved):
                deployed = False
            damage += Damage(doubled=int(moved.result() == deployed)) + asked.wrong(deployed=deployed)
        damage += Damage(doubled=int(len(asked.ledger.deployments(NAME)) != before + 1))
    pool.shutdown()
    return Outcome("an approval for a champion that moves", times, damage)


def killed(world: World, times: int, seed: int) -> Outcome:
    """SIGKILL around the approval, the registration, the ledger's entry and the alias; then the run is tried again."""
    asked, damage, recoveries = asking(world, f"killed-{seed}"), Damage(), []
    context = multiprocessing.get_context("fork")
    steps = list(KILLS.items())
    for turn in range(times):
        asked.begin(turn)
        step, (owner, function, after) = steps[turn % len(steps)]
        if function != "record_approval":
            asked.approve()
        victim = context.Process(target=_killed_at, args=(asked, owner, function, after))
        victim.start()
        victim.join(PATIENCE)
        assert victim.exitcode == KILLED, f"{step}: exit code {victim.exitcode}"
        began = time.monotonic()
        early = asked.champion()
        if function == "record_approval":
            damage += Damage(torn=int(early.run_id == asked.run or not _refused(asked, Asking.deploy)))
            asked.approve()
        asked.deploy()
        recoveries.append(time.monotonic() - began)
        alias = world.ports.registry.alias(NAME, DeployedRole.CHAMPION)
        own = [each for each in asked.ledger.deployments(NAME) if each.run_id == asked.run]
        damage += asked.wrong(deployed=True) + Damage(stale=int(alias != "9"), doubled=len(own) - 1)
    return Outcome("SIGKILL from approval to alias", times, damage, tuple(recoveries))


KILLS: dict[str, tuple[type, str, bool]] = {
    "an answer is about to be recorded": (PostgresLedger, "record_approval", False),
    "an answer is recorded": (PostgresLedger, "record_approval", True),
    "about to be registered": (Registry, "register", False),
    "registered": (Registry, "register", True),
    "the ledger's entry is about to be made": (PostgresLedger, "deploy", False),
    "the ledger's entry is made": (PostgresLedger, "deploy", True),
    "the alias is about to follow": (Registry, "set_alias", False),
    "the alias has followed": (Registry, "set_alias", True),
}


def _killed_at(asked: Asking, owner: type, function: str, after: bool) -> None:
    made = getattr(owner, function)

    def last(*arguments: object, **named: object) -> None:
        if after:
            made(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, function, last)
    asked.answer("ben", "approve")
    asked.deploy()
