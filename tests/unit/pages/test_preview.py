"""What a backfill would do: every mode, the summary, and ranges that are too long, empty or beside the schedule."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.test_the_past import deploy_again
from tests.unit.jobs.world import World, make_world
from tests.unit.pages.asking import ask, page, told

from perennial.errors import NoModel, ValidationFailed
from perennial.jobs.retrain import assemble, deploy, train
from perennial.jobs.retrain.judge import Judged
from perennial.ledger.entries import DeployedRole
from perennial.pages.views import preview as view
from perennial.records.model_choice import ModelChoice
from perennial.review import prefetched, preview
from perennial.review.preview import Outcome
from perennial.spec.expectations import Expectation
from perennial.verdict import PROMOTE
from perennial.window import Every

MODES = ("as_was", "as_known", "as_now", "pinned:1", "pinned:2", "pinned:9")
RANGE = {"from": "2024-01-30", "to": "2024-02-06"}  # days 29 to 36


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> World:
    """30 and 31 are scored, 31 has another snapshot since; 32 waits; 33 is refused; 35 has rows in quarantine; a
    second model, for which 29 and 34 were ingested, serves from 36 on, which is not there."""
    world = make_world(tmp_path_factory.mktemp("planned"))
    first_model(world)
    for day in (30, 31, 35):
        if day == 35:
            world.put("weight", {world.rows_of(35)[3]: -60.0})
        predict(world, day)
    world.change(31, "weight", 11.0)
    ingest_and_validate(world, 31)
    ingest_and_validate(world, 32)
    world.change(33, "weight", -99.0)
    with pytest.raises(ValidationFailed):
        ingest_and_validate(world, 33)
    deploy_another(world, 36)
    return world


def deploy_another(world: World, day: int) -> None:
    """A second model, trained on what was known on the day, in service from then on, whatever a judge would say."""
    ports, name = world.ports, world.use_case.spec.name
    first = ports.ledger.current_deployment(name, DeployedRole.CHAMPION)
    assert first is not None
    reference = ports.registry.load(name, first.model_version, first.model_digest).reference
    assembled = assemble.run(world.use_case, world.day(day).start, ports, "second")
    judged = Judged(
        training_id=assembled.training_id,
        action=PROMOTE,
        reasons=("wanted",),
        scores={},
        champion_id=first.id,
        winner=train.run(world.use_case, assembled.training_id, "logistic", ports, "second"),
        reference_digest=ports.artifacts.put(json.dumps(reference).encode()),
    )
    deploy.run(world.use_case, judged, ports, "second", actor="test", reason="second")


def plan(world: World, **arguments: str) -> dict[str, Any]:
    return told(world, "preview", use_case="parcels", **(RANGE | arguments))


@pytest.mark.parametrize("mode", MODES)
def test_reading_all_windows_at_once_says_the_same_as_asking_for_each(
    planned: World, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    windows = [planned.day(day) for day in range(28, 38)]
    choice = ModelChoice.parse(mode)
    at_once = preview.run(planned.use_case, windows, planned.ports, model=choice)
    monkeypatch.setattr(preview, "prefetched", lambda name, windows, ports: ports)
    assert at_once == preview.run(planned.use_case, windows, planned.ports, model=choice)


def test_as_known_is_read_at_once_as_it_was_recorded_then(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first_model(world)
    predict(world, 31)
    deploy_again(world, 31)
    world.change(31, "weight", 11.0)
    predict(world, 31)
    at_once = prefetched.prefetched(world.use_case, [world.day(31), world.day(32)], world.ports).ledger
    for mode in MODES[:4]:
        choice = ModelChoice.parse(mode)
        known = choice.resolve(world.use_case.spec, world.day(31), world.ports.ledger)
        assert choice.resolve(world.use_case.spec, world.day(31), at_once) == known
    never_scored, as_known = world.day(32), ModelChoice.parse("as_known")
    for ledger in (world.ports.ledger, at_once):
        with pytest.raises(NoModel):  # when it ended, nothing was recorded yet
            as_known.resolve(world.use_case.spec, never_scored, ledger)


def test_the_questions_to_the_ledger_do_not_grow_with_the_windows(
    planned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    for name in ("latest_snapshot", "latest_batch", "validation_of", "deployment_at", "current_deployment"):
        monkeypatch.setattr(planned.ports.ledger, name, lambda *_, name=name: asked.append(name))
    found = preview.run(
        planned.use_case, [planned.day(day) for day in (30, 31, 32)], planned.ports, model=ModelChoice()
    )
    assert [each.outcome for each in found] == [Outcome.UNCHANGED, Outcome.CHANGED, Outcome.NEW]
    assert asked == []


def test_nor_do_they_after_a_change_of_the_expectations(planned: World, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [30, 31, 32]
    stricter = Expectation(type="expect_table_row_count_to_be_between", kwargs={"min_value": 1})
    changed = replace(planned.use_case, expectations=(*planned.use_case.expectations, stricter))
    asked: list[str] = []
    for name in ("validation_of", "validations", "interventions"):
        monkeypatch.setattr(planned.ports.ledger, name, lambda *_, name=name: asked.append(name))
    found = preview.run(changed, [planned.day(day) for day in days], planned.ports, model=ModelChoice())
    assert [each.outcome for each in found] == [Outcome.OPEN] * 3
    assert asked == []


@pytest.mark.parametrize(
    ("mode", "sentence", "models"),
    [
        ("as_was", "2 new, 1 changed, 2 unchanged, 1 not ingested or not validated yet, 2 can't be scored", {"1", "2"}),
        ("as_now", "3 new, 3 changed, 0 unchanged, 1 not ingested or not validated yet, 1 can't be scored", {"2"}),
    ],
)
def test_the_summary_comes_first(planned: World, mode: str, sentence: str, models: set[str]) -> None:
    found = plan(planned, model=mode)
    assert found["sentence"] == f"8 windows: {sentence}"
    assert {each["model"] for each in found["windows"]} - {None} == models
    said = page(planned, "preview", use_case="parcels", model=mode, **RANGE)
    assert said.index(f"8 windows: {sentence}.".replace("'", "&#39;")) < said.index("<form")


def test_each_window_says_its_data_its_model_and_what_would_become_of_it(planned: World) -> None:
    found = {each["window"]["start"][:10]: each for each in plan(planned)["windows"]}
    assert found["2024-01-30"]["why_not"].startswith("NoModel")
    outcomes = [found[f"2024-0{day}"]["outcome"] for day in ("1-31", "2-01", "2-02", "2-03", "2-04", "2-05", "2-06")]
    assert outcomes == ["unchanged", "changed", "new", "stopped", "new", "unchanged", "open"]
    snapshot = planned.ports.ledger.latest_snapshot("parcels", planned.day(31))
    assert snapshot is not None
    assert (found["2024-02-01"]["snapshot"], found["2024-02-01"]["snapshot_digest"]) == (
        snapshot.version,
        snapshot.digest,
    )
    said = page(planned, "preview", use_case="parcels", **RANGE)
    for words in ("refused by validation", "not ingested yet", "no model", "revision 2"):
        assert words in said


def test_a_pinned_version_is_chosen_from_those_there_are(planned: World) -> None:
    said = page(planned, "preview", use_case="parcels", model="pinned", version="2", **RANGE)
    assert '<option value="2" selected>2, from ' in said
    assert '<option value="1">1, from ' in said
    assert 'data-model="pinned" data-version="2"' in said
    found = plan(planned, model="pinned", version="2")
    assert {each["model"] for each in found["windows"]} == {"2"}
    said = page(planned, "preview", use_case="parcels", model="as_was", version="2", **RANGE)
    assert 'data-model="as_was" data-version=""' in said  # a version is for pinned only
    assert {each["model"] for each in plan(planned, model="as_was", version="2")["windows"]} == {"1", "2", None}
    unknown = plan(planned, model="pinned", version="9")
    assert unknown["sentence"] == "8 windows: 0 new, 0 changed, 0 unchanged, 8 can't be scored"


def test_every_mode_is_explained(planned: World) -> None:
    said = page(planned, "preview", use_case="parcels")
    for mode in ("as_was", "as_known", "as_now", "pinned"):
        assert f"<dt><code>{mode}</code></dt>" in said
    assert "data-backfill" not in said
    assert '<a href="/base/dags/parcels.predict/backfills" data-airflow>' in page(
        planned, "preview", use_case="parcels", **RANGE
    )


def test_a_longer_range_is_cut_and_says_so(planned: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "WINDOWS_SHOWN", 3)
    found = plan(planned)
    assert len(found["windows"]) == 3
    assert found["goes_on_at"] == "2024-02-02T00:00:00Z"
    said = page(planned, "preview", use_case="parcels", **RANGE)
    assert "The range has more than 3 windows." in said
    assert 'data-to="2024-02-01T00:00:00+00:00"' in said
    assert "?from=2024-02-02T00%3A00%3A00%2B00%3A00&amp;to=2024-02-06" in said
    assert plan(planned, to="2024-02-01")["goes_on_at"] is None


def test_a_range_beside_the_schedule_is_cut_or_refused(planned: World) -> None:
    found = plan(planned, **{"from": "2023-12-30", "to": "2024-01-02"})
    assert [each["window"]["start"][:10] for each in found["windows"]] == ["2024-01-01", "2024-01-02"]
    for wrong, why in (
        ({"from": "2023-01-01", "to": "2023-02-01"}, "schedule starts on 2024-01-01"),
        ({"from": "2024-02-05", "to": "2024-02-01"}, "comes before the first"),
        ({"from": "x", "to": "2024-02-01"}, "is not a date or time"),
    ):
        refused = ask(planned, "preview", as_json=True, use_case="parcels", **wrong)
        assert refused.status == 422
        assert why in refused.body.decode()


@pytest.mark.parametrize(
    ("every", "zone", "last", "end"),
    [
        ("hour", "UTC", "2024-02-05", "2024-02-06T00:00:00+00:00"),
        ("hour", "UTC", "2024-02-05T07:00Z", "2024-02-05T08:00:00+00:00"),
        ("6h", "Europe/Berlin", "2024-02-05", "2024-02-05T23:00:00+00:00"),
        ("day", "Europe/Berlin", "2024-03-31", "2024-03-31T22:00:00+00:00"),
        ("week", "UTC", "2024-02-07", "2024-02-12T00:00:00+00:00"),
        ("month", "UTC", "2024-02-07", "2024-03-01T00:00:00+00:00"),
    ],
)
def test_a_last_date_is_meant_whole(planned: World, every: str, zone: str, last: str, end: str) -> None:
    schedule = planned.use_case.spec.schedule.model_copy(update={"every": Every(every), "timezone": zone})
    spec = planned.use_case.spec.model_copy(update={"schedule": schedule})
    assert view._end(spec, last).isoformat() == end


def test_reasons_have_a_column_where_there_are_any(planned: World) -> None:
    head = '<th scope="col">Because</th>'
    assert head in page(planned, "preview", use_case="parcels", **RANGE)
    assert head not in page(planned, "preview", use_case="parcels", **{"from": "2024-01-31", "to": "2024-01-31"})
