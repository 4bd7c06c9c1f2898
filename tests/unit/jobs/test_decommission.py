"""A use case ends: nothing new is made, consumers are told, data is kept or erased, and the ledger keeps its word."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from tests.contract.test_registry import candidate
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import RECORDED, START, World, as_batch

from perennial.errors import RowsRemoved, UseCaseEnded, WindowBusy
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import ingest, monitor, score
from perennial.jobs.retrain import assemble, rollback
from perennial.jobs.upkeep import decommission, verify
from perennial.jobs.upkeep.decommission import DataClass, Step
from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.records.model_choice import ModelChoice
from perennial.spec.load import load_use_case

ERASED = (DataClass.SNAPSHOTS, DataClass.LABELS, DataClass.TRAINING, DataClass.PUBLISHED)


class Killed(BaseException):
    """What ends a process in the middle."""


@pytest.fixture
def lived(world: World) -> World:
    """A use case with a champion and two scored windows."""
    first_model(world)
    predict(world, 31)
    predict(world, 32)
    return world


@pytest.fixture
def kept(world: World) -> World:
    """The same without the work: a row in each store."""
    rows = pa.table({"parcel": [1], "prediction": [0.5], "event_time": pa.array([START], pa.timestamp("us", "UTC"))})
    for table in decommission.TABLES.values():
        world.ports.lake.replace(table("parcels"), world.day(31).key, rows)
    world.ports.published.publish("parcels", world.day(31), as_batch(rows))
    version = world.ports.registry.register(candidate("parcels")).version
    world.ports.registry.attach("parcels", version, {"trial/example.arrow": b"rows", "exports/model.onnx": b"onnx"})
    return world


def end(world: World, erase: Collection[DataClass] = (), run_id: str = "by hand", reason: str = "closed") -> list[Step]:
    return decommission.run(world.use_case, erase, RECORDED, world.ports, run_id, actor="ada", reason=reason)


def entries(world: World, kind: InterventionKind) -> list[Intervention]:
    return list(world.ports.ledger.interventions("parcels", kind))


def stored(world: World) -> dict[DataClass, int]:
    return {each: world.ports.lake.stored(table("parcels")).files for each, table in decommission.TABLES.items()}


def test_the_plan_says_what_ends_is_kept_and_is_erased_and_changes_nothing(lived: World) -> None:
    files = stored(lived)
    plan = {step.what: step for step in decommission.plan(lived.use_case, ERASED, lived.ports)}
    assert plan["the use case"].amount == "2 windows scored"
    raw, kept = plan["snapshots (raw/parcels)"], plan["predictions (predictions/parcels)"]
    assert (raw.becomes, raw.amount) == ("erased", f"{files[DataClass.SNAPSHOTS]} files")
    assert raw.bytes
    assert (kept.becomes, kept.amount) == ("kept", "2 files")
    assert plan["table perennial.predictions_parcels"].becomes == "marked as ended, its rows erased"
    assert plan["models"].becomes == "kept, without 1 file of example rows"
    assert plan["ledger"].becomes == "kept, and still verified"
    assert entries(lived, InterventionKind.USE_CASE_ENDED) == []
    assert stored(lived) == files
    assert lived.ports.published.ended("parcels") is None
    plain = {step.what: step.becomes for step in decommission.plan(lived.use_case, (), lived.ports)}
    assert plain["table perennial.predictions_parcels"] == "marked as ended, its rows kept"
    assert plain["models"] == "kept"


def test_without_classes_to_erase_all_data_is_kept_and_consumers_are_told(lived: World) -> None:
    files = stored(lived)
    end(lived)
    (entry,) = entries(lived, InterventionKind.USE_CASE_ENDED)
    assert (entry.actor, entry.reason) == ("ada", "closed")
    assert (entry.details["champion"], entry.details["last_window"]) == ("1", lived.day(32).key)
    assert lived.ports.published.ended("parcels") == "ENDED on 2030-01-01: closed. No new rows come."
    assert lived.ports.published.read("parcels", lived.day(31)).num_rows > 0
    assert stored(lived) == files
    ended = load_use_case(lived.use_case.folder).ended
    assert ended is not None
    assert (ended.by, ended.reason) == ("ada", "closed")


def test_data_is_erased_by_class_and_the_ledger_still_verifies(lived: World) -> None:
    before = stored(lived)
    steps = {step.what: step for step in end(lived, ERASED)}
    assert steps["snapshots (raw/parcels)"].amount == f"{before[DataClass.SNAPSHOTS]} files"
    after = stored(lived)
    assert {each for each, files in after.items() if files} == {DataClass.PREDICTIONS, DataClass.QUARANTINE} & {
        each for each, files in before.items() if files
    }
    assert lived.ports.published.size("parcels").rows == 0
    snapshot = lived.ports.ledger.latest_snapshot("parcels", lived.day(31))
    assert snapshot is not None
    with pytest.raises(RowsRemoved):
        lived.ports.lake.read(snapshot.table, lived.day(31).key, version=snapshot.version)
    files = lived.ports.registry.files("parcels", "1")
    assert {"model.skops", "reference.json"} <= files.keys()
    assert not [path for path in files if path.startswith("trial/")]
    told = {entry.details["class"]: entry for entry in entries(lived, InterventionKind.DATA_ERASED)}
    assert told.keys() == {each.value for each in ERASED}
    assert told["snapshots"].details["files"] == before[DataClass.SNAPSHOTS]
    assert told["snapshots"].subject == "raw/parcels"
    assert verify.run(lived.ports.ledger, ()).alterations == 0


def test_nothing_new_is_made_of_it_whoever_runs_what(lived: World) -> None:
    end(lived)
    case, ports, window = lived.use_case, lived.ports, lived.day(33)
    attempts: list[Callable[[], Any]] = [
        lambda: ingest.run(case, window, ports, "r"),
        lambda: score.run(case, lived.day(31), ports, "r", model=ModelChoice()),
        lambda: monitor.run(case, lived.day(31), ports, "r"),
        lambda: collect_labels.require_all(case, collect_labels.run(case, RECORDED, ports, "r").refused),
        lambda: measure.run(case, RECORDED, ports, "r"),
        lambda: assemble.run(case, RECORDED, ports, "r"),
        lambda: rollback.run(case, "1", ports, "r", actor="ada", reason="r"),
    ]
    for attempt in attempts:
        with pytest.raises(UseCaseEnded, match="parcels was ended on 2030-01-01 by ada: closed"):
            attempt()
    assert lived.ports.ledger.latest_snapshot("parcels", window) is None


def test_more_may_be_erased_later_and_the_end_stays_what_it_was(lived: World) -> None:
    end(lived)
    end(lived, [DataClass.SNAPSHOTS], "later", "the law says so")
    assert [entry.reason for entry in entries(lived, InterventionKind.USE_CASE_ENDED)] == ["closed"]
    assert [entry.reason for entry in entries(lived, InterventionKind.DATA_ERASED)] == ["the law says so"]
    end(lived, [DataClass.SNAPSHOTS], "again")
    assert len(entries(lived, InterventionKind.DATA_ERASED)) == 1
    assert "closed" in lived.ports.published.ended("parcels")  # type: ignore[operator]
    assert decommission.plan(lived.use_case, (), lived.ports)[0].becomes == "ended on 2030-01-01 by ada: closed"


def test_a_window_that_is_worked_on_holds_it_back(world: World) -> None:
    ports = replace(world.ports, ledger=InMemoryLedger(lambda: RECORDED, lock_timeout=0.05))
    busy = World(world.use_case, ports, world.parcels, world.outcomes)
    for subject in ("parcels", "parcels/labels"):
        with (
            ports.ledger.working_on(subject, world.day(31), "run"),
            pytest.raises(WindowBusy, match="held by another run"),
        ):
            end(busy, ERASED)
        assert entries(busy, InterventionKind.USE_CASE_ENDED) == []
        assert ports.published.ended("parcels") is None
    end(busy, ERASED)
    assert len(entries(busy, InterventionKind.USE_CASE_ENDED)) == 1


def test_a_run_that_began_just_before_the_end_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = InMemoryLedger(lambda: RECORDED, lock_timeout=0.05)
    racing = World(world.use_case, replace(world.ports, ledger=ledger), world.parcels, world.outcomes)
    record, run = ledger.record_intervention, ledger.working_on("parcels", world.day(31), "run")

    def begin_a_window_first(entry: Intervention) -> Intervention:
        monkeypatch.setattr(ledger, "record_intervention", record)
        run.__enter__()
        return record(entry)

    monkeypatch.setattr(ledger, "record_intervention", begin_a_window_first)
    with pytest.raises(WindowBusy):
        end(racing, ERASED)
    assert ledger.interventions("parcels", InterventionKind.DATA_ERASED) == []
    run.__exit__(None, None, None)
    end(racing, ERASED, "again")
    assert len(entries(racing, InterventionKind.USE_CASE_ENDED)) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "step", ["record_intervention", "mark_ended", "stored", "lake.erase", "published.erase", "remove", "write_ended"]
)
def test_one_that_was_killed_is_finished_by_the_next(
    kept: World, step: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = kept.ports
    owners: dict[str, Any] = {
        "record_intervention": ports.ledger, "mark_ended": ports.published, "stored": ports.lake,
        "lake.erase": ports.lake, "published.erase": ports.published, "remove": ports.registry,
        "write_ended": decommission,
    }  # fmt: skip
    name = step.rpartition(".")[2]
    real = getattr(owners[step], name)

    def killed(*arguments: Any, **named: Any) -> None:
        if after:
            real(*arguments, **named)
        raise Killed

    with monkeypatch.context() as cut:
        cut.setattr(owners[step], name, killed)
        with pytest.raises(Killed):
            end(kept, ERASED)
    end(kept, ERASED, "again")
    assert len(entries(kept, InterventionKind.USE_CASE_ENDED)) == 1
    assert {entry.details["class"] for entry in entries(kept, InterventionKind.DATA_ERASED)} == set(ERASED)
    left = {DataClass.QUARANTINE, DataClass.PREDICTIONS, DataClass.SHADOW}
    assert {each for each, files in stored(kept).items() if files} == left
    assert list(ports.registry.files("parcels", "1")) == ["model.skops", "reference.json", "exports/model.onnx"]
    assert ports.published.size("parcels").rows == 0
    assert ports.published.ended("parcels") is not None
    assert load_use_case(kept.use_case.folder).ended is not None
    assert verify.run(ports.ledger, ()).alterations == 0
