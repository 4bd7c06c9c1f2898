"""What many tests begin with, done once in a process: each of them gets a copy of its own.

A retraining takes seconds, and comes to the same from the same world.
"""

import hashlib
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tests.unit.jobs.world import World

Result = TypeVar("Result")
CLOCK = "_clock"
NOT_COPIED = {CLOCK, "_lock", "_windows"}  # a clock, and locks of the process that holds them: each store has its own
INSTANTS = {"_at", "_shown_at"}  # when something was written: copied, and no two worlds are the same in that
# Who asks, and when: no job of a world knows it, and many tests replace it by something of their own.
NOT_LOOKED_AT = ("perennial.cli.", "perennial.pages.", "perennial.clock")
MOST_KEPT = 40  # of some megabytes each
_kept: dict[tuple[object, ...], bytes] = {}
_first: dict[str, object] = {}
_others: list[object] = []


def remembered(world: "World", name: str, make: Callable[["World"], Result]) -> Result:
    """Do `make` to the world; where it was done under that name to one just like it, copy what came of that.

    Alike are worlds of `make_world` whose use cases, sources and stores hold the same, in a product of which the same
    parts are replaced. What `make` logs is not heard again.
    """
    if not _is_plain(world):
        return make(world)
    spec, rules, queries = world.use_case.spec, world.use_case.suite_digest, world.use_case.queries
    before = hashlib.sha256(pickle.dumps([_told(part) for part in _parts(world)])).digest()
    key = (name, repr(spec), rules, repr(queries), before, _replaced())
    if key not in _kept:
        result = make(world)
        _kept[key] = pickle.dumps((result, [_held(part) for part in _parts(world)]))
        if len(_kept) > MOST_KEPT:
            del _kept[next(iter(_kept))]
        return result
    _kept[key] = _kept.pop(key)  # what was asked for last is kept longest
    copied: tuple[Result, list[dict[str, Any]]] = pickle.loads(_kept[key])
    for part, held in zip(_parts(world), copied[1], strict=True):
        vars(part).update(held)
    return copied[0]


def _held(part: object) -> dict[str, Any]:
    """What a store or a source holds."""
    return {name: held for name, held in vars(part).items() if name not in NOT_COPIED}


def _told(part: object) -> dict[str, Any]:
    """What of that makes two of them differ."""
    return {name: held for name, held in _held(part).items() if name not in INSTANTS}


def _is_plain(world: "World") -> bool:
    """Whether nothing of the world itself was replaced since `make_world` made it."""
    from tests.unit.jobs.world import Sources, new_world  # which imports this module

    new, ports = new_world(world.use_case), world.ports
    source = ports.source
    return (
        isinstance(source, Sources)
        and source.parcels is world.parcels
        and source.outcomes is world.outcomes
        and (ports.missing, ports.tried, ports.attempted) == (new.ports.missing, None, None)
        and all(
            (type(part), vars(part).keys(), getattr(part, CLOCK, None))
            == (type(other), vars(other).keys(), getattr(other, CLOCK, None))
            for part, other in zip(_parts(world), _parts(new), strict=True)
        )
    )


def _parts(world: "World") -> tuple[object, ...]:
    """What a world is made of and can change."""
    ports = world.ports
    stores = ports.lake, ports.ledger, ports.registry, ports.published, ports.artifacts
    return (*stores, world.parcels, world.outcomes)


def _replaced() -> frozenset[tuple[str, int]]:
    """The functions, classes and constants of the product that are others than when they were first seen here."""
    found = set()
    for name, value in _product():
        if _first.setdefault(name, value) is not value:
            _others.append(value)  # so that nothing else ever has its number
            found.add((name, id(value)))
    return frozenset(found)


def _product() -> Iterator[tuple[str, object]]:
    for name, module in list(sys.modules.items()):
        if name.startswith("perennial.") and not name.startswith(NOT_LOOKED_AT):
            for own, value in list(vars(module).items()):
                yield f"{name}:{own}", value
                if isinstance(value, type) and value.__module__ == name:
                    yield from ((f"{name}:{own}.{part}", held) for part, held in list(vars(value).items()))
