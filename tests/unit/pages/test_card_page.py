"""The page of a model card: the verdict first, every statement with its record, and what is asked for wrongly."""

import doctest
import re
from pathlib import Path

import pytest
from tests.unit.jobs.world import World, make_world
from tests.unit.pages.asking import ATTACK, PAYLOADS, ask, live, page, told
from tests.unit.review.lived import Life, year

from perennial.card.make import model_card
from perennial.card.statements import sources
from perennial.pages.views import card


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return live(make_world(tmp_path_factory.mktemp("world")))


def test_the_verdict_stands_first_and_every_record_that_is_cited_is_listed(world: World) -> None:
    said = page(world, "card", use_case="parcels")
    found = model_card(world.use_case.spec, "1", world.day(46).start, world.ports)
    assert said.index("Judged better, against a prediction without skill") < said.index("<h2>Purpose and owner</h2>")
    cited = set(re.findall(r'href="#(source-\d+)"', said))
    assert cited == set(re.findall(r'id="(source-\d+)"', said))
    assert len(cited) == len(sources(found))
    for section in found.sections:
        assert f'<section class="card" id="{section.key}">' in said
        assert f'<a href="#{section.key}">{section.title}</a>' in said
    assert "<summary>Windows that took part: 21</summary>" in said
    assert '<caption class="unseen">Windows that took part</caption>' in said


def test_scripts_get_the_same_card(world: World) -> None:
    found = told(world, "card", use_case="parcels", version="1")
    assert (found["format"], found["version"], found["role"]) == (1, "1", "champion")
    judged = next(each for each in found["sections"] if each["key"] == "judgement")
    gain = next(each for each in judged["statements"] if each["name"] == "Gain")
    assert gain["low"] < gain["value"] < gain["high"]
    assert gain["source"]["kind"] == "decision"
    assert len(gain["source"]["digest"]) == 64


def test_versions_that_were_never_deployed_are_no_page(world: World, tmp_path: Path) -> None:
    found = ask(world, "card", use_case="parcels", version="9")
    assert found.status == 404
    assert b"versions that were: 1" in found.body
    assert ask(Life(tmp_path), "card", use_case="parcels").status == 404
    assert ask(world, "card", use_case="other").status == 404


def test_a_card_of_before_is_shown_with_what_there_is(tmp_path: Path) -> None:
    said = page(year(tmp_path), "card", use_case="parcels", version="2")
    assert "not in service</span>" in said
    assert "<em>no evidence: the version was deployed before" in said
    assert "rolled back to: the model of May was worse" in said


def test_what_somebody_else_wrote_is_text(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.deploy(30, "1", ATTACK)
    said = page(life, "card", use_case="parcels")
    assert [each for each in PAYLOADS if each in said] == []
    assert "&lt;script&gt;" in said


def test_it_is_reached_from_the_models_and_from_the_retraining(world: World) -> None:
    link = 'href="/base/perennial/dags/parcels.predict/card?version=1"'
    assert link in page(world, "use_case", use_case="parcels")
    assert link in page(world, "retraining", use_case="parcels", run_id="test")


def test_of_a_long_table_the_page_has_the_last_rows_and_scripts_have_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card, "MOST_ROWS", 9)
    said = page(world, "card", use_case="parcels")
    assert "<summary>Windows that took part: 21</summary>" in said
    assert "These are the last 9; the JSON and the file have all." in said
    assert f">{world.day(28).key}</th>" in said
    assert f">{world.day(9).key}</th>" not in said
    data = next(each for each in told(world, "card", use_case="parcels")["sections"] if each["key"] == "data")
    assert len(data["tables"][0]["rows"]) == 21


def test_columns_of_numbers_are_aligned_as_numbers(world: World) -> None:
    assert doctest.testmod(card).failed == 0
    said = page(world, "card", use_case="parcels")
    assert '<th scope="col" class="n">Labelled rows</th>' in said
    assert '<th scope="col">Value</th>' in said  # of the decision's numbers: some are texts
