"""Windows that were never ingested come into a training set many at once, and to what each alone would come to."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.jobs.test_many_windows_at_once import counted
from tests.unit.jobs.world import World, new_world

from perennial.errors import (
    EmptyWindow,
    SchemaMismatch,
    SourceUnavailable,
    StoreUnavailable,
    ValidationFailed,
    WindowBusy,
)
from perennial.jobs.evaluate import collect_labels
from perennial.jobs.predict import ingest, validate
from perennial.jobs.retrain import assemble
from perennial.jobs.retrain.assembling import labelled_windows, taking_in
from perennial.jobs.retrain.assembling.taking_in import take_in
from perennial.lake.port import labels_table, quarantine_table, raw_table, window_partition
from perennial.ledger.entries import Snapshot, ValidationResult
from perennial.records.gate import clean_rows
from perennial.records.labels import collect
from perennial.records.training_set import read_manifest, read_rows
from perennial.verdict import Verdict

NAME, DAY = "parcels", 20


def assembled(world: World, minutes: int = 0) -> assemble.Assembled:
    return assemble.run(world.use_case, world.day(DAY).start + timedelta(minutes=minutes), world.ports, "test")


def entries(world: World, kind: type[Snapshot] | type[ValidationResult]) -> list[Any]:
    """What the ledger holds of all days, without the circumstances under which it was recorded."""
    ledger, days = world.ports.ledger, [world.day(number) for number in range(DAY)]
    found = ledger.snapshots if kind is Snapshot else ledger.validations
    same = {"id": None, "version": 0} if kind is Snapshot else {"id": None}
    return [replace(entry, **same) for day in days for entry in found(NAME, day)]  # type: ignore[arg-type]


def with_oddities(world: World) -> World:
    """A row that goes to quarantine, a window that fails, and one without rows."""
    world.put("weight", {world.rows_of(7)[0]: -60.0})
    world.change(8, "weight", 500.0)
    none = set(world.rows_of(9))
    kept = [position not in none for position in range(world.parcels.table.num_rows)]
    world.parcels.table = world.parcels.table.filter(kept)
    return world


def test_all_of_them_share_leases_commits_and_entries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("working_on", "record_snapshot", "record_validation", "working_on_free", "record_snapshots")
    calls = {name: counted(monkeypatch, world.ports.ledger, name) for name in names}
    assembled(world)
    assert {name: len(each) for name, each in calls.items()} == {
        **dict.fromkeys(("working_on", "record_snapshot", "record_validation"), 0),
        "working_on_free": 2,
        "record_snapshots": 1,
    }
    assert [world.ports.lake.version(table(NAME)) for table in (raw_table, labels_table)] == [1, 1]
    assert world.ports.lake.version(quarantine_table(NAME)) is None  # no row was set aside


def test_each_window_comes_to_what_it_would_come_to_alone(world: World) -> None:
    together, alone = with_oddities(world), with_oddities(new_world(world.use_case))
    made = assembled(together)
    for number in range(DAY - 1):
        with suppress(EmptyWindow, ValidationFailed):
            for job in (ingest, validate):
                job.run(alone.use_case, alone.day(number), alone.ports, "test")
            collect(alone.use_case, alone.day(number), alone.day(DAY).start, alone.ports, "test")
    other = assembled(alone)
    assert (made.digest, made.rows, made.windows, made.excluded) == (other.digest, other.rows, other.windows, 2)
    for kind in (Snapshot, ValidationResult):
        assert entries(together, kind) == entries(alone, kind)
    manifests = [read_manifest(each.training_id, where.ports) for each, where in ((made, together), (other, alone))]
    assert [each.excluded for each in manifests[:1]] == [each.excluded for each in manifests[1:]]
    assert read_rows(manifests[0], together.ports).equals(read_rows(manifests[1], alone.ports))
    for table in (raw_table(NAME), quarantine_table(NAME), labels_table(NAME)):
        partitions = together.ports.lake.partitions(table)
        assert partitions == alone.ports.lake.partitions(table)
        for each in partitions:
            assert together.ports.lake.read(table, each).equals(alone.ports.lake.read(table, each))


def test_what_was_quarantined_is_clean_when_it_is_asked_for_alone(world: World) -> None:
    taken = take_in(with_oddities(world).use_case, [world.day(number) for number in (6, 7, 8, 9)], world.ports, "test")
    assert sorted(taken.clean) == [world.day(6), world.day(7)]
    for window, (gate, rows) in taken.clean.items():
        gate_alone, rows_alone = clean_rows(world.use_case, window, world.ports)
        assert (gate.snapshot, gate.validation) == (gate_alone.snapshot, gate_alone.validation)
        assert rows.equals(rows_alone)
    assert "failed validation" in taken.refused[world.day(8)]
    assert "no rows" in taken.refused[world.day(9)]
    assert world.ports.ledger.validations(NAME, world.day(8))[0].verdict is Verdict.FAIL


@pytest.mark.parametrize(("bytes_", "seconds"), [(0, 60.0), (2**30, 0.0)])
def test_large_or_slow_windows_are_taken_in_a_few_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch, bytes_: int, seconds: float
) -> None:
    whole = assembled(new_world(world.use_case))
    monkeypatch.setattr(taking_in, "ENOUGH_BYTES", bytes_)
    monkeypatch.setattr(taking_in, "ENOUGH_SECONDS", seconds)
    monkeypatch.setattr(labelled_windows, "ROWS_AT_ONCE", 300)
    told: list[int] = []
    made = assemble.run(world.use_case, world.day(DAY).start, world.ports, "test", lambda done: told.append(done.done))
    assert (made.digest, told) == (whole.digest, list(range(19)))
    assert world.ports.lake.version(raw_table(NAME)) == 19
    assert assembled(world, minutes=1).digest == whole.digest


def test_a_window_that_another_run_holds_is_waited_for_alone(world: World) -> None:
    held = world.day(3)
    vars(world.ports.ledger)["_lock_timeout"] = 0.05
    with world.ports.ledger.working_on(NAME, held, "other"):
        taken = take_in(world.use_case, [world.day(2), held], world.ports, "test")
        assert (list(taken.clean), taken.looked_at) == ([world.day(2)], {world.day(2), held})
        with pytest.raises(WindowBusy, match="2024-01-04"):
            assembled(world)
    assert assembled(world).windows == 19


def test_a_window_that_another_run_took_in_meanwhile_is_not_taken_in_again(world: World) -> None:
    ingest.run(world.use_case, world.day(3), world.ports, "other")
    taken = take_in(world.use_case, [world.day(2), world.day(3)], world.ports, "test")
    assert (list(taken.clean), taken.looked_at) == ([world.day(2)], {world.day(2), world.day(3)})
    assert len(world.ports.ledger.snapshots(NAME, world.day(3))) == 1


def test_what_the_source_delivered_before_it_failed_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = world.parcels.fetch

    def fetch(window: Any, *given: Any) -> Any:
        world.parcels.down = window == world.day(5)
        return real(window, *given)

    monkeypatch.setattr(world.parcels, "fetch", fetch)
    with pytest.raises(SourceUnavailable):
        assembled(world)
    assert [bool(world.ports.ledger.validations(NAME, world.day(number))) for number in (4, 5)] == [True, False]
    monkeypatch.setattr(world.parcels, "fetch", real)
    world.parcels.down = False
    world.parcels.asked.clear()
    assert assembled(world).windows == 19
    assert world.parcels.asked == [world.day(number) for number in range(5, 19)]


@pytest.mark.parametrize("cut_off", ["record_snapshots", "record_validations"])
def test_a_run_that_is_cut_off_leaves_what_the_next_one_adopts(
    world: World, monkeypatch: pytest.MonkeyPatch, cut_off: str
) -> None:
    whole = assembled(new_world(world.use_case))

    def fail(*_: Any) -> Any:
        raise StoreUnavailable("the ledger does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(world.ports.ledger, cut_off, fail)
        with pytest.raises(StoreUnavailable):
            assembled(world)
    version = world.ports.lake.version(raw_table(NAME))
    assert len(world.ports.ledger.leases_not_given_back(NAME)) == 19
    fenced = counted(monkeypatch, world.ports.lake, "fence")
    assert assembled(world).digest == whole.digest
    assert world.ports.lake.version(raw_table(NAME)) == version
    assert len(fenced) == (3 if cut_off == "record_snapshots" else 3 * 19)  # of three tables; validated one by one


def test_labels_that_are_refused_keep_no_other_window_from_getting_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = world.outcomes.fetch

    def fetch(window: Any, *given: Any) -> Any:
        found = real(window, *given)
        return replace(found, rows=found.rows.drop_columns("late")) if window == world.day(5) else found

    monkeypatch.setattr(world.outcomes, "fetch", fetch)
    made = assembled(world)
    (excluded,) = read_manifest(made.training_id, world.ports).excluded
    assert (made.windows, excluded.window) == (18, world.day(5))
    assert "column late is delivered 0 times" in excluded.reason


def test_labels_that_another_run_collects_are_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = assembled(new_world(world.use_case))
    vars(world.ports.ledger)["_lock_timeout"] = 0.05
    waited = counted(monkeypatch, world.ports.ledger, "working_on")
    with world.ports.ledger.working_on(f"{NAME}/labels", world.day(3), "other"), pytest.raises(WindowBusy):
        assembled(world)
    assert [each[:2] for each in waited[1:]] == [(f"{NAME}/labels", world.day(3))]  # type: ignore[index]
    assert assembled(world).digest == before.digest
    assert collect_labels.run(world.use_case, world.day(DAY).start, world.ports, "test").new == 0
    assert window_partition(world.day(3)) in world.ports.lake.partitions(labels_table(NAME))


def test_windows_that_surely_conform_are_delivered_together_as_each_is_alone(world: World) -> None:
    window, stray, later, text = (world.day(number) for number in (3, 4, 5, 6))
    extracts = {each: ingest.extracted(world.use_case, each, world.ports) for each in (window, stray, later, text)}
    extracts[stray] = [replace(extracts[stray][0], rows=extracts[later][0].rows)]
    rows = extracts[text][0].rows
    place = rows.column_names.index("weight")
    as_text = rows.set_column(place, "weight", rows.column("weight").cast("string"))
    extracts[text] = [replace(extracts[text][0], rows=as_text)]
    together = ingest.delivered_together(world.use_case, extracts)
    assert list(together) == [window, later]
    for each, found in together.items():
        alone = ingest.delivered(world.use_case, each, extracts[each], world.ports)
        assert found.rows.equals(alone.rows)
        assert replace(found, rows=alone.rows) == alone
    with pytest.raises(SchemaMismatch, match="outside the window"):
        ingest.delivered(world.use_case, stray, extracts[stray], world.ports)
