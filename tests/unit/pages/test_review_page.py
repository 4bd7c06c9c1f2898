"""The page of the review queue, and the answers that a person gives on it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.unit.jobs.reviewed import asked, copied, lived, say, select, truth
from tests.unit.jobs.world import START, World
from tests.unit.pages.asking import ATTACK, ask, assert_harmless, page, settings_of, told

from perennial.jobs.evaluate import collect_labels, measure
from perennial.ledger.entries import HumanLabel
from perennial.pages.change import ChangeAsked, change

NOW = START + timedelta(days=31, hours=2)  # two hours after day 30: no outcome has been collected


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = lived(tmp_path_factory.mktemp("lived"))
    select(world, 30)
    return world


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copied(template, tmp_path)


def answered(world: World, entity: str, answer: str, actor: str = "ada", **body: Any) -> tuple[int, dict[str, Any]]:
    asked_for = ChangeAsked(
        "answered", "parcels", world.day(30).key, actor, {"entity": entity, "answer": answer, **body}
    )
    found = change(asked_for, settings_of(world), world.ports)
    return found.status, json.loads(found.body)


def entries(world: World) -> list[HumanLabel]:
    return list(world.ports.ledger.human_labels_between("parcels", world.day(30).start, world.day(30).end))


def test_rows_that_wait_are_shown_in_their_order_without_what_the_model_predicted(
    world: World, repository: Path
) -> None:
    found = told(world, "review", use_case="parcels")
    questions = asked(world, 30)
    assert (found["waiting"], found["windows"], found["answered"]) == (len(questions), 1, 0)
    assert [each["entity"] for each in found["questions"]] == [each.entity for each in questions[:25]]
    first = found["questions"][0]
    assert set(first["values"]) == {"sent_at", "weight", "service"}
    row = world.parcels.table.slice(int(first["entity"]), 1).to_pylist()[0]
    assert first["values"]["weight"] == row["weight"]
    shown = page(world, "review", use_case="parcels", may_change=True)
    assert f"parcel {first['entity']}" in shown
    assert "prediction" not in json.dumps(found["questions"])
    schema = json.loads((repository / "docs" / "pages" / "review.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(found)


def test_the_spec_chooses_what_a_reviewer_sees(template: World, tmp_path: Path) -> None:
    world = copied(template, tmp_path, "review: {columns: [service]}")
    assert set(told(world, "review", use_case="parcels")["questions"][0]["values"]) == {"service"}


def test_an_answer_is_recorded_in_the_name_of_the_user_and_then_tells_the_prediction(world: World) -> None:
    question = asked(world, 30)[0]
    status, found = answered(world, question.entity, "yes")
    assert (status, found["actor"]) == (200, "ada")
    assert found["said"] == f"ada answered yes. The model had predicted {question.prediction:.3g}."
    (entry,) = entries(world)
    assert (entry.author, entry.value, entry.origin, entry.answered_at) == ("ada", 1.0, "page", NOW)
    now = told(world, "review", use_case="parcels")
    assert question.entity not in [each["entity"] for each in now["questions"]]
    assert [(each["entity"], each["value"], each["prediction"]) for each in now["recent"]] == [
        (question.entity, 1.0, question.prediction)
    ]


def test_an_answer_is_taken_back_by_who_gave_it_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    entity = asked(world, 30)[0].entity
    answered(world, entity, "yes")
    status, found = answered(world, entity, "", actor="bob")
    assert status == 422
    assert "bob has no answer" in found["detail"]
    monkeypatch.setattr("perennial.clock.now", lambda: NOW + timedelta(minutes=1))
    assert answered(world, entity, "")[0] == 200
    assert entity in [each["entity"] for each in told(world, "review", use_case="parcels")["questions"]]


def test_people_who_say_otherwise_are_named(world: World) -> None:
    question = asked(world, 30)[0]
    say(world, question, 1, author="bob")
    answered(world, question.entity, "no")
    (recent,) = told(world, "review", use_case="parcels")["recent"]
    assert (recent["author"], recent["others"]) == ("ada", ["bob"])


def test_rows_whose_outcome_came_need_no_answer(world: World) -> None:
    questions = asked(world, 30)
    collect_labels.run(world.use_case, world.day(32).start, world.ports, "test")
    found = told(world, "review", use_case="parcels")  # at noon of the day after half of the outcomes are there
    known = [each for each in questions if _arrived(world, each.entity)]
    assert found["decided"] == len(known) > 0
    assert found["waiting"] == len(questions) - len(known)


def _arrived(world: World, entity: str) -> bool:
    arrived: bool = world.outcomes.table.column("delivered_at")[int(entity)].as_py() <= NOW
    return arrived


@pytest.mark.parametrize(
    ("entity", "answer", "more", "said"),
    [
        (None, "maybe", {}, "is no outcome"),
        ("999999", "yes", {}, "Nobody is asked about"),
        (None, "yes", {"reason": "x"}, "reason"),
        (None, "y" * 51, {}, "answer"),
        ("", "yes", {}, "entity"),
    ],
)
def test_what_is_not_clear_changes_nothing(
    world: World, entity: str | None, answer: str, more: dict[str, Any], said: str
) -> None:
    status, found = answered(world, asked(world, 30)[0].entity if entity is None else entity, answer, **more)
    assert status == 422
    assert said in found["detail"]
    assert entries(world) == []


def test_who_may_only_look_gets_no_form(world: World) -> None:
    say(world, asked(world, 30)[0], 1)
    assert "<form" in page(world, "review", use_case="parcels", may_change=True)
    shown = page(world, "review", use_case="parcels", may_change=False)
    assert "<form" not in shown
    assert "You may look, but not answer" in shown


def test_earlier_windows_are_asked_for(world: World) -> None:
    found = told(world, "review", use_case="parcels", until="2024-01-31")
    assert (found["windows"], found["waiting"], found["earlier"]) == (0, 0, None)
    assert "The newest windows" in page(world, "review", use_case="parcels", until="2024-01-31")
    assert ask(world, "review", use_case="parcels", until="x").status == 422


def test_a_page_reads_as_many_windows_as_it_takes(world: World) -> None:
    select(world, 31)
    newest = told(world, "review", use_case="parcels")
    assert (newest["windows"], newest["earlier"]) == (1, "2024-02-01T00:00:00Z")
    assert {each["window"]["start"] for each in newest["questions"]} == {"2024-02-01T00:00:00Z"}
    assert newest["waiting"] == len(asked(world, 31)) > 25
    earlier = told(world, "review", use_case="parcels", until=newest["earlier"])
    assert (earlier["windows"], earlier["waiting"], earlier["earlier"]) == (1, len(asked(world, 30)), None)
    for each in asked(world, 31):
        say(world, each, 1)
    now = told(world, "review", use_case="parcels")  # an answered window is passed over
    assert (now["windows"], now["answered"], now["waiting"]) == (2, len(asked(world, 31)), len(asked(world, 30)))


def test_where_nobody_is_asked_the_page_says_how(template: World, tmp_path: Path) -> None:
    world = copied(template, tmp_path, "description: none")
    assert "Nobody is asked" in page(world, "review", use_case="parcels")
    assert "/review" not in page(world, "use_case", use_case="parcels")


def test_hostile_texts_stay_texts(world: World) -> None:
    question = asked(world, 30)[0]
    say(world, question, 1, author=ATTACK)
    say(world, question, 0, question.window.end + timedelta(hours=1, minutes=1), author="bob")
    assert_harmless(page(world, "review", use_case="parcels", may_change=True))


def test_what_the_answers_say_stands_beside_what_labels_say(world: World) -> None:
    for each in asked(world, 30):
        say(world, each, truth(world, each))
    for job in (collect_labels, measure):
        job.run(world.use_case, world.day(33).start, world.ports, "evaluate")
    shown = page(world, "review", use_case="parcels")
    assert "What the answers say of the model" in shown
    assert "no estimate yet. The answers are worth" in shown  # of one window there are too few
    assert "People and the model agree on" in shown
    of_use_case = page(world, "use_case", use_case="parcels")
    assert "By people's answers" in of_use_case
    assert "People and the model agree on" in of_use_case
    assert "Review queue …" in of_use_case
