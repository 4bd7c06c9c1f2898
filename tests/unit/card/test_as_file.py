"""The card as one HTML file: complete, escaped, without anything from elsewhere."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.pages.asking import ATTACK, PAYLOADS
from tests.unit.review.lived import Life, year

from perennial.card.as_file import as_html
from perennial.card.make import model_card
from perennial.card.statements import ModelCard, sources


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> ModelCard:
    life = year(tmp_path_factory.mktemp("life"))
    return model_card(life.spec, "2", life.now, life.ports)


def test_every_statement_and_record_is_in_the_file(card: ModelCard) -> None:
    said = as_html(card)
    for section in card.sections:
        assert f"<h2>{section.title}</h2>" in said
    ids = set(re.findall(r'id="(source-\d+)"', said))
    assert len(ids) == len(sources(card))
    assert set(re.findall(r'href="#(source-\d+)"', said)) == ids
    assert said.count('<td class="none">no evidence') > 20
    assert said == as_html(card)


def test_the_file_needs_no_other_and_runs_nothing(card: ModelCard) -> None:
    said = as_html(card)
    assert not re.search(r"<script|<link|<img|src=|https?://|style=\"", said)
    assert "default-src 'none'" in said
    assert "@media print" in said


def test_what_somebody_else_wrote_is_text(tmp_path: Path) -> None:
    life = Life(tmp_path)
    made = life.deploy(30, "1", ATTACK)
    life.ledger.deploy(replace(made, supersedes=made.id, actor=ATTACK, approved_by=ATTACK, run_id=ATTACK))
    said = as_html(model_card(life.spec, None, life.now, life.ports))
    assert [each for each in PAYLOADS if each in said] == []
    assert "49<b>" not in said
    assert "&lt;script&gt;" in said
