"""A window whose rows are gone through in chunks comes to the same as one that is in memory as a whole."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.jobs.test_decisions_that_follow import COSTS, say
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate
from tests.unit.jobs.world import ROWS, Rows, World, make_world

from perennial import ordered
from perennial.digest import table_digest
from perennial.errors import PredictionsNotFinite, SchemaMismatch, UndecodableText
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import ingest, monitor, score
from perennial.lake.delta import DeltaLake
from perennial.lake.port import labels_table, raw_table
from perennial.ledger.entries import Batch, DriftReport, Performance
from perennial.performance import cbpe, many_rows
from perennial.quality.unread import BAD_CELLS
from perennial.records import distinct_labels, scorers
from perennial.records.batch import compare_stores
from perennial.records.gate import snapshot_rows
from perennial.records.labels import collect
from perennial.records.model_choice import ModelChoice
from perennial.review import reproduce
from perennial.sources.port import Extract
from perennial.window import Window

CHUNK = 7


def in_chunks(world: World, monkeypatch: pytest.MonkeyPatch, folder: Path) -> World:
    """The world from now on with rows in files, which are read, sorted and joined a few at a time."""
    monkeypatch.setattr(score, "CHUNK_ROWS", CHUNK)
    monkeypatch.setattr(ordered, "CHUNK_ROWS", CHUNK)
    monkeypatch.setattr(ordered, "RUN_BYTES", 1_000)
    monkeypatch.setattr(many_rows, "FEW", CHUNK)
    monkeypatch.setattr(cbpe, "FEW", CHUNK)
    return replace(world, ports=replace(world.ports, lake=DeltaLake(str(folder / "lake"), {})))


def lived(world: World) -> tuple[Batch, pa.Table, DriftReport, Performance]:
    """What is kept of a day that was scored, monitored and evaluated."""
    use_case, day, ports = world.use_case, world.day(31), world.ports
    ingest_and_validate(world, 31)
    assert score.run(use_case, day, ports, "test", model=ModelChoice()).changed
    assert not score.run(use_case, day, ports, "test", model=ModelChoice()).changed
    monitor.run(use_case, day, ports, "test")
    collect_labels.run(use_case, world.day(40).end, ports, "test")
    measure.run(use_case, world.day(40).end, ports, "test")
    (batch,) = ports.ledger.batches("parcels", day)
    assert compare_stores(batch, ports).published_agrees
    (report,) = ports.ledger.drift_of("parcels", day)
    (measured,) = ports.ledger.performance_between("parcels", day.start, day.end, as_of=world.day(41).end)
    return batch, ports.published.read("parcels", day), report, measured


@pytest.mark.parametrize("decision", ["", "decision: {threshold: 0.4}", f"decision: {{top_k: 9, {COSTS}}}"])
def test_it_comes_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decision: str) -> None:
    worlds = []
    for name in ("whole", "chunks"):
        (tmp_path / name).mkdir()
        worlds.append(make_world(tmp_path / name))
        if decision:
            say(worlds[-1], decision)
        first_model(worlds[-1])
    batch, rows, report, measured = lived(worlds[0])
    assert rows.num_rows > 3 * CHUNK
    again, found, other, later = lived(in_chunks(worlds[1], monkeypatch, tmp_path))
    assert (again.digest, again.snapshot_digest, again.rows) == (batch.digest, batch.snapshot_digest, batch.rows)
    assert table_digest(found) == table_digest(rows)
    assert ("decided" in found.column_names) == bool(decision)
    assert (other.verdict, other.basis_digest) == (report.verdict, report.basis_digest)
    assert other.p_value == pytest.approx(report.p_value)
    assert other.profile["rows"] == report.profile["rows"] == batch.rows
    assert other.profile["joint"]["sums"] == pytest.approx(report.profile["joint"]["sums"])
    assert other.profile["joint"]["products"] == pytest.approx(report.profile["joint"]["products"])
    assert later.labelled == measured.labelled
    assert later.metrics == pytest.approx(measured.metrics, rel=1e-12)
    assert (later.arrivals, later.labels_digest) == (measured.arrivals, measured.labels_digest)
    assert later.label_drift == measured.label_drift
    assert set(later.intervals) == set(measured.intervals)
    for name, interval in measured.intervals.items():
        resampled = name == "pr_auc"
        assert later.intervals[name] == pytest.approx(interval, rel=0.1 if resampled else 1e-12)
    assert set(later.estimates) == set(measured.estimates) == {"roc_auc", "log_loss", "brier"}
    for name, estimate in measured.estimates.items():
        assert later.estimates[name]["value"] == pytest.approx(estimate["value"], rel=1e-12)
        assert later.estimates[name]["standard_error"] == pytest.approx(estimate["standard_error"], rel=0.2)


def test_what_was_measured_in_memory_is_made_again_in_chunks(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_model(world)
    world = replace(world, ports=replace(world.ports, lake=DeltaLake(str(tmp_path / "lake"), {})))
    lived(world)
    monkeypatch.setattr(ordered, "CHUNK_ROWS", CHUNK)
    monkeypatch.setattr(ordered, "RUN_BYTES", 1_000)
    monkeypatch.setattr(many_rows, "FEW", CHUNK)
    scored, measured = reproduce.run(world.use_case, world.day(31), world.ports)
    assert scored.same
    assert measured.same
    assert measured.recorded != measured.again, "rows are added up in another order"
    (entry,) = world.ports.ledger.performance_of("parcels", world.day(31))
    changed = replace(entry, metrics=entry.metrics | {"roc_auc": entry.metrics["roc_auc"] + 1e-6})
    monkeypatch.setattr(world.ports.ledger, "performance_of", lambda *_: [changed])
    assert not reproduce.run(world.use_case, world.day(31), world.ports)[1].same


def in_parts(self: Rows, window: Window, *given: Any) -> Iterator[Extract]:
    """What the source has of the window, a few rows at a time; only with the last one it says what was asked."""
    extract = self.fetch(window, *given)
    firsts = range(0, extract.rows.num_rows, CHUNK)
    for first in firsts[:-1]:
        yield Extract(extract.rows.slice(first, CHUNK), "")
    yield replace(extract, rows=extract.rows.slice(firsts[-1]))


@pytest.mark.parametrize("unread", [[], [3], [100], [0, 179]])
def test_the_same_is_ingested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unread: list[int]) -> None:
    """Cells that can't be read are in some parts only, or in none."""
    found = []
    for name in ("whole", "chunks"):
        (tmp_path / name).mkdir()
        world = make_world(tmp_path / name)
        if unread:
            keys = world.parcels.table.column("parcel").to_numpy().astype(float)
            keys[[world.rows_of(31)[each] for each in unread]] += 0.5
            world.parcels.table = world.parcels.table.set_column(0, "parcel", [pa.array(keys)])
        if name == "chunks":
            monkeypatch.setattr(Rows, "parts", in_parts)
            world = in_chunks(world, monkeypatch, tmp_path)
        done, again = (ingest.run(world.use_case, world.day(31), world.ports, "test") for _ in range(2))
        assert (done.changed, again.changed) == (True, False)
        snapshot = world.ports.ledger.latest_snapshot("parcels", world.day(31))
        assert snapshot is not None
        assert list(snapshot.columns) == [*world.use_case.spec.columns, *([BAD_CELLS] if unread else [])]
        rows = snapshot_rows(snapshot, world.ports.lake)
        found.append((done.digest, done.rows, done.remarks, snapshot.columns, snapshot.query, table_digest(rows)))
    assert found[0] == found[1]


def test_the_same_labels_are_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    taken: list[int] = []

    def counted(self: Rows, *given: Any) -> Iterator[Extract]:
        for part in in_parts(self, *given):
            taken.append(part.rows.num_rows)
            yield part

    for name in ("whole", "chunks"):
        (tmp_path / name).mkdir()
        world = make_world(tmp_path / name)
        if name == "chunks":
            monkeypatch.setattr(Rows, "parts", counted)
            monkeypatch.setattr(distinct_labels, "CHUNK_ROWS", CHUNK)
            world = in_chunks(world, monkeypatch, tmp_path)
        ingest_and_validate(world, 31)
        day, as_of = world.day(31), world.day(33).end
        taken.clear()
        counts = [collect(world.use_case, day, as_of, world.ports, "test") for _ in range(2)]
        stored = world.ports.lake.read(labels_table("parcels"), day.key)
        found.append(([(each.labels, each.new) for each in counts], table_digest(stored)))
    assert found[0] == found[1]
    assert sum(taken) == 2 * found[0][0][0][1] > 6 * max(taken)


def test_what_is_wrong_with_labels_is_said_of_all_of_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest_and_validate(world, 31)
    positions = world.rows_of(31)
    outcomes = world.outcomes.table.column("late").cast(pa.int64()).to_pylist()
    for position in (positions[20], positions[150]):
        outcomes[position] = 2
    index = world.outcomes.table.column_names.index("late")
    world.outcomes.table = world.outcomes.table.set_column(index, "late", [pa.array(outcomes)])
    monkeypatch.setattr(Rows, "parts", in_parts)
    with pytest.raises(SchemaMismatch, match=f"2 of {ROWS} rows have neither"):
        collect(world.use_case, world.day(31), world.day(33).end, world.ports, "test")
    assert world.ports.lake.version(labels_table("parcels")) is None


def test_what_is_wrong_with_a_later_part_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path)
    services = world.parcels.table.column("service").to_pylist()
    services[world.rows_of(31)[150]] = "road\0"
    world.parcels.table = world.parcels.table.set_column(3, "service", [pa.array(services)])
    monkeypatch.setattr(Rows, "parts", in_parts)
    world = in_chunks(world, monkeypatch, tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with pytest.raises(UndecodableText, match=f"{ROWS} rows for parcels"):
        ingest.run(world.use_case, world.day(31), world.ports, "test")
    assert world.ports.lake.version(raw_table("parcels")) is None
    assert world.ports.ledger.latest_snapshot("parcels", world.day(31)) is None
    assert list(scratch.iterdir()) == []


def test_the_same_rows_are_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name in ("whole", "chunks"):
        (tmp_path / name).mkdir()
        world = make_world(tmp_path / name)
        world.put("weight", {31 * ROWS: -99.0, 31 * ROWS + 20: -98.0})
        if name == "chunks":
            world = in_chunks(world, monkeypatch, tmp_path)
        ingest_and_validate(world, 31)
        aside = world.ports.lake.read("quarantine/parcels", world.day(31).key)
        (verdict,) = world.ports.ledger.validations("parcels", world.day(31))
        assert aside.num_rows == verdict.rows_quarantined == 2
        found.append((table_digest(aside), verdict.result, verdict.reasons))
    assert found[0] == found[1]


def test_predictions_that_are_no_numbers_are_counted_over_all_chunks(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first_model(world)
    world = in_chunks(world, monkeypatch, tmp_path)
    ingest_and_validate(world, 31)
    monkeypatch.setattr(scorers, "predictions", lambda spec, rows, model: pa.array([float("nan")] * rows.num_rows))
    with pytest.raises(PredictionsNotFinite, match=rf"{ROWS} predictions of {ROWS} would be .* and {ROWS - 3} more"):
        score.run(world.use_case, world.day(31), world.ports, "test", model=ModelChoice())
    assert not world.ports.ledger.batches("parcels", world.day(31))
    assert world.ports.published.read("parcels", world.day(31)).num_rows == 0
