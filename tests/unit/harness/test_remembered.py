"""What tests begin with is made once and copied: no test sees what another did; a world that differs is made anew."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.jobs.remembered import remembered
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import Rows, World, make_world

from perennial.digest import table_digest
from perennial.jobs.predict import ingest
from perennial.jobs.retrain import chain as retrain
from perennial.lake.memory import InMemoryLake
from perennial.ledger.entries import DeployedRole
from perennial.ledger.memory.ledger import InMemoryLedger

MakeWorld = Callable[[], World]


@pytest.fixture
def new(tmp_path: Path) -> MakeWorld:
    """Makes a world like every other."""

    def make() -> World:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return make_world(folder)

    return make


def test_a_copy_is_what_the_retraining_comes_to(new: MakeWorld) -> None:
    first_model(new())
    copied, trained = new(), new()
    first_model(copied)
    retrain.run(trained.use_case, trained.day(30).start, trained.ports, "test", actor="test", reason="first")
    for ask in ("snapshots_between", "validations_between"):
        found = [getattr(w.ports.ledger, ask)("parcels", w.day(0).start, w.day(60).start) for w in (copied, trained)]
        assert found[0] == found[1] != []
    deployed = [w.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION) for w in (copied, trained)]
    assert deployed[0] is not None
    assert deployed[1] is not None
    assert deployed[0].model_digest == deployed[1].model_digest
    assert copied.parcels.asked == trained.parcels.asked != []
    assert copied.outcomes.asked == trained.outcomes.asked != []
    scored = [table_digest(w.ports.lake.read(*_where(predict(w, 30)))) for w in (copied, trained)]
    assert scored[0] == scored[1]


def _where(scored: object) -> tuple[str, str]:
    return "predictions/parcels", scored.window.key  # type: ignore[attr-defined]


def test_no_copy_sees_what_happens_in_another(new: MakeWorld) -> None:
    one, other = new(), new()
    first_model(one)
    first_model(other)
    predict(one, 30)
    one.ports.registry.set_alias("parcels", "champion", None)
    assert other.ports.ledger.latest_batch("parcels", other.day(30)) is None
    assert other.ports.registry.alias("parcels", "champion") == "1"
    assert other.day(30) not in other.parcels.asked
    third = new()
    first_model(third)
    assert third.ports.ledger.latest_batch("parcels", third.day(30)) is None
    assert predict(third, 30).rows > 0


def _changed_rows(world: World) -> World:
    world.change(20, "weight", 10.0)
    return world


def _changed_spec(world: World) -> World:
    spec = world.use_case.spec.model_copy(update={"title": "Others"})
    return replace(world, use_case=replace(world.use_case, spec=spec))


def _other_rules(world: World) -> World:
    return replace(world, use_case=replace(world.use_case, expectations=world.use_case.expectations[:1]))


def _used(world: World) -> World:
    ingest.run(world.use_case, world.day(20), world.ports, "before")
    return world


def _another_clock(world: World) -> World:
    ledger = InMemoryLedger(lambda: datetime(2031, 1, 1, tzinfo=UTC))
    return replace(world, ports=replace(world.ports, ledger=ledger))


def _another_lake(world: World) -> World:
    class Lake(InMemoryLake):
        pass

    return replace(world, ports=replace(world.ports, lake=Lake()))


def _another_source(world: World) -> World:
    return replace(world, ports=replace(world.ports, source=lambda _, wanted: Rows(world.parcels.table)))


def _a_source_that_is_down(world: World) -> World:
    world.outcomes.down = True
    return world


def _a_replaced_method(world: World) -> World:
    world.parcels.fetch = lambda *_: pytest.fail("asked")  # type: ignore[method-assign]
    return world


@pytest.mark.parametrize(
    "differs",
    [
        _changed_rows, _changed_spec, _other_rules, _used, _another_clock, _another_lake, _another_source,
        _a_source_that_is_down, _a_replaced_method,
    ],
)  # fmt: skip
def test_a_world_that_differs_is_made_anew(new: MakeWorld, differs: Callable[[World], World]) -> None:
    made: list[World] = []
    name = f"nothing, for {differs.__name__}"
    remembered(new(), name, made.append)
    remembered(new(), name, made.append)
    assert len(made) == 1
    other = differs(new())
    remembered(other, name, made.append)
    assert made[1:] == [other]


def test_where_a_part_of_the_product_is_replaced_nothing_is_copied(
    new: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[World] = []
    with monkeypatch.context() as patch:
        patch.setattr(retrain.judge, "run", lambda *_: None)
        remembered(new(), "with another fit", made.append)
        remembered(new(), "with another fit", made.append)
        patch.setattr(type(made[0].ports.registry), "record_retraining", lambda *_: None)
        remembered(new(), "with another fit", made.append)
        assert len(made) == 2
    remembered(new(), "with another fit", made.append)
    remembered(new(), "with another fit", made.append)
    assert len(made) == 3


def test_who_asks_and_when_makes_no_difference(new: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[World] = []
    for number in range(2):
        monkeypatch.setattr("perennial.clock.now", lambda number=number: datetime(2031, 1, 1 + number, tzinfo=UTC))
        world = new()
        monkeypatch.setattr("perennial.cli.session.Session.ports", world.ports)
        remembered(world, "at any time", made.append)
    assert len(made) == 1


def test_what_comes_after_the_same_beginning_is_copied_too_with_its_result(new: MakeWorld) -> None:
    calls: list[World] = []

    def second(world: World) -> list[str]:
        calls.append(world)
        return [predict(world, 31).window.key]

    results = []
    for number in range(3):
        world = new()
        first_model(world)
        predict(world, 30)
        results.append(remembered(world, "what comes second", second))
        results[-1].append(f"changed by {number}")
        assert world.ports.ledger.latest_batch("parcels", world.day(31)) is not None
    assert len(calls) == 1
    assert results == [[calls[0].day(31).key, f"changed by {number}"] for number in range(3)]
