"""Ramps of a canary that are cut short, that move in mid-window, and that two decide about.

Whatever happens, each published row is by the model that its stage lawfully gives it, and of a canary that was rolled
back none is left.
"""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from multiprocessing.synchronize import Barrier

from tests.faults.canary import BAD, BEFORE, GOOD, SHARES, Canary, canary, evaluate, with_rollout
from tests.faults.outcome import Damage, Outcome
from tests.faults.processes import KILLED, recover, send, wait_until_stopped
from tests.faults.steps import EVALUATION_STEPS, STEPS, fork_context, log_of, start, start_work
from tests.faults.world import NAME, World
from tests.waiting import PATIENCE

from perennial.errors import DeploymentConflict, NoModel
from perennial.jobs.evaluate import rollout_by_hand
from perennial.jobs.evaluate.rollout_by_hand import ByHand
from perennial.jobs.predict import shadow
from perennial.policy.rollout import ADVANCE, ROLL_BACK
from perennial.records.rollout import current_stage, ended, moved_on
from perennial.window import Window

SMALL, LARGE = SHARES


def killed_in_canary(world: World, times: int, seed: int) -> Outcome:
    """SIGKILL at random while a canary's window is scored; every other time the ramp moves before the retry."""
    chance, context, rolling = random.Random(seed), fork_context(), canary(world, "killed")
    damage, recoveries, found, typical, turn = Damage(), [], Counter[str](), 0.3, 0
    rolling.begin(SMALL)
    before = rolling.world.window(rolling.first)
    while found.total() < times:
        number = rolling.first + turn
        window = world.window(number)
        world.change_source(window, seed + turn)
        run_id = f"canary-{turn}"
        work = partial(_served, number=number, run_id=run_id)
        victim = start_work(context, world.address, work, run_id, after=chance.uniform(0.0, typical))
        victim.join(PATIENCE)
        recorded = world.ledger.latest_batch(NAME, window) is not None
        if victim.exitcode == KILLED:
            found[f"{'after' if recorded else 'before'} the batch was recorded"] += 1
        typical *= 1.1 if victim.exitcode == KILLED and not recorded else 0.9
        if turn % 2:
            _move(rolling, MOVES[turn // 2 % len(MOVES)], window, f"move-{turn}")
        recoveries.append(recover(world, number, f"{run_id}-retry"))
        rolling.evaluate(f"{run_id}-evaluate", window.start)
        damage += sum((rolling.audit_window(each) for each in (before, window)), Damage())
        before, turn = window, turn + 1
    damage += rolling.audit([world.window(rolling.first + each) for each in range(turn)])
    return Outcome("SIGKILL while a canary is scored", found.total(), damage, tuple(recoveries), _told(found))


def _served(world: World, *, number: int, run_id: str) -> None:
    window = world.window(number)
    world.predict(window, run_id)
    shadow.run(world.use_case, window, world.ports, run_id)


def _told(found: Counter[str]) -> str:
    return "killed " + ", ".join(f"{count} {where}" for where, count in found.most_common())


def moves_in_mid_window(world: World, times: int, seed: int, *, without: str | None = None) -> Outcome:
    """The ramp moves, with effect for a window that is being scored: to the next stage, to the end, or back."""
    chance, context, rolling = random.Random(seed), fork_context(), canary(world, f"moves-{without}")
    steps = [step for step in STEPS if step not in ("published", "hold about to be given back")]
    damage, recoveries, told = Damage(), [], 0
    rolling.begin(SMALL)
    before = rolling.world.window(rolling.first)
    for turn in range(times):
        number = rolling.first + turn
        window = world.window(number)
        world.change_source(window, seed + turn)
        step = "predictions: committed" if without else chance.choice(steps)
        run_id = f"moves-{without}-{turn}"
        victim = start(context, world.address, window, run_id, step=step, signal_number=signal.SIGSTOP, without=without)
        wait_until_stopped(victim.pid or 0)
        _move(rolling, MOVES[turn % len(MOVES)], window, f"{run_id}-move")
        send(victim.pid or 0, signal.SIGCONT)
        victim.join(PATIENCE)
        told += log_of(world.address, run_id).startswith("DeploymentMoved")
        if without is None:
            recoveries.append(recover(world, number, f"{run_id}-retry"))
            rolling.evaluate(f"{run_id}-evaluate", window.start)
        damage += sum((rolling.audit_window(each) for each in (before, window)), Damage())
        before = window
    if without is None:
        damage += rolling.audit([world.window(rolling.first + each) for each in range(times)])
    return Outcome("the ramp moves in mid-window", times, damage, tuple(recoveries), f"{told} were told")


def _move(rolling: Canary, how: str, window: Window, run_id: str) -> None:
    """Move the ramp with effect from the window on, if it is not recorded yet; where none is under way, one begins."""
    world, stage = rolling.world, current_stage(NAME, rolling.ledger)
    given = {"actor": "faults", "reason": how}
    if stage is None:
        rolling.ledger.deploy(rolling.challenger(SMALL, window, run_id))
    elif how == "advanced":
        moved_on(stage, LARGE if stage.share == SMALL else None, window.start, world.ports, run_id, **given)
    else:
        ended(stage, window.start, world.ports, run_id, withdraw=how == "rolled back", **given)


# Where no canary is under way, one begins.
MOVES = ("advanced", "advanced", "begun", "rolled back", "begun", "advanced", "rolled back", "begun", "stopped")


def killed_evaluation(world: World, times: int, seed: int) -> Outcome:
    """SIGKILL of the evaluation that takes a canary to its next stage, or its challenger to the champion's role."""
    return _killed(world, times, seed, "ramp", GOOD, "SIGKILL while the ramp moves")


def killed_rollback(world: World, times: int, seed: int) -> Outcome:
    """SIGKILL of the evaluation that rolls back after an alarm, and scores the canary's windows again."""
    return _killed(world, times, seed, "rollback", BAD, "SIGKILL while a canary is rolled back")


def _killed(world: World, times: int, seed: int, name: str, gain: float, title: str) -> Outcome:
    """Every other time at a random moment, else at one of the steps; then the task is repeated, or the next one comes.

    Every third time a newer winner begins its own canary before that.
    """
    chance, context, rolling = random.Random(seed), fork_context(), canary(world, name)
    meant = {step: each for step, each in EVALUATION_STEPS.items() if gain == BAD or each.of_advance}
    steps = [(step, nth) for step, each in meant.items() for nth in range(1, each.times + 1)]
    chance.shuffle(steps)
    damage, recoveries, found, typical, turn = Damage(), [], Counter[str](), 0.3, 0
    while found.total() < times:
        rolling.begin(SHARES[turn // 2 % 2])
        rolling.play(seed + 100 * turn, gain)
        run_id, step = f"{name}-{turn}", steps[turn // 2 % len(steps)] if turn % 2 else None
        work = partial(evaluate, as_of=rolling.as_of, run_id=run_id)
        after = None if step else chance.uniform(0.0, typical)
        victim = start_work(context, world.address, work, run_id, step=step, after=after)
        victim.join(PATIENCE)
        progress = rolling.progress()
        if victim.exitcode == KILLED:
            found[progress] += 1
        assert step is None or victim.exitcode == KILLED, f"{step}: {log_of(world.address, run_id)}"
        if step is None:
            typical *= 1.1 if victim.exitcode == KILLED and progress == BEFORE else 0.9
        began = time.monotonic()
        if gain == BAD and turn % 3 == 2 and current_stage(NAME, rolling.ledger) is None:
            rolling.begin_newer(f"{run_id}-newer")
        if turn % 4 < 2:
            rolling.evaluate(run_id)
        else:
            rolling.evaluate(f"{run_id}-next", rolling.as_of + timedelta(days=1))
        recoveries.append(time.monotonic() - began)
        last = rolling.predict_after(seed + 100 * turn + 99, f"{run_id}-after")
        damage += rolling.audit([*rolling.scored, last])
        damage += rolling.audit_action(ADVANCE if gain == GOOD else ROLL_BACK)
        turn += 1
    return Outcome(title, found.total(), damage, tuple(recoveries), _told(found))


def rival_evaluations(world: World, times: int, seed: int) -> Outcome:
    """Two evaluations decide about one canary at once: as of the same moment, of two moments, or one and a person."""
    context, rolling, damage, seconds = fork_context(), canary(world, "rivals"), Damage(), []
    for turn in range(times):
        gain = (GOOD, BAD)[turn % 2]
        rolling.begin(SHARES[turn // 2 % 2])
        rolling.play(seed + 100 * turn, gain)
        gate = context.Barrier(2)
        other: Callable[[World], object]
        if turn % 3 == 2:
            other = partial(_by_hand, gate=gate, run_id=f"rival-{turn}-person")
        else:
            as_of = rolling.as_of - timedelta(hours=turn % 3)
            other = partial(_at_once, as_of=as_of, run_id=f"rival-{turn}-1", gate=gate)
        both = [partial(_at_once, as_of=rolling.as_of, run_id=f"rival-{turn}-0", gate=gate), other]
        began = time.monotonic()
        started = [start_work(context, world.address, each, f"rival-{turn}-{n}") for n, each in enumerate(both)]
        for number, process in enumerate(started):
            process.join(PATIENCE)
            assert process.exitcode == 0, log_of(world.address, f"rival-{turn}-{number}")
        seconds.append(time.monotonic() - began)
        after = rolling.predict_after(seed + 100 * turn + 99, f"rival-{turn}-after")
        damage += rolling.audit([*rolling.scored, after])
        if turn % 3 != 2:
            damage += rolling.audit_action(ADVANCE if gain == GOOD else ROLL_BACK)
    return Outcome("2 evaluations of one canary at once", times, damage, tuple(seconds))


def _at_once(world: World, *, as_of: datetime, run_id: str, gate: Barrier) -> None:
    gate.wait(PATIENCE)
    evaluate(world, as_of, run_id)


def _by_hand(world: World, *, run_id: str, gate: Barrier) -> None:
    """A person stops the canary; who comes second finds none any more."""
    gate.wait(PATIENCE)
    try:
        rollout_by_hand.run(
            with_rollout(world).use_case, ByHand.STOP, world.ports, run_id, actor="ann", reason="I saw harm."
        )
    except (NoModel, DeploymentConflict):
        return
