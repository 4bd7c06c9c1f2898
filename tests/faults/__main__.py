"""`python -m tests.faults`: every fault, as often as is needed to believe the counts; a table at the end."""

import argparse
import logging
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults import approvals, deliveries, environment, erasures, processes, ramps, receivers
from tests.faults.outcome import Damage, Outcome, as_json, table
from tests.faults.steps import STEPS
from tests.faults.world import World, make
from tests.ports import free_port
from tests.servers import WatchedPostgres, watched_run

from perennial_local.postgres import EmbeddedPostgres

Scenario = Callable[[World, int, int], Outcome]


def scenarios(postgres: EmbeddedPostgres) -> dict[str, tuple[Scenario, int]]:
    """Each scenario with how often its fault is made."""

    def at_each_step(world: World, times: int, seed: int) -> Outcome:
        found = [processes.kill_at_step(world, times, seed + i, step) for i, step in enumerate(STEPS)]
        return Outcome(
            f"SIGKILL at each of {len(STEPS)} steps",
            sum(each.times for each in found),
            sum((each.damage for each in found), Damage()),
            tuple(seconds for each in found for seconds in each.recovery_seconds),
        )

    def restarts(world: World, times: int, seed: int) -> Outcome:
        return environment.postgres_restarts(world, times, seed, postgres)

    def delivered_again(world: World, times: int, seed: int) -> Outcome:
        return deliveries.delivered_again(world, times, seed, postgres)

    return {
        "kill_at_random": (processes.kill_at_random, 200),
        "kill_at_each_step": (at_each_step, 50),
        "killed_while_erasing": (erasures.killed_while_erasing, 50),
        "rivals": (processes.rivals, 50),
        "stopped": (processes.stopped, 50),
        "lost_answers_of_postgres": (environment.lost_answers_of_postgres, 100),
        "lost_answers_of_the_lake": (environment.lost_answers_of_the_lake, 100),
        "postgres_restarts": (restarts, 20),
        "disk_full": (environment.disk_full, 20),
        "s3_faults": (environment.s3_faults, 20),
        "races": (processes.races, 200),
        "promoted_in_mid_batch": (processes.promoted_in_mid_batch, 50),
        "killed_before_the_alias": (processes.killed_before_the_alias, 100),
        "delivered_again": (delivered_again, 50),
        "receiver_down": (receivers.receiver_down, 200),
        "answers_at_once": (approvals.answers_at_once, 50),
        "forged_answers": (approvals.forged, 50),
        "champion_moved": (approvals.champion_moved, 50),
        "killed_from_approval_to_alias": (approvals.killed, 50),
        "killed_in_canary": (ramps.killed_in_canary, 50),
        "ramp_moves_in_mid_window": (ramps.moves_in_mid_window, 50),
        "evaluation_killed": (ramps.killed_evaluation, 50),
        "rollback_killed": (ramps.killed_rollback, 50),
        "rival_evaluations": (ramps.rival_evaluations, 50),
        "bit_flips": (environment.bit_flips, 1000),
        "shuffled_labels": (environment.shuffled_labels, 100),
    }


def proofs() -> dict[str, Callable[[World, int], Outcome]]:
    """Scenarios with one protection taken away: each must find damage."""
    step = "publishing: old rows deleted"
    return {
        "without the lock": lambda world, seed: processes.rivals(world, 2, seed, without="lock"),
        "without fencing tokens": lambda world, seed: processes.stopped(world, 4, seed, without="fencing tokens"),
        "without the transaction": lambda world, seed: processes.kill_at_step(
            world, 2, seed, step, without="transaction"
        ),
        "without a last look": lambda world, seed: ramps.moves_in_mid_window(world, 4, seed, without="a last look"),
        "without another try": lambda world, seed: receivers.receiver_down(world, 12, seed, without="another try"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--scale", type=float, default=1.0, help="Share of the full counts.")
    parser.add_argument("--only", nargs="+", metavar="SCENARIO", help="Only scenarios of these names.")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"seed {chosen.seed}", flush=True)
    outcomes, seen = [], []
    with TemporaryDirectory() as scratch, watched_run(Path(scratch)) as run:
        postgres = WatchedPostgres(run, Path(scratch) / "postgres" / "data", free_port())
        known = scenarios(postgres)
        if unknown := [name for name in chosen.only or () if name not in known]:
            parser.error(f"there is no scenario {', '.join(unknown)}; there are {', '.join(known)}")
        postgres.data.parent.mkdir()
        postgres.start()
        try:
            for name, (scenario, times) in known.items():
                if chosen.only is None or name in chosen.only:
                    began = time.monotonic()
                    world = make(Path(scratch) / name, postgres, run)
                    outcome = scenario(world, max(1, round(times * chosen.scale)), chosen.seed)
                    outcomes.append(outcome)
                    world.ledger.close()
                    print(f"{name}: {outcome.times}, {time.monotonic() - began:.0f} s {outcome.remark}", flush=True)
            for name, prove in proofs().items() if chosen.only is None else ():
                world = make(Path(scratch) / name.replace(" ", "_"), postgres, run)
                proof = prove(world, chosen.seed)
                seen.append((name, proof))
                world.ledger.close()
        finally:
            postgres.stop()
    print()
    print(table(outcomes))
    print()
    for name, proof in seen:
        said = "not seen: the harness is blind" if proof.clean else "seen"
        print(f"{proof.fault}, {name}: {said} ({proof.damage})")
    print(as_json(outcomes))
    return 0 if all(each.clean for each in outcomes) and not any(proof.clean for _, proof in seen) else 1


if __name__ == "__main__":
    sys.exit(main())
