"""Processes that are killed, stopped, or race each other."""

import os
import random
import signal
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

from tests.faults.outcome import Damage, Outcome
from tests.faults.steps import STEPS, fork_context, log_of, start, start_deploy
from tests.faults.world import NAME, World
from tests.waiting import PATIENCE, wait_until

from perennial.errors import DeploymentConflict, TransientError
from perennial.jobs.retrain.deploy import deployed
from perennial.jobs.upkeep import reconcile
from perennial.ledger.entries import DeployedRole, Deployment

KILLED = -signal.SIGKILL


def recover(world: World, number: int, run_id: str) -> float:
    """Run the window again until it is through, as Airflow's retries would; the seconds it took."""
    began = time.monotonic()
    while True:
        try:
            world.predict(world.window(number), run_id)
        except TransientError:
            assert time.monotonic() - began < PATIENCE, f"did not recover within {PATIENCE:.0f} s"
            time.sleep(0.05)
        else:
            return time.monotonic() - began


def kill_at_random(world: World, times: int, seed: int) -> Outcome:
    """SIGKILL at a random moment of a run, which then is run again."""
    chance, context = random.Random(seed), fork_context()
    window, damage, recoveries, killed = world.window(1), Damage(), [], 0
    world.change_source(window, seed)
    typical = recover(world, 1, "warm-up")
    turn = 0
    while killed < times:
        turn += 1
        world.change_source(window, seed + turn)
        victim = start(context, world.address, window, f"random-{turn}")
        victim.join(chance.uniform(0.0, 2 * typical))
        victim.kill()
        victim.join()
        killed += victim.exitcode == KILLED
        recoveries.append(recover(world, 1, f"random-retry-{turn}"))
        damage += world.audit(window)
    return Outcome("SIGKILL at a random moment", killed, damage, tuple(recoveries))


def kill_at_step(world: World, times: int, seed: int, step: str, *, without: str | None = None) -> Outcome:
    """SIGKILL at a step, which then is run again."""
    context, window = fork_context(), world.window(2)
    damage, recoveries = Damage(), []
    world.change_source(window, zlib.crc32(f"{seed} {step} {without}".encode()))
    recover(world, 2, f"{list(STEPS).index(step)}-{without}-before")
    for turn in range(times):
        world.change_source(window, zlib.crc32(f"{seed} {step} {without} {turn}".encode()))
        run_id = f"{list(STEPS).index(step)}-{without}-{turn}"
        victim = start(context, world.address, window, run_id, step=step, without=without)
        victim.join(PATIENCE)
        assert victim.exitcode == KILLED, f"{step}: exit code {victim.exitcode}\n{log_of(world.address, run_id)}"
        if without == "transaction":  # what consumers see between the kill and the retry
            damage += world.audit_published(window)
        recoveries.append(recover(world, 2, f"{run_id}-retry"))
        damage += world.audit(window)
    return Outcome(f"SIGKILL, {step}", times, damage, tuple(recoveries))


def rivals(world: World, times: int, seed: int, *, processes: int = 8, without: str | None = None) -> Outcome:
    """Several processes on one window at once; each must end well, and one revision be made."""
    context, damage, seconds, failed = fork_context(), Damage(), [], []
    for turn in range(times):
        number = 10 + turn
        window = world.window(number)
        world.change_source(window, seed + turn)
        began = time.monotonic()
        names = [f"rival-{without}-{turn}-{each}" for each in range(processes)]
        started = [start(context, world.address, window, name, without=without) for name in names]
        for process in started:
            process.join(PATIENCE)
        seconds.append(time.monotonic() - began)
        failed += [
            log_of(world.address, name) for name, process in zip(names, started, strict=True) if process.exitcode != 0
        ]
        if failed and without is not None:
            recover(world, number, "after")
        damage += world.audit(window)
        revisions = len(world.ledger.batches(NAME, window))
        damage += Damage(doubled=max(0, revisions - 1))
    remark = f"{len(failed)} of {times * processes} processes failed" + (f": {failed[0]}" if failed else "")
    stale = Damage(stale=len(failed))
    return Outcome(f"{processes} processes on one window", times, damage + stale, tuple(seconds), remark)


def stopped(world: World, times: int, seed: int, *, without: str | None = None) -> Outcome:
    """SIGSTOP while holding the window; the source changes; a retry elsewhere takes over; SIGCONT."""
    chance, context, damage, recoveries = random.Random(seed), fork_context(), Damage(), []
    address = replace(world.address, heartbeat_timeout=0.6)
    elsewhere = address.open()
    steps = [step for step in STEPS if step != "published"]
    chosen = ["predictions: commit about to be sent", "batch recorded"]
    for turn in range(times):
        step = chosen[turn % 2] if without else chance.choice(steps)
        window = world.window(3)
        world.change_source(window, seed + 2 * turn)
        run_id = f"stopped-{without}-{turn}"
        victim = start(context, address, window, run_id, step=step, signal_number=signal.SIGSTOP, without=without)
        wait_until_stopped(victim.pid or 0)
        world.change_source(window, seed + 2 * turn + 1)
        recoveries.append(recover(elsewhere, 3, f"{run_id}-elsewhere"))
        assert victim.pid is not None
        send(victim.pid, signal.SIGCONT)
        victim.join(PATIENCE)
        damage += world.audit(window)
        if not damage.none and without:
            break
    elsewhere.ledger.close()
    return Outcome("SIGSTOP, retry elsewhere, SIGCONT", times, damage, tuple(recoveries))


def races(world: World, times: int, seed: int) -> Outcome:
    """Four deployments that supersede the same entry, at once: one wins, the others are told who."""
    damage, pool = Damage(), ThreadPoolExecutor(4)
    for turn in range(times):
        current = world.ledger.current_deployment(NAME, DeployedRole.CHAMPION)
        gate = Barrier(4)

        def attempt(
            number: int, turn: int = turn, gate: Barrier = gate, current: Deployment | None = current
        ) -> Deployment | str:
            entry = world.deployment("12"[number % 2], world.window(0), f"race-{seed}-{turn}-{number}", current)
            gate.wait()
            try:
                return world.ledger.deploy(entry)
            except DeploymentConflict as conflict:
                return str(conflict)

        answers = list(pool.map(attempt, range(4)))
        winners = [answer for answer in answers if isinstance(answer, Deployment)]
        named = all(
            f"deployment {winners[0].id}" in answer for answer in answers if winners and isinstance(answer, str)
        )
        damage += Damage(doubled=abs(len(winners) - 1), lost=int(not named))
    pool.shutdown()
    return Outcome("4 promotions at once", times, damage)


def promoted_in_mid_batch(world: World, times: int, seed: int) -> Outcome:
    """Another champion, in force at the window's start, is recorded while a batch is being scored."""
    context, damage, recoveries = fork_context(), Damage(), []
    for turn in range(times):
        number = 100 + turn
        window = world.window(number)
        world.change_source(window, seed + turn)
        victim = start(
            context, world.address, window, f"mid-{turn}", step="predictions: committed", signal_number=signal.SIGSTOP
        )
        wait_until_stopped(victim.pid or 0)
        world.deploy("21"[turn % 2], window, f"mid-{seed}-{turn}")
        send(victim.pid or 0, signal.SIGCONT)
        victim.join(PATIENCE)
        told = log_of(world.address, f"mid-{turn}").startswith("DeploymentMoved")
        recoveries.append(recover(world, number, f"mid-retry-{turn}"))
        live = world.ledger.latest_batch(NAME, window)
        in_force = world.ledger.deployment_at(NAME, DeployedRole.CHAMPION, window.start)
        right = live is not None and in_force is not None and live.model_digest == in_force.model_digest
        damage += world.audit(window) + Damage(torn=int(not told), stale=int(not right))
    return Outcome("promotion in mid-batch", times, damage, tuple(recoveries))


def killed_before_the_alias(world: World, times: int, seed: int) -> Outcome:
    """A deployment is in the ledger, and its run is killed before the registry's alias follows.

    Every other time the run is tried again; else nobody does, and reconciling finds it.
    """
    context, damage, recoveries = fork_context(), Damage(), []
    for turn in range(times):
        current = world.ledger.current_deployment(NAME, DeployedRole.CHAMPION)
        entry = world.deployment("12"[turn % 2], world.window(0), f"alias-{seed}-{turn}", current)
        victim = start_deploy(context, world.address, entry)
        victim.join(PATIENCE)
        assert victim.exitcode == KILLED, victim.exitcode
        began = time.monotonic()
        if turn % 2:
            deployed(world.ledger.deploy(entry), world.use_case, world.ports)
        else:
            reconcile.run(world.use_case, world.window(0).end, world.ports, f"nightly-{seed}-{turn}", actor="faults")
        recoveries.append(time.monotonic() - began)
        now = world.ledger.current_deployment(NAME, DeployedRole.CHAMPION)
        followed = now is not None and now.run_id == entry.run_id and now.supersedes == entry.supersedes
        same = world.ports.registry.alias(NAME, DeployedRole.CHAMPION) == entry.model_version
        damage += Damage(stale=int(not same), doubled=int(not followed))
    return Outcome("kill between ledger and alias", times, damage, tuple(recoveries))


def wait_until_stopped(pid: int) -> None:
    def state() -> str:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return "X"

    wait_until(
        lambda: state() in "Tt", f"process {pid} to be stopped", lambda: "it ended before" if state() in "XZ" else None
    )


def send(pid: int, number: int) -> None:
    os.kill(pid, number)
