"""An entity is erased by a process that is killed; whoever does it again leaves nothing of it."""

import random
import time
from functools import partial

import pyarrow.compute as pc
import pyarrow.parquet as pq
from tests.faults.outcome import Damage, Outcome
from tests.faults.processes import KILLED, recover
from tests.faults.steps import fork_context, log_of, start_work
from tests.faults.world import NAME, World
from tests.waiting import PATIENCE

from perennial.errors import TransientError
from perennial.jobs.erase import find
from perennial.jobs.erase import run as erase
from perennial.jobs.upkeep.decommission import TABLES
from perennial.lake.forgetting import without
from perennial.window import Window

NUMBER = 5  # of the window


def erased(entity: str, run_id: str, world: World) -> None:
    """Erase the entity, again and again while a lease of a process that was killed is in the way."""
    began = time.monotonic()
    while True:
        try:
            erase.run(world.use_case, entity, world.ports, run_id, actor="faults", reason="asked")
        except TransientError:
            assert time.monotonic() - began < PATIENCE, f"could not erase within {PATIENCE:.0f} s"
            time.sleep(0.05)
        else:
            return


def killed_while_erasing(world: World, times: int, seed: int) -> Outcome:
    """SIGKILL at a random moment of an erasure, which then is done again; each time of another entity."""
    chance, context = random.Random(seed), fork_context()
    window, damage, recoveries, killed, typical, turn = world.window(NUMBER), Damage(), [], 0, 1.0, 0
    while killed < times:
        world.change_source(window, seed + turn)
        recover(world, NUMBER, f"erasing-{turn}-before")
        entity, run_id = str(chance.choice(world.keys(window))), f"erasing-{turn}"
        _leave_out_of_the_source(world, window, entity)
        if turn:  # the first is not disturbed: it says how long one takes
            victim = start_work(
                context, world.address, partial(erased, entity, run_id), run_id, after=chance.uniform(0, 1.2 * typical)
            )
            victim.join(PATIENCE)
            assert victim.exitcode in (0, KILLED), log_of(world.address, run_id)
            killed += victim.exitcode == KILLED
        began = time.monotonic()
        erased(entity, f"{run_id}-again", world)
        typical = time.monotonic() - began if not turn else typical
        recoveries += [time.monotonic() - began] if turn else []
        damage += world.audit(window) + Damage(stale=_left(world, window, entity))
        turn += 1
    return Outcome("SIGKILL while an entity is erased", killed, damage, tuple(recoveries))


def _leave_out_of_the_source(world: World, window: Window, entity: str) -> None:
    path = world.source_file(window)
    rows = pq.read_table(path)
    pq.write_table(rows.filter(pc.not_equal(rows["parcel"], int(entity))), path)


def _left(world: World, window: Window, entity: str) -> int:
    """How many rows of the entity any version of any table still has, and what `find` sees of it."""
    lake, key = world.ports.lake, world.use_case.spec.key
    left = find.run(world.use_case, entity, world.ports).found
    for table in (each(NAME) for each in TABLES.values()):
        newest = lake.version(table)
        for version in range(0 if newest is None else newest + 1):
            rows = lake.read(table, window.key, version=version)
            left += rows.num_rows - without(rows, key, entity).num_rows
    return left
