"""Two windows, two models, two revisions of a window: what is told first, and that what is told is so."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.compute as pc
import pytest
from tests.unit.jobs.test_predict_path import ingest_and_validate, predict
from tests.unit.jobs.world import START, World, make_world
from tests.unit.pages.asking import ATTACK, PAYLOADS, ask, assert_harmless, attacked, live, page, told
from tests.unit.pages.test_schema import validator

from perennial import clock
from perennial.errors import StoreUnavailable, ValidationFailed
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import monitor
from perennial.jobs.retrain import chain as retrain
from perennial.lake.port import raw_table
from perennial.ledger.entries import DecisionKind, RecordedDecision
from perennial.records.model_choice import ModelChoice
from perennial.records.training_set import REFUSED_FOR
from perennial.review.comparison import choices, models, profiles, revisions, windows
from perennial.review.comparison.difference import Rank
from perennial.verdict import REJECT

AS_NOW = ModelChoice.parse("as_now")
NOW = START + timedelta(days=58)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> World:
    """As `live`, and: 30 is measured, a second model learns of days after the shift, and scores 30 again."""
    world = live(make_world(tmp_path_factory.mktemp("compared")))
    for day in range(33, 55):
        if day != 45:
            ingest_and_validate(world, day)
    for job in (collect_labels, measure):
        job.run(world.use_case, world.day(47).start, world.ports, "test")
    later = world.day(55).start
    spec = world.use_case.spec
    recent = spec.training.model_copy(update={"history": timedelta(days=14)})  # since the shift: it has skill
    since_shift = replace(world.use_case, spec=spec.model_copy(update={"training": recent}))
    run_id = "parcels.retrain/second"
    refused = {"metric": "roc_auc", REFUSED_FOR: "leaking_feature"}  # at first: a person allowed the feature then
    before = RecordedDecision(
        "parcels", DecisionKind.PROMOTE, "set before training", later, REJECT, ("It leaks.",), refused, run_id
    )
    world.ports.ledger.record_decision(before)
    retrain.run(since_shift, later, world.ports, run_id, actor="ada", reason="the world moved")
    predict(world, 30, AS_NOW, "parcels.predict/again")
    predict(world, 56)
    monitor.run(world.use_case, world.day(56), world.ports, "test")
    return world


def of_windows(world: World, before: int, after: int) -> windows.WindowsCompared:
    return windows.run(world.use_case, world.day(before), world.day(after), clock.now(), world.ports)


def test_a_window_that_drifted_is_told_with_the_column_that_moved(compared: World) -> None:
    found = of_windows(compared, 31, 45)
    assert found.sentence.startswith("2024-02-15 drifted from what its model considers normal; 2024-02-01 did not.")
    assert [each.name for each in found.columns if each.stands_out][:2] == ["(prediction)", "weight"]
    weight = next(each for each in found.columns if each.name == "weight")
    rows = {
        day: compared.ports.lake.read(raw_table("parcels"), compared.day(day).key).column("weight") for day in (31, 45)
    }
    clean = rows[31].filter(pc.greater_equal(rows[31], -50))  # the one in quarantine was not scored
    assert weight.before is not None
    assert weight.after is not None
    assert weight.before.mean == pytest.approx(pc.mean(clean).as_py())
    assert weight.after.high == pc.max(rows[45]).as_py()
    assert weight.share_closer == 1.0
    assert weight.moved == pytest.approx(sum(abs(bar.after - bar.before) for bar in weight.bars) / 2)
    for side in ("reference", "before", "after"):
        assert sum(getattr(bar, side) for bar in weight.bars) == pytest.approx(1.0)
    assert {each.rank for each in found.differences if "service" in each.said} <= {Rank.ORDINARY}


def test_windows_that_are_alike_say_so_and_what_moved_most(compared: World) -> None:
    day = compared.day(31)
    found = windows.run(compared.use_case, day, day, clock.now(), compared.ports)
    assert found.sentence == "Nothing is out of the ordinary between 2024-02-01 and 2024-02-01."
    assert found.differences == ()


def test_a_refused_window_is_compared_by_all_its_rows(compared: World) -> None:
    found = of_windows(compared, 31, 32)
    assert found.sentence.startswith("2024-02-01 was scored; 2024-02-02 was refused by validation.")
    weight = next(each for each in found.columns if each.name == "weight")
    assert weight.after is not None
    assert (weight.after.low, weight.after.high) == (-99.0, -99.0)
    assert weight.stands_out
    assert [(each.before, each.after) for each in found.rules] == [(1, 180)]
    said = page(compared, "compare", use_case="parcels", window="2024-02-01", **{"with": "2024-02-02"})
    assert "was refused by validation." in said
    assert said.count('<svg class="histogram"') == 2  # weight and service; there are no predictions of the second
    assert f'{compared.day(32).key}/quarantine">180 rows</a>' in said


def test_a_window_that_is_not_there_is_told(compared: World) -> None:
    found = of_windows(compared, 31, 58)
    assert found.sentence.startswith("2024-02-01 was scored; 2024-02-28 was not scored.")
    assert found.schema is None
    said = page(compared, "compare", use_case="parcels", window=compared.day(31).key, **{"with": compared.day(58).key})
    assert "The columns can't be compared: a window has no snapshot." in said
    assert "not ingested" in said


def test_windows_of_different_models_are_counted_in_the_bins_of_the_later(compared: World) -> None:
    found = of_windows(compared, 31, 56)
    assert found.bins_of == "2"
    assert any(
        each.said == "2024-02-01 was scored by version 1, 2024-02-26 by version 2." for each in found.differences
    )
    weight = next(each for each in found.columns if each.name == "weight")
    assert sum(bar.before for bar in weight.bars) == pytest.approx(1.0)
    assert weight.before is not None
    assert weight.before.rows == 179
    prediction = next(each for each in found.columns if each.name == "(prediction)")
    assert prediction.before is not None
    assert prediction.before.rows == 179


def test_too_many_rows_are_not_read_and_that_is_told(compared: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "MOST_ROWS", 10)
    found = of_windows(compared, 31, 56)
    assert "too many to be read for a page" in found.remarks[0]
    weight = next(each for each in found.columns if each.name == "weight")
    assert (weight.before, weight.bars, weight.moved) == (None, (), None)


def test_a_change_of_rows_columns_and_missing_values_is_told(compared: World, tmp_path: Path) -> None:
    world = live(make_world(tmp_path))
    rows = world.rows_of(34)
    world.put("service", dict.fromkeys(rows[:60]))
    kept = [row not in rows[100:] for row in range(world.parcels.table.num_rows)]
    world.parcels.table = world.parcels.table.filter(kept)
    predict(world, 34)
    monitor.run(world.use_case, world.day(34), world.ports, "test")
    found = of_windows(world, 30, 34)
    said = [each.said for each in found.differences]
    assert "service is missing in 60.0% of 2024-02-04, 0.0% of 2024-01-31." in said
    assert "2024-02-04 has 44% fewer rows than 2024-01-31: 100 instead of 180." in said
    snapshot = found.after.snapshot
    assert snapshot is not None
    columns = {"parcel": "integer", "weight": "text", "sender": "categorical"}
    changed = windows.schema_change(replace(snapshot, columns={**columns, "weight": "numeric"}), snapshot)
    assert changed is not None
    assert changed.gone == ("sender",)
    assert set(changed.new) == {"sent_at", "service"}


def test_two_models_are_compared_on_the_same_rows_where_they_were_judged_on_them(compared: World) -> None:
    found = models.run(compared.use_case, "1", "2", compared.ports)
    (auc,) = (each for each in found.same_rows if each.name == "roc_auc")
    decision = found.after.decision
    assert decision is not None
    assert auc.before == decision.numbers["champion version 1.roc_auc"]
    assert auc.after == decision.numbers[f"{found.after.recipe}.roc_auc"]
    assert found.sentence.startswith("On the same rows, version 2 is better: roc_auc ")
    assert [(each.since, each.until) for each in found.before.served] == [
        (compared.day(30).start, found.after.deployment.effective_from)
    ]
    assert found.after.served[0].until is None
    weight = next(each for each in found.columns if each.name == "weight")
    assert weight.moved is not None
    assert weight.moved > 0.5
    said = page(compared, "compare", use_case="parcels", model="1", **{"with": "2"})
    assert "the world moved" in said
    assert "by ada, approved by nobody: the policy decided alone" in said
    assert '<a href="/base/dags/parcels.retrain/runs/second" data-airflow>' in said
    backwards = models.run(compared.use_case, "2", "1", compared.ports)
    assert backwards.same_rows == ()
    assert "was not judged against" in page(compared, "compare", use_case="parcels", model="2", **{"with": "1"})


def test_two_revisions_say_what_moved_and_why(compared: World) -> None:
    window = compared.day(30)
    found = revisions.run(compared.use_case, window, 1, 2, compared.ports)
    old, new = (
        compared.ports.lake.read(batch.table, window.key, version=batch.version).sort_by("parcel").column("prediction")
        for batch in compared.ports.ledger.batches("parcels", window)
    )
    sides = [pc.greater_equal(each, 0.5) for each in (old, new)]
    assert found.crossed == pc.sum(pc.xor(*sides)).as_py()
    assert found.greatest_difference == pytest.approx(pc.max(pc.abs(pc.subtract(new, old))).as_py())
    assert (found.same, found.changed, found.added, found.removed) == (0, 180, 0, 0)
    assert len(found.rows) == revisions.MOST_ROWS
    assert {each.name for each in found.made_of if each.changed} == {
        "model",
        "model digest",
        "how the model was chosen",
    }
    assert found.sentence.startswith(f"{found.crossed} predictions went to the other side of 0.5.")
    said = page(compared, "compare", use_case="parcels", window=window.key, revision="1", **{"with": "2"})
    assert "Model: version 2 after version 1." in said
    assert '<a href="/base/dags/parcels.predict/runs/again" data-airflow>' in said
    assert f"evidence?entity={found.rows[0].entity}&amp;window=" in said


@pytest.mark.parametrize(
    "arguments",
    [
        {"window": "2024-02-01", "with": "2024-02-15"},
        {"window": "2024-02-02", "with": "2024-02-26"},
        {"model": "1", "with": "2"},
        {"window": "2024-01-31", "revision": "1", "with": "2"},
    ],
)
def test_each_difference_links_to_a_part_of_the_page(compared: World, arguments: dict[str, str]) -> None:
    said = page(compared, "compare", use_case="parcels", **arguments)
    linked = set(re.findall(r'href="#([^"]+)"', said))
    assert linked
    assert linked <= set(re.findall(r' id="([^"]+)"', said))


def test_the_form_offers_what_is_there(compared: World) -> None:
    found = choices.run(compared.use_case.spec, compared.ports)
    assert [each.version for each in found.models] == ["2", "1"]
    assert found.windows[0].name == "2024-02-26"
    assert [each.name for each in found.windows if each.revisions > 1] == ["2024-01-31"]
    said = page(compared, "compare", use_case="parcels")
    assert '<option value="2024-01-31">' in said
    assert "revision 1 with 2</a>" in said


def test_with_nothing_to_compare_the_form_says_so(tmp_path: Path) -> None:
    said = page(make_world(tmp_path), "compare", use_case="parcels")
    assert "No window was ingested yet" in said
    assert "No model was ever in service" in said


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"window": "nonsense", "with": "2024-02-01"}, 422),
        ({"window": "2024-02-01", "with": "2024-02-01T05:00Z"}, 422),
        ({"window": "2024-01-01T00:00Z--2024-01-03T00:00Z", "with": "2024-02-01"}, 422),
        ({"model": "1", "with": "<b>9</b>"}, 422),
        ({"window": "2024-01-31", "revision": "1", "with": "9"}, 404),
        ({"window": "2024-01-31", "revision": "one", "with": "2"}, 404),
        ({"window": "2024-01-31", "revision": "1" * 5000, "with": "2"}, 404),
        ({"window": "2024-02-03", "revision": "1", "with": "2"}, 404),
        ({"use_case": "other", "model": "1", "with": "2"}, 404),
    ],
)
def test_what_is_not_there_is_told(compared: World, arguments: dict[str, str], status: int) -> None:
    for as_json in (False, True):
        found = ask(compared, "compare", as_json=as_json, **{"use_case": "parcels", **arguments})
        assert found.status == status
        assert b"<b>9" not in found.body or as_json


def test_the_report_of_a_window_links_to_its_comparisons(compared: World) -> None:
    said = page(compared, "window", use_case="parcels", window=compared.day(31).key)
    before, this = (compared.day(day).key.replace(":", "%3A") for day in (30, 31))
    assert f"/compare?window={before}&amp;with={this}" in said
    assert "Compare the last two revisions" not in said
    said = page(compared, "window", use_case="parcels", window=compared.day(30).key)
    assert f"/compare?window={before}&amp;revision=1&amp;with=2" in said


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({}, "models"),
        ({"window": "2024-02-01", "with": "2024-02-15"}, "columns"),
        ({"window": "2024-02-01", "with": "2024-02-28"}, "remarks"),
        ({"model": "1", "with": "2"}, "same_rows"),
        ({"window": "2024-01-31", "revision": "1", "with": "2"}, "crossed"),
    ],
)
def test_scripts_get_each_comparison_as_its_schema_says(
    compared: World, repository: Path, arguments: dict[str, str], key: str
) -> None:
    found = told(compared, "compare", use_case="parcels", **arguments)
    assert key in found
    validator(repository, "compare").validate(found)


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    """In the spec, in values, in names of rules and runs, in what a person wrote, and in the address."""
    world = attacked(tmp_path)
    world.change(20, "service", ATTACK)
    world.change(31, "service", ATTACK)
    world.change(32, "service", f"{ATTACK}.")
    retrain.run(world.use_case, world.day(30).start, world.ports, ATTACK, actor=ATTACK, reason=ATTACK)
    for day in (30, 31):
        predict(world, day, run_id=ATTACK)
    world.change(30, "weight", 11.0)
    predict(world, 30, run_id=ATTACK)
    with pytest.raises(ValidationFailed):
        ingest_and_validate(world, 32)
    for arguments in (
        {},
        {"window": "2024-01-31", "with": "2024-02-01"},
        {"window": "2024-01-31", "with": "2024-02-02"},
        {"model": "1", "with": "1"},
        {"window": "2024-01-31", "revision": "1", "with": "2"},
    ):
        assert_harmless(page(world, "compare", use_case="parcels", **arguments))
    for payload in PAYLOADS:
        for hostile in ({"window": payload, "with": payload}, {"model": payload, "with": "1"}, {"window": payload}):
            assert payload.encode() not in ask(world, "compare", use_case="parcels", **hostile).body
        for hostile in ({"from": payload, "to": payload}, {"model": "pinned", "version": payload}):
            given = {"from": "2024-01-31", "to": "2024-02-02"} | hostile
            assert payload.encode() not in ask(world, "preview", use_case="parcels", **given).body


def test_models_are_compared_by_their_parameters_the_different_ones_first(
    compared: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"1": {"estimator": "trees", "depth": "3", "leaves": "<b>9"}, "2": {"estimator": "trees", "depth": "4"}}
    monkeypatch.setattr(compared.ports.registry, "parameters", lambda _, version: known[version])
    found = models.run(compared.use_case, "1", "2", compared.ports)
    assert [(each.name, each.before, each.after, each.differs) for each in found.parameters] == [
        ("depth", "3", "4", True),
        ("leaves", "<b>9", None, True),
        ("estimator", "trees", "trees", False),
    ]
    said = [each.said for each in found.differences if each.section == "parameters"]
    assert said == ["Version 2 has other parameters than 1: depth 4 instead of 3; leaves no value instead of <b>9."]
    html = page(compared, "compare", use_case="parcels", model="1", **{"with": "2"})
    assert "2 different" in html
    assert html.index('<th scope="row">depth</th>') < html.index('<th scope="row">estimator</th>')
    assert '<code>&lt;b&gt;9</code></td><td class="long">not set</td>' in html


def test_the_registry_has_the_parameters_that_the_use_case_sets(compared: World) -> None:
    found = models.run(compared.use_case, "1", "1", compared.ports)
    (candidate,) = (each for each in compared.use_case.spec.training.candidates if each.name == found.before.recipe)
    wanted = {"estimator": candidate.estimator, **{name: str(value) for name, value in candidate.parameters.items()}}
    assert {each.name: each.after for each in found.parameters} == wanted
    assert "parameters" not in {each.section for each in found.differences}


def test_models_are_compared_without_a_registry_that_answers(compared: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: str) -> dict[str, str]:
        raise StoreUnavailable("MLflow does not answer.")

    monkeypatch.setattr(compared.ports.registry, "parameters", down)
    found = models.run(compared.use_case, "1", "2", compared.ports)
    assert found.parameters == ()
    assert "The parameters of version 2 can't be read: MLflow does not answer." in found.remarks
    html = page(compared, "compare", use_case="parcels", model="1", **{"with": "2"})
    assert (
        "They are not on record, or can&#39;t be read." in html or "They are not on record, or can't be read." in html
    )
