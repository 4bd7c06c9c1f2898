"""What ingest left out of a window is on record, and shown where a reader asks."""

import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import START, World

from perennial.encoding import as_json
from perennial.errors import NotScored
from perennial.jobs.predict import ingest
from perennial.lake.port import raw_table, window_partition
from perennial.ledger.entries import Snapshot
from perennial.review import explain, history, validation
from perennial.review.evidence_page import as_text
from perennial.sources.port import Extract

DAY = 31
OUTSIDE = "3 rows were skipped, because they belong to other windows, which read them."
IGNORED = "data/2024-02-01.csv: left out are the columns that the spec does not declare, extra."
UNREAD = "2 rows have cells that can't be read (weight in 2), and are set aside."
NOT_ON_RECORD = "not on record: ingested before remarks were kept"


def leave_out(world: World, monkeypatch: pytest.MonkeyPatch, outside: int, *remarks: str) -> World:
    """Let the source leave so many rows out of every window, and say so much."""
    fetch = world.parcels.fetch

    def with_remarks(*arguments: Any) -> Extract:
        return replace(fetch(*arguments), outside=outside, remarks=remarks)

    monkeypatch.setattr(world.parcels, "fetch", with_remarks)
    return world


@pytest.fixture
def remarked(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose source leaves rows and a column out."""
    return leave_out(world, monkeypatch, 3, IGNORED)


@pytest.fixture
def complete(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose source leaves nothing out."""
    return leave_out(world, monkeypatch, 0)


def spoil_two_cells(world: World) -> None:
    table = world.parcels.table
    weights = [round(Decimal(value), 2) for value in table.column("weight").to_pylist()]
    for position in world.rows_of(DAY)[:2]:
        weights[position] = Decimal("305184080441754059.00")  # would lose digits as a float
    position = table.column_names.index("weight")
    world.parcels.table = table.set_column(position, "weight", pa.array(weights, pa.decimal128(38, 2)))


def forget_remarks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the snapshots be as an earlier version recorded them."""
    before = world.ports.ledger.snapshots

    def forgotten(*arguments: Any) -> list[Snapshot]:
        return [replace(each, remarks=None) for each in before(*arguments)]

    monkeypatch.setattr(world.ports.ledger, "snapshots", forgotten)


def test_rows_columns_and_cells_that_were_left_out_are_on_record(
    remarked: World, caplog: pytest.LogCaptureFixture
) -> None:
    spoil_two_cells(remarked)
    done = ingest.run(remarked.use_case, remarked.day(DAY), remarked.ports, "test")
    snapshot = remarked.ports.ledger.latest_snapshot("parcels", remarked.day(DAY))
    assert snapshot is not None
    assert snapshot.remarks == done.remarks == (IGNORED, OUTSIDE, UNREAD)
    # Rows of other windows are no news: where one file has all windows, every one of them leaves the others' rows.
    warned = [record.getMessage().partition(": ")[2] for record in caplog.records if record.levelname == "WARNING"]
    assert warned == [IGNORED, UNREAD]


def test_the_column_about_cells_that_can_t_be_read_is_not_told_as_one_of_the_source(
    complete: World, perennial: Call
) -> None:
    first_model(complete)
    spoil_two_cells(complete)
    predict(complete, DAY - 1)
    predict(complete, DAY)
    assert (
        "bad_cells" in complete.ports.lake.read(raw_table("parcels"), window_partition(complete.day(DAY))).column_names
    )
    entity = str(complete.ports.published.read("parcels", complete.day(DAY)).column("parcel")[0].as_py())
    for arguments in (
        ("compare", "parcels", "--windows", "2024-01-31", "2024-02-01"),
        ("explain", "parcels", "--window", "2024-02-01", "--entity", entity),
    ):
        code, out, _ = perennial(*arguments)
        assert (code, "bad_cells" in out) == (0, False), out


def test_a_window_of_which_nothing_was_left_out_has_that_on_record(complete: World) -> None:
    ingest.run(complete.use_case, complete.day(DAY), complete.ports, "test")
    snapshot = complete.ports.ledger.latest_snapshot("parcels", complete.day(DAY))
    assert snapshot is not None
    assert snapshot.remarks == ()


def test_ingest_prints_it_below_its_line(remarked: World, perennial: Call) -> None:
    lines = perennial("ingest", "parcels", "--window", "2024-02-01")[1].splitlines()
    assert lines[0].startswith("2024-02-01T00:00Z\tingest\t")
    assert lines[1:] == [f"  {remark}" for remark in (IGNORED, OUTSIDE)]


def test_history_validation_and_explain_show_it(remarked: World, perennial: Call) -> None:
    first_model(remarked)
    predict(remarked, DAY)
    window = ("parcels", "--window", "2024-02-01")
    for command, mark in (("history", "  left out  "), ("validation", "  left out: ")):
        lines = perennial(command, *window)[1].splitlines()
        assert [line for line in lines if line.startswith(mark)] == [mark + IGNORED, mark + OUTSIDE]
        assert json.loads(perennial(command, *window, "--json")[1])["remarks"] == [IGNORED, OUTSIDE]
    entity = str(remarked.ports.published.read("parcels", remarked.day(DAY)).column("parcel")[0].as_py())
    out = perennial("explain", *window, "--entity", entity)[1]
    assert f"  left out                     {IGNORED}\n  left out                     {OUTSIDE}\n" in out


def test_a_key_that_has_no_prediction_is_told_what_was_left_out_of_its_window(remarked: World) -> None:
    first_model(remarked)
    predict(remarked, DAY)
    with pytest.raises(
        NotScored, match=rf"never have been in the source\. About the window, ingest remarked: .*{OUTSIDE}"
    ):
        explain.run(remarked.use_case, "x", remarked.day(DAY), later(), remarked.ports, airflow_url=None)


def test_snapshots_of_before_say_that_it_is_not_on_record(
    complete: World, perennial: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_model(complete)
    predict(complete, DAY)
    assert "left out  nothing" in perennial("history", "parcels", "--window", "2024-02-01")[1]
    forget_remarks(complete, monkeypatch)
    assert history.run(complete.use_case, complete.day(DAY), complete.ports)[0].remarks is None
    assert validation.run(complete.use_case, complete.day(DAY), complete.ports).remarks is None
    assert f"left out: {NOT_ON_RECORD}" in perennial("validation", "parcels", "--window", "2024-02-01")[1]
    entity = str(complete.ports.published.read("parcels", complete.day(DAY)).column("parcel")[0].as_py())
    found = explain.run(complete.use_case, entity, None, later(), complete.ports, airflow_url=None)
    assert f"left out                     {NOT_ON_RECORD}" in as_text(as_json(found))


def later() -> datetime:
    return START.replace(year=2025)
