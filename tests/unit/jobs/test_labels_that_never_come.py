"""Rows of which no outcome will come, and that the label source says so of: a null outcome that has arrived."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.test_truth_that_comes_late import evaluated, last, without_labels
from tests.unit.jobs.world import ROWS, World, make_world
from typer.testing import CliRunner

from perennial.cli import review
from perennial.cli.main import app
from perennial.encoding import as_json
from perennial.errors import NotEnoughData
from perennial.jobs.retrain import assemble
from perennial.performance.maturity import Maturity
from perennial.records.labels import learnt_share
from perennial.records.training_set import read_manifest, read_rows
from perennial.review import explain
from perennial.review import performance as performance_overview
from perennial.review.evidence_page import as_text

HALF = ROWS // 2


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def cancel(world: World, day: int, rows: int = HALF) -> pa.Table:
    """The source says that no outcome will come of so many rows of the day; what it said before."""
    before = world.outcomes.table
    position = before.column_names.index("late")
    gone = pa.array(world.rows_of(day)[:rows])
    nothing = pa.scalar(None, pa.bool_())
    late = pc.if_else(pc.is_in(before.column("parcel"), value_set=gone), nothing, before.column("late"))
    world.outcomes.table = before.set_column(position, "late", late)
    return before


def test_a_window_is_final_when_no_outcome_will_come_of_many_of_its_rows(world: World) -> None:
    first_model(world, 30)
    for day in range(31, 38):
        predict(world, day)
    cancel(world, 37)
    evaluated(world, world.day(38).start)
    found = evaluated(world, world.day(39).start)
    assert (found.final, found.overdue, found.without_outcome) == (1, 0, HALF)
    assert f"{HALF} rows will never have an outcome" in found.outcome
    entry = last(world, 37)
    assert entry.maturity is Maturity.FINAL
    assert (entry.labelled, entry.without_outcome, entry.completeness, entry.arrivals[-1]) == (HALF, HALF, 1.0, 1.0)
    assert learnt_share(world.use_case.spec, world.day(39).start, world.ports.ledger) == 1.0


def test_its_metrics_are_those_of_the_rows_that_have_an_outcome(tmp_path: Path) -> None:
    said, silent = (make_world(tmp_path / name) for name in ("said", "silent") if not (tmp_path / name).mkdir())
    for each in (said, silent):
        first_model(each, 30)
        predict(each, 31)
    before = cancel(said, 31)
    gone = pa.array(silent.rows_of(31)[:HALF])
    silent.outcomes.table = before.filter(pc.invert(pc.is_in(before.column("parcel"), value_set=gone)))
    for each in (said, silent):
        evaluated(each, each.day(33).start)
    assert (last(said, 31).maturity, last(silent, 31).maturity) == (Maturity.FINAL, Maturity.FINAL)
    for figure in ("metrics", "intervals", "label_drift", "labelled"):
        assert getattr(last(said, 31), figure) == getattr(last(silent, 31), figure), figure
    assert last(silent, 31).completeness == 0.5


def test_a_window_without_any_outcome_is_final_and_no_longer_waited_for(world: World) -> None:
    first_model(world, 30)
    predict(world, 31)
    cancel(world, 31, ROWS)
    assert evaluated(world, world.day(33).start).final == 1
    entry = last(world, 31)
    assert (entry.maturity, entry.labelled, entry.metrics) == (Maturity.FINAL, 0, {})
    again = evaluated(world, world.day(34).start)
    assert (again.windows, again.reopened) == (0, 0)


def test_an_outcome_that_comes_after_all_counts_and_what_was_known_stays(world: World) -> None:
    first_model(world, 30)
    predict(world, 31)
    before = cancel(world, 31)
    evaluated(world, world.day(33).start)
    at = before.column_names.index("delivered_at")
    later = pa.array([world.day(33).end] * before.num_rows, before.column("delivered_at").type)
    corrected = before.set_column(at, "delivered_at", later).filter(
        pc.is_in(before.column("parcel"), value_set=pa.array(world.rows_of(31)[:HALF]))
    )
    world.outcomes.table = pa.concat_tables([world.outcomes.table, corrected])
    found = evaluated(world, world.day(34).end)
    assert found.reopened == 1
    old, new = world.ports.ledger.performance_of("parcels", world.day(31))
    assert [(each.labelled, each.without_outcome) for each in (old, new)] == [(HALF, HALF), (ROWS, 0)]


def test_labels_that_are_missing_without_a_word_are_still_overdue(world: World) -> None:
    first_model(world, 30)
    predict(world, 31)
    cancel(world, 31, ROWS // 10)
    kept = without_labels(world, range(31, 32), keep=0.1)  # only the word that some will not come is there
    assert kept.num_rows > world.outcomes.table.num_rows
    predict(world, 32)
    for day in range(33, 40):
        predict(world, day)
    found = evaluated(world, world.day(42).start)
    assert (found.overdue, last(world, 31).maturity) == (1, Maturity.OVERDUE)
    assert f"no outcome will come for {ROWS // 10}" in found.outcome


def test_training_takes_the_rows_that_have_an_outcome_and_counts_the_others(tmp_path: Path) -> None:
    said, silent = (make_world(tmp_path / name) for name in ("said", "silent") if not (tmp_path / name).mkdir())
    cancel(said, 20)
    cancel(said, 21, ROWS)
    without_labels(silent, range(21, 22))
    gone = pa.array(silent.rows_of(20)[:HALF])
    outcomes = silent.outcomes.table
    silent.outcomes.table = outcomes.filter(pc.invert(pc.is_in(outcomes.column("parcel"), value_set=gone)))
    found = assemble.run(said.use_case, said.day(30).start, said.ports, "test")
    manifest = read_manifest(found.training_id, said.ports)
    parts = {part.window: part for part in manifest.windows}
    assert (parts[said.day(20)].labelled, parts[said.day(20)].without_outcome) == (HALF, HALF)
    assert [(each.window, each.reason) for each in manifest.excluded] == [
        (said.day(21), "no outcome will come of any of its rows")
    ]
    assert found.without_outcome == HALF + ROWS
    assert read_rows(manifest, said.ports).column("late").null_count == 0
    other = read_manifest(assemble.run(silent.use_case, silent.day(30).start, silent.ports, "test").training_id,
                          silent.ports)  # fmt: skip
    # Half a day without labels and without a word is called overdue; with the word the rest of it teaches.
    assert {each.window for each in other.excluded} == {silent.day(20), silent.day(21)}
    assert manifest.rows == other.rows + HALF


def test_a_history_without_any_outcome_is_told_not_trained_on(world: World) -> None:
    for day in range(30):
        cancel(world, day, ROWS)
    with pytest.raises(NotEnoughData, match="no outcome will come of any of its rows"):
        assemble.run(world.use_case, world.day(30).start, world.ports, "test")


def test_what_people_read_tells_such_rows_from_labels_that_are_missing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_model(world, 30)
    predict(world, 31)
    cancel(world, 31)
    as_of = world.day(33).start
    evaluated(world, as_of)
    (window,) = performance_overview.run(world.use_case, [world.day(31)], world.ports).windows
    assert (window.labelled, window.without_outcome) == (HALF, HALF)
    session = SimpleNamespace(use_case=lambda _: world.use_case, ports=world.ports)
    monkeypatch.setattr(review, "Session", lambda: session)
    asked = ["performance", "parcels", "--window", "2024-02-01"]
    assert f"final, 100%, {HALF} without an outcome" in CliRunner().invoke(app, asked).output
    told = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    assert told["windows"][0]["without_outcome"] == HALF
    entity = str(world.rows_of(31)[0])
    evidence = explain.run(world.use_case, entity, None, as_of, world.ports, airflow_url=None)
    assert (evidence.outcome, evidence.outcome_state) == (None, explain.OutcomeState.NONE_WILL_COME)
    text = as_text(as_json(evidence))
    assert "none will come, as was known by 2024-02-03" in text
    assert f"{HALF} of {ROWS}, {HALF} without an outcome" in text


def test_null_at_the_event_time_says_nothing(world: World) -> None:
    """Where a source has no arrival time, the event time stands in for it, and null is only a label that is missing."""
    first_model(world, 30)
    predict(world, 31)
    cancel(world, 31)
    outcomes = world.outcomes.table
    at = outcomes.column_names.index("delivered_at")
    world.outcomes.table = outcomes.set_column(at, "delivered_at", outcomes.column("sent_at"))
    spec = world.use_case.spec
    labels = spec.labels.model_copy(update={"from_": {"delivered_at": "sent_at"}})
    changed = replace(world.use_case, spec=spec.model_copy(update={"labels": labels}))
    evaluated(replace(world, use_case=changed), world.day(33).start)
    assert (last(world, 31).labelled, last(world, 31).without_outcome) == (HALF, 0)
