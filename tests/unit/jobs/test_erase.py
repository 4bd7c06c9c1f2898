"""An entity is erased: live revisions stay true without it, the past forgets it, and the ledger says so."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest
from tests.unit.jobs.test_predict_path import AS_WAS, first_model, predict
from tests.unit.jobs.test_the_past import evaluated
from tests.unit.jobs.world import RECORDED, World

from perennial.errors import EntityErased, ErasureUnfinished, NotScored, RowsErased, RowsLost, WindowBusy
from perennial.jobs.erase import find
from perennial.jobs.erase import run as erase
from perennial.jobs.predict import ingest, score, validate
from perennial.jobs.upkeep import decommission, quarantine, reconcile, verify
from perennial.jobs.upkeep.decommission import DataClass
from perennial.lake.delta import DeltaLake
from perennial.lake.old_files import folder_of
from perennial.lake.port import Forgotten
from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.records import erasure
from perennial.records.batch import compare_stores, live_rows
from perennial.records.gate import clean_rows, snapshot_rows
from perennial.review import explain, history, reproduce


class Killed(BaseException):
    """What ends a process in the middle."""


@pytest.fixture
def lived(world: World) -> World:
    """Two windows, the first with two revisions, its rows in a training set, too."""
    first_model(world)
    predict(world, 31)
    evaluated(world, 31)
    world.put("weight", {world.rows_of(31)[5]: 11.5})
    predict(world, 31)
    predict(world, 32)
    return world


def someone(world: World, day: int = 31, number: int = 0) -> str:
    return str(world.parcels.table.column("parcel")[world.rows_of(day)[number]].as_py())


def erased(world: World, entity: str, run_id: str = "erasing") -> erase.Erased:
    return erase.run(world.use_case, entity, world.ports, run_id, actor="ada", reason="they asked")


def everything(world: World) -> str:
    """All that is stored, as text."""
    lake: Any = world.ports.lake
    ledger: Any = world.ports.ledger
    published: Any = world.ports.published
    tables = [rows.to_pylist() for each in lake._tables.values() for rows in each.tables()]
    entries = {kind: found for kind, found in ledger._by_kind.items() if found}
    return repr((tables, [rows.to_pylist() for rows in published._rows.values()], entries))


def about(world: World, entity: str) -> int:
    return find.run(world.use_case, entity, world.ports).found


def source_forgets(world: World, entity: str) -> None:
    for rows in (world.parcels, world.outcomes):
        keep = [i for i, key in enumerate(rows.table.column("parcel").to_pylist()) if str(key) != entity]
        rows.table = rows.table.take(keep)


def test_what_is_live_is_true_without_the_entity_and_nothing_else_changed(lived: World) -> None:
    ports, entity = lived.ports, someone(lived)
    before = {day: ports.ledger.latest_batch("parcels", lived.day(day)) for day in (31, 32)}
    rows = {day: ports.published.read("parcels", lived.day(day)).to_pylist() for day in (31, 32)}
    assert about(lived, entity) > 4
    done = erased(lived, entity)
    assert (done.windows, done.tombstone is not None, done.unread) == (1, True, ())
    assert about(lived, entity) == 0
    batch = ports.ledger.latest_batch("parcels", lived.day(31))
    assert batch is not None
    assert before[31] is not None
    assert (batch.revision, batch.rows) == (before[31].revision + 1, before[31].rows - 1)
    same = ("model_version", "model_digest", "suite_digest", "scoring_digest", "resolution", "decision")
    assert [getattr(batch, name) for name in same] == [getattr(before[31], name) for name in same]
    assert ports.ledger.latest_batch("parcels", lived.day(32)) == before[32]
    found = compare_stores(batch, ports)
    assert found.lake_agrees
    assert found.published_agrees
    snapshot = ports.ledger.latest_snapshot("parcels", lived.day(31))
    assert snapshot is not None
    assert snapshot.digest == batch.snapshot_digest
    assert snapshot_rows(snapshot, ports.lake).num_rows == snapshot.rows == batch.rows
    origin = ("revision", "run_id", "snapshot_digest")
    kept = [{k: v for k, v in row.items() if k not in origin} for row in rows[31] if str(row["parcel"]) != entity]
    now = ports.published.read("parcels", lived.day(31)).to_pylist()
    assert [{k: v for k, v in row.items() if k not in origin} for row in now] == kept
    assert ports.published.read("parcels", lived.day(32)).to_pylist() == rows[32]
    assert verify.run(ports.ledger, []).alterations == 0


def test_the_window_goes_on_as_if_the_entity_had_never_been(lived: World) -> None:
    entity = someone(lived)
    erased(lived, entity)
    source_forgets(lived, entity)
    revision = lived.ports.ledger.latest_batch("parcels", lived.day(31))
    assert revision is not None
    assert not ingest.run(lived.use_case, lived.day(31), lived.ports, "again").changed
    validate.run(lived.use_case, lived.day(31), lived.ports, "again")
    scored = score.run(lived.use_case, lived.day(31), lived.ports, "again", model=AS_WAS)
    assert (scored.changed, scored.revision) == (False, revision.revision)
    clean_rows(lived.use_case, lived.day(31), lived.ports)
    evaluated(lived, 31)
    assert about(lived, entity) == 0
    found = reconcile.run(lived.use_case, lived.day(33).end, lived.ports, "night", actor="night")
    assert (found.restored, found.unmended) == ((), ())


def test_the_tombstone_says_who_what_and_where_and_does_not_hold_the_key(lived: World) -> None:
    entity = someone(lived)
    done = erased(lived, entity)
    (entry,) = erasure.of_entity(entity, "parcels", lived.ports.ledger)
    assert (entry.id, entry.actor, entry.reason) == (done.tombstone, "ada", "they asked")
    (window,) = entry.details["windows"]
    assert window["window"] == lived.day(31).key
    assert window["rows"] == {"snapshots": 1, "labels": 1, "predictions": 1, "published": 1}
    assert window["revision"]["before"] == 2
    batch = lived.ports.ledger.latest_batch("parcels", lived.day(31))
    assert batch is not None
    assert (window["revision"]["after"], window["revision"]["digest_after"]) == (batch.revision, batch.digest)
    assert [each["after"] for each in window["snapshots"]] == [batch.snapshot_digest]
    assert window["revisions"] == {"1": 1, "2": 1}
    assert erasure.from_revision(lived.day(31), 1, "parcels", lived.ports.ledger) == (1, [entry])
    assert erasure.from_revision(lived.day(31), 3, "parcels", lived.ports.ledger) == (0, [])
    assert erasure.from_revision(lived.day(32), 1, "parcels", lived.ports.ledger) == (0, [])
    assert erasure.of_entity("0", "parcels", lived.ports.ledger) == []
    (end,) = lived.ports.ledger.interventions("parcels", InterventionKind.ERASURE_FINISHED)
    assert (end.details["tombstone"], end.subject) == (entry.id, entry.subject)
    assert end.details["rows"] >= 3


def test_a_second_entity_of_the_window_has_a_tombstone_with_the_same_salt(lived: World) -> None:
    erased(lived, someone(lived))
    erased(lived, someone(lived, number=1), "second")
    one, other = erasure.tombstones("parcels", lived.ports.ledger)
    assert one.subject != other.subject
    assert one.details["entity"]["salt"] == other.details["entity"]["salt"]
    batch = lived.ports.ledger.latest_batch("parcels", lived.day(31))
    assert batch is not None
    assert batch.revision == 4
    assert compare_stores(batch, lived.ports).published_agrees


def test_the_second_time_and_for_somebody_unknown_nothing_is_done(lived: World) -> None:
    entity = someone(lived)
    erased(lived, entity)
    before = everything(lived)
    assert erased(lived, entity, "again") == erase.Erased("parcels", None, 0, 0, 0)
    assert erased(lived, "no such parcel", "again").tombstone is None
    assert erase.plan(lived.use_case, entity, lived.ports) == []
    assert everything(lived) == before


def test_rows_of_training_sets_go_and_the_plan_names_the_model_that_learnt_from_them(lived: World) -> None:
    entity = someone(lived, day=10)
    plan = erase.plan(lived.use_case, entity, lived.ports)
    assert {each.what for each in plan} >= {"training (training/parcels)", "model version 1", "the source"}
    assert next(each.becomes for each in plan if each.what == "model version 1").endswith("retrain to leave it out")
    done = erased(lived, entity)
    assert done.rows > 0
    assert about(lived, entity) == 0
    (entry,) = erasure.of_entity(entity, "parcels", lived.ports.ledger)
    assert entry.details["models"] == ["1"]
    assert sum(entry.details["training"].values()) == 1


def test_the_plan_changes_nothing(lived: World) -> None:
    before = everything(lived)
    plan = {each.what: each for each in erase.plan(lived.use_case, someone(lived), lived.ports)}
    assert plan["snapshots (raw/parcels)"].amount == "1 row"
    assert plan["published (perennial.predictions_parcels)"].amount == "1 row"
    assert plan[f"windows {lived.day(31).key}"].amount == "1 window"
    assert everything(lived) == before


def test_an_entity_in_quarantine_goes_and_the_verdict_is_carried_over(lived: World) -> None:
    entity = someone(lived, number=3)
    lived.put("weight", {lived.rows_of(31)[3]: -99.0, lived.rows_of(31)[4]: -98.0})
    predict(lived, 31)
    before = lived.ports.ledger.validations("parcels", lived.day(31))[-1]
    assert before.rows_quarantined == 2
    erased(lived, entity)
    verdict = lived.ports.ledger.validations("parcels", lived.day(31))[-1]
    assert (verdict.rows, verdict.rows_quarantined) == (before.rows - 1, 1)
    assert verdict.reasons[:-1] == before.reasons
    assert verdict.reasons[-1] == "Since then 1 row was erased from the window. No check ran again."
    source_forgets(lived, entity)
    assert not ingest.run(lived.use_case, lived.day(31), lived.ports, "again").changed
    assert validate.run(lived.use_case, lived.day(31), lived.ports, "again").rows_quarantined == 1
    assert not score.run(lived.use_case, lived.day(31), lived.ports, "again", model=AS_WAS).changed


def test_what_a_person_accepted_stays_accepted(lived: World) -> None:
    rule = "expect_column_values_to_be_between(weight)"
    lived.put("weight", {lived.rows_of(31)[3]: -99.0, lived.rows_of(31)[4]: -98.0})
    predict(lived, 31)
    quarantine.accept(lived.use_case, lived.day(31), rule, lived.ports, "eve's", actor="eve", reason="scales")
    predict(lived, 31)
    erased(lived, someone(lived, number=3))
    entries = lived.ports.ledger.interventions("parcels", InterventionKind.ROWS_ACCEPTED)
    assert [(each.actor, each.reason) for each in entries] == [("eve", "scales")] * 2
    assert not score.run(lived.use_case, lived.day(31), lived.ports, "again", model=AS_WAS).changed


def test_a_window_that_was_ingested_anew_and_not_scored_keeps_both_snapshots(lived: World) -> None:
    lived.put("weight", {lived.rows_of(31)[9]: 12.5})
    ingest.run(lived.use_case, lived.day(31), lived.ports, "late")
    erased(lived, someone(lived))
    ledger = lived.ports.ledger
    batch, latest = ledger.latest_batch("parcels", lived.day(31)), ledger.latest_snapshot("parcels", lived.day(31))
    assert batch is not None
    assert latest is not None
    assert latest.digest != batch.snapshot_digest
    assert 12.5 in snapshot_rows(latest, lived.ports.lake).column("weight").to_pylist()
    scored = next(s for s in ledger.snapshots("parcels", lived.day(31)) if s.digest == batch.snapshot_digest)
    assert snapshot_rows(scored, lived.ports.lake).num_rows == batch.rows


def test_i4_killed_before_it_published_a_window_whose_rows_stay_the_next_run_publishes_it(
    lived: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived.put("weight", {lived.rows_of(31)[3]: -99.0})
    predict(lived, 31)

    def killed(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(lived.ports.published, "publish", killed)
    with pytest.raises(Killed):
        erased(lived, someone(lived, number=3), "killed")
    monkeypatch.undo()
    batch = lived.ports.ledger.latest_batch("parcels", lived.day(31))
    assert batch is not None
    assert not compare_stores(batch, lived.ports).published_agrees
    erased(lived, someone(lived, number=3))
    assert compare_stores(batch, lived.ports).published_agrees


@pytest.mark.parametrize("number", range(4))
def test_i4_killed_between_them_the_snapshot_that_waits_to_be_scored_stays_the_latest(
    lived: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    lived.put("weight", {lived.rows_of(31)[9]: 12.5})
    ingest.run(lived.use_case, lived.day(31), lived.ports, "late")
    ledger, entity, left = lived.ports.ledger, someone(lived), [number]
    record = ledger.record_snapshot

    def killed(*given: Any) -> Any:
        left[0] -= 1
        if left[0] == -1:
            raise Killed
        return record(*given)

    monkeypatch.setattr(ledger, "record_snapshot", killed)
    with contextlib.suppress(Killed):
        erased(lived, entity, "killed")
    monkeypatch.undo()
    erased(lived, entity)
    assert about(lived, entity) == 0
    batch, latest = ledger.latest_batch("parcels", lived.day(31)), ledger.latest_snapshot("parcels", lived.day(31))
    assert batch is not None
    assert latest is not None
    assert latest.digest != batch.snapshot_digest
    assert 12.5 in snapshot_rows(latest, lived.ports.lake).column("weight").to_pylist()
    assert compare_stores(batch, lived.ports).published_agrees


def test_a_window_of_one_entity_alone_is_empty_and_stays_readable(lived: World) -> None:
    entity, rows = someone(lived, day=33), lived.rows_of(33)[1:]
    table = lived.parcels.table
    lived.parcels.table = table.take([i for i in range(table.num_rows) if i not in rows])
    ingest.run(lived.use_case, lived.day(33), lived.ports, "one")
    snapshot = lived.ports.ledger.latest_snapshot("parcels", lived.day(33))
    assert snapshot is not None
    assert snapshot.rows == 1
    erased(lived, entity)
    after = lived.ports.ledger.latest_snapshot("parcels", lived.day(33))
    assert after is not None
    assert snapshot_rows(after, lived.ports.lake).num_rows == after.rows == 0


def test_while_a_run_holds_a_window_nothing_is_begun(lived: World) -> None:
    lived.ports = replace(lived.ports, ledger=_impatient(lived.ports.ledger))
    before = everything(lived)
    with lived.ports.ledger.working_on("parcels", lived.day(40), "a run"), pytest.raises(WindowBusy):
        erased(lived, someone(lived))
    assert everything(lived) == before


def _impatient(ledger: Any) -> InMemoryLedger:
    ledger._lock_timeout = 0.01
    return ledger


def test_what_is_written_again_meanwhile_is_told(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    entity = someone(lived)
    forget = lived.ports.lake.forget

    def forget_and_ingest(table: str, column: str, value: str) -> Any:
        found = forget(table, column, value)
        ingest.run(lived.use_case, lived.day(33), lived.ports, "a run")
        return found

    monkeypatch.setattr(lived.ports.lake, "forget", forget_and_ingest)
    lived.put("parcel", {lived.rows_of(33)[0]: int(entity)})
    with pytest.raises(ErasureUnfinished, match=f"written again.*{lived.day(33).key}"):
        erased(lived, entity)
    monkeypatch.undo()
    assert erased(lived, entity, "again").windows == 1
    assert about(lived, entity) == 0


TOLD = "1 row was erased on 2030-01-01 by ada"


def test_what_was_recorded_before_is_erased_and_not_different(lived: World) -> None:
    entity = someone(lived)
    erased(lived, entity)
    found = reproduce.run(lived.use_case, lived.day(31), lived.ports)
    revisions = [each for each in found if each.what.startswith("revision")]
    assert [(each.same, each.erased) for each in revisions] == [(False, TOLD), (False, TOLD), (True, None)]
    (measured,) = [each for each in found if each not in revisions]
    assert measured.erased == f"parcels {lived.day(31)}: of revision 1, {TOLD}."
    assert all(each.same for each in reproduce.run(lived.use_case, lived.day(32), lived.ports))


def test_what_differs_by_more_than_the_entity_stays_different(lived: World) -> None:
    erased(lived, someone(lived))
    first, *_ = lived.ports.ledger.batches("parcels", lived.day(31))
    lake: Any = lived.ports.lake
    history, key = lake._tables["predictions/parcels"], lived.day(31).key
    held, at = history._held[key], history._from[key].index(first.version)
    rows = held[at]
    index = rows.column_names.index("prediction")
    held[at] = rows.set_column(index, "prediction", [[0.5] * rows.num_rows])
    with pytest.raises(RowsErased):  # of its measurement; the predictions are other ones
        live_rows(first, lived.ports)
    assert reproduce.run(lived.use_case, lived.day(31), lived.ports)[0].erased is None
    held[at] = rows.slice(1)
    with pytest.raises(RowsLost):  # more than was erased
        live_rows(first, lived.ports)


def test_rows_that_are_gone_without_a_tombstone_are_lost(lived: World) -> None:
    first, *_ = lived.ports.ledger.batches("parcels", lived.day(31))
    lived.ports.lake.forget("predictions/parcels", "parcel", someone(lived))
    with pytest.raises(RowsLost):
        live_rows(first, lived.ports)


def test_a_revision_of_before_says_that_rows_were_erased(lived: World) -> None:
    erased(lived, someone(lived))
    first, second, _ = lived.ports.ledger.batches("parcels", lived.day(31))
    with pytest.raises(RowsErased, match=f"of revision 2, {TOLD}"):
        live_rows(second, lived.ports)
    found = history.diff(lived.use_case, lived.day(31), first.revision, 3, lived.ports)
    assert found.removed == 0
    assert found.erased == (f"Of revision 1, {TOLD}.",)


def test_an_entry_that_names_no_entity_is_no_tombstone(lived: World) -> None:
    strange = Intervention("parcels", InterventionKind.ENTITY_ERASED, "someone", "eve", "", {"rule": "x"}, "by hand")
    lived.ports.ledger.record_intervention(strange)
    with pytest.raises(NotScored, match="no live prediction for parcel 'other'"):
        explain.run(lived.use_case, "other", None, lived.day(35).end, lived.ports, airflow_url=None)
    assert erased(lived, someone(lived)).windows > 0


def test_explain_says_when_the_entity_was_erased_and_by_whom(lived: World) -> None:
    entity = someone(lived)
    erased(lived, entity)
    as_of = lived.day(35).end
    with pytest.raises(EntityErased, match="this parcel was erased on 2030-01-01 by ada"):
        explain.run(lived.use_case, entity, None, as_of, lived.ports, airflow_url=None)
    with pytest.raises(NotScored, match="no live prediction for parcel 'other'"):
        explain.run(lived.use_case, "other", None, as_of, lived.ports, airflow_url=None)
    kept = someone(lived, number=1)
    evidence = explain.run(lived.use_case, kept, None, as_of, lived.ports, airflow_url=None)
    assert evidence.published
    assert evidence.row is not None
    predict(lived, 31)  # the source still has it
    assert explain.run(lived.use_case, entity, None, as_of, lived.ports, airflow_url=None).batch.revision == 4


def test_files_that_could_not_be_read_are_told(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lived.ports.lake, "forget", lambda *_: Forgotten(0, 0, ("half.parquet",)))
    monkeypatch.setattr(find, "rows_about", lambda *_: 0)
    entity = someone(lived)
    ledger = lived.ports.ledger
    subject, made = erasure.named(entity, "parcels", ledger)
    ledger.record_intervention(
        Intervention(
            "parcels", InterventionKind.ENTITY_ERASED, subject, "ada", "", {"entity": made, "windows": []}, "cut"
        )
    )
    done = erased(lived, entity)
    assert done.unread == ("half.parquet",)
    (end,) = ledger.interventions("parcels", InterventionKind.ERASURE_FINISHED)
    assert end.reason.endswith("unless in 1 file that could not be read")


@pytest.mark.parametrize("classes", [(), (DataClass.SNAPSHOTS, DataClass.PUBLISHED)])
def test_of_a_use_case_that_has_ended_what_was_kept_is_erased(lived: World, classes: tuple[DataClass, ...]) -> None:
    entity = someone(lived)
    decommission.run(lived.use_case, classes, RECORDED, lived.ports, "end", actor="ada", reason="closed")
    assert about(lived, entity) > 0
    erased(lived, entity)
    assert about(lived, entity) == 0


STEPS = [
    ("lake", "replace"), ("lake", "forget"), ("ledger", "record_snapshot"), ("ledger", "record_validation"),
    ("ledger", "record_batch"), ("ledger", "redact"), ("ledger", "record_intervention"), ("published", "publish"),
]  # fmt: skip


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("port", "method"), STEPS, ids=[".".join(each) for each in STEPS])
def test_i4_killed_at_any_write_the_next_run_ends_in_the_same_state(
    lived: World, monkeypatch: pytest.MonkeyPatch, port: str, method: str, *, after: bool
) -> None:
    entity = someone(lived)
    lived.put("weight", {lived.rows_of(31)[4]: -98.0})
    predict(lived, 31)
    store = getattr(lived.ports, port)
    original: Callable[..., Any] = getattr(store, method)
    for number in range(20):
        left = [number]

        def killed(*given: Any, left: list[int] = left, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == -1 and not after:
                raise Killed
            result = original(*given, **named)
            if left[0] == -1:
                raise Killed
            return result

        monkeypatch.setattr(store, method, killed)
        try:
            erased(lived, entity, f"killed {number}")
        except Killed:
            continue
        finally:
            monkeypatch.undo()
        break
    else:
        pytest.fail("it never ended")
    erased(lived, entity, "at last")
    ledger = lived.ports.ledger
    assert about(lived, entity) == 0
    batch, snapshot = ledger.latest_batch("parcels", lived.day(31)), ledger.latest_snapshot("parcels", lived.day(31))
    assert batch is not None
    assert snapshot is not None
    assert batch.snapshot_digest == snapshot.digest
    found = compare_stores(batch, lived.ports)
    assert found.lake_agrees
    assert found.published_agrees
    clean_rows(lived.use_case, lived.day(31), lived.ports)
    assert not score.run(lived.use_case, lived.day(31), lived.ports, "again", model=AS_WAS).changed
    assert len(ledger.interventions("parcels", InterventionKind.ERASURE_FINISHED)) >= 1
    assert len(erasure.of_entity(entity, "parcels", ledger)) == 1


@pytest.mark.parametrize("table", ["raw", "predictions"])
def test_windows_whose_rows_the_lake_has_lost_are_named_and_not_passed_over(lived: World, table: str) -> None:
    entity, lake = someone(lived, day=32), cast(Any, lived.ports.lake)
    assert not [each for each in erase.plan(lived.use_case, entity, lived.ports) if "lost" in each.what]
    held = lake._tables[f"{table}/parcels"]._held
    held[lived.day(31).key] = [pa.table({"parcel": ["another's"]}) for _ in held[lived.day(31).key]]
    plan = erase.plan(lived.use_case, entity, lived.ports)
    assert [(each.what, each.amount) for each in plan if "lost" in each.what] == [
        (f"windows whose rows the lake has lost: {lived.day(31).key}", "1 window")
    ]
    done = erased(lived, entity)
    assert (done.windows, done.lost) == (1, (lived.day(31).key,))
    (entry,) = lived.ports.ledger.interventions("parcels", InterventionKind.ERASURE_FINISHED)
    assert entry.details["lost"] == [lived.day(31).key]
    assert entry.reason.endswith("the lake has lost the live rows of 1 window, so these could not be searched")
    (only,) = erase.plan(lived.use_case, "nobody", lived.ports)
    assert "lost" in only.what
    assert erased(lived, "nobody").lost == done.lost


@pytest.mark.parametrize("table", ["raw", "predictions", "labels"])
def test_a_file_that_the_lake_has_lost_keeps_nobody_from_being_erased(world: World, tmp_path: Path, table: str) -> None:
    world.ports = replace(world.ports, lake=DeltaLake(str(tmp_path), {}))
    first_model(world)
    predict(world, 31)
    evaluated(world, 31)
    for file in (tmp_path / table / "parcels").glob(f"{folder_of(world.day(31).key)}/*.parquet"):
        file.unlink()
    entity = someone(world)
    done = erased(world, entity)
    assert done.lost == (() if table == "labels" else (world.day(31).key,))
    assert done.tombstone is not None
    assert about(world, entity) == 0


def test_what_is_erased_by_class_or_for_somebody_else_is_not_lost(lived: World) -> None:
    erased(lived, someone(lived))
    assert find.lost(lived.use_case, lived.ports) == []
    classes = [DataClass.SNAPSHOTS, DataClass.PREDICTIONS]
    end = (lived.use_case, classes, RECORDED, lived.ports, "end")
    decommission.run(*end, actor="ada", reason="closed")
    assert find.lost(lived.use_case, lived.ports) == []
