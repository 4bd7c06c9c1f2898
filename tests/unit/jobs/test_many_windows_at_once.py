"""A training set of windows that are all there asks the ledger once, and looks closer where something is not usual."""

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.jobs.test_predict_path import first_model
from tests.unit.jobs.world import World

from perennial.jobs.predict import ingest
from perennial.jobs.retrain import assemble
from perennial.jobs.retrain.assembling import labelled_windows
from perennial.records.training_set import read_manifest


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[object]:
    """The calls of a method, as they come."""
    calls: list[object] = []
    real = getattr(owner, name)

    def call(*given: Any, **named: Any) -> object:
        calls.append(given)
        return real(*given, **named)

    monkeypatch.setattr(owner, name, call)
    return calls


def test_windows_that_are_all_there_cost_no_question_each(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first_model(world, 30)
    before = assemble.run(world.use_case, world.day(30).start, world.ports, "first")
    ledger = world.ports.ledger
    asked = [counted(monkeypatch, ledger, name) for name in ("validation_of", "interventions_on", "working_on")]
    again = assemble.run(world.use_case, world.day(30).start + timedelta(hours=1), world.ports, "again")
    assert (again.rows, again.windows, again.digest) == (before.rows, before.windows, before.digest)
    assert [len(calls) for calls in asked] == [0, 0, 0]


def test_a_window_with_quarantined_rows_is_looked_at_closer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (position, *_) = world.rows_of(20)
    world.put("weight", {position: -60.0})
    first_model(world, 30)
    looked_at = counted(monkeypatch, labelled_windows, "clean_rows")
    assembled = assemble.run(world.use_case, world.day(30).start, world.ports, "again")
    assert [given[1] for given in looked_at] == [world.day(20)]  # type: ignore[index]
    (part,) = (
        each for each in read_manifest(assembled.training_id, world.ports).windows if each.window == world.day(20)
    )
    rows = len(world.rows_of(20))
    assert part.labelled == rows - 1


def test_a_window_that_was_ingested_again_is_not_taken_by_its_old_verdict(world: World) -> None:
    first_model(world, 30)
    world.change(20, "weight", 11.0)
    assert ingest.run(world.use_case, world.day(20), world.ports, "again").changed
    snapshot = world.ports.ledger.latest_snapshot("parcels", world.day(20))
    assert snapshot is not None
    assembled = assemble.run(world.use_case, world.day(30).start, world.ports, "again")
    (part,) = (
        each for each in read_manifest(assembled.training_id, world.ports).windows if each.window == world.day(20)
    )
    assert part.snapshot_digest == snapshot.digest
