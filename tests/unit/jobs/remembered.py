"""What many tests begin with, done once in a process: each of them gets a copy of its own.

A retraining takes seconds, and comes to the same from the same world. Tests of the retraining call it themselves.
"""

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.unit.jobs.world import World

LOCKS = {"_lock", "_windows"}  # of the process that holds them: each store has its own
_kept: dict[tuple[str, ...], bytes] = {}


def remembered(world: "World", name: str, make: Callable[["World"], object]) -> None:
    """Do `make` to the world; where it was done under that name to one just like it, copy what came of that.

    Alike are worlds in which nothing was changed or used since they were made, if their use cases are the same. What
    was replaced in the product itself is not seen: a test that does so calls `make`.
    """
    if not _is_new(world):
        make(world)
        return
    key = (name, repr(world.use_case.spec), world.use_case.suite_digest, repr(world.use_case.queries))
    if key not in _kept:
        make(world)
        held = [_containers(part) for part in _parts(world)]
        _kept[key] = pickle.dumps(held)
        return
    for part, held in zip(_parts(world), pickle.loads(_kept[key]), strict=True):
        vars(part).update(held)


def _is_new(world: "World") -> bool:
    from tests.unit.jobs.world import Sources, new_world  # which imports this module

    new = new_world(world.use_case)
    source = world.ports.source
    return (
        isinstance(source, Sources)
        and (source.parcels, source.outcomes) == (world.parcels, world.outcomes)
        and (world.ports.missing, world.ports.tried, world.ports.attempted)
        == (new.ports.missing, new.ports.tried, new.ports.attempted)
        and all(
            type(part) is type(other) and _without_locks(part) == _without_locks(other)
            for part, other in zip(_parts(world), _parts(new), strict=True)
        )
    )


def _parts(world: "World") -> tuple[object, ...]:
    """What a world is made of and can change."""
    ports = world.ports
    stores = ports.lake, ports.ledger, ports.registry, ports.published, ports.artifacts
    return (*stores, world.parcels, world.outcomes)


def _without_locks(part: object) -> dict[str, Any]:
    return {name: held for name, held in vars(part).items() if name not in LOCKS}


def _containers(part: object) -> dict[str, Any]:
    """What a store holds, and what a source was asked."""
    return {name: held for name, held in _without_locks(part).items() if isinstance(held, dict | set | list)}
