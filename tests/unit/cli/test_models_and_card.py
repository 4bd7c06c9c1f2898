"""`perennial models` draws the family tree, and `perennial card` shows a version's card."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.test_learning_path import retrained
from tests.unit.jobs.world import World
from tests.unit.review.lived import Life, year

from perennial.card.make import model_card
from perennial.card.statements import ModelCard
from perennial.cli.models import tree
from perennial.encoding import from_json_text, json_bytes
from perennial.jobs.retrain import card as job
from perennial.review import models as review


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return year(tmp_path_factory.mktemp("life"))


def test_the_tree_tells_parent_trigger_data_verdict_and_roles(life: Life) -> None:
    lines = tree(review.run(life.spec, life.ports), "roc_auc", "UTC")
    text = "\n".join(lines)
    heads = [line for line in lines if "● version" in line]
    assert [head.split("version ")[1][0] for head in heads] == ["1", "2", "3", "4"]
    assert heads[2].startswith("├─ ●")  # version 3 was rolled back: 2 went on
    assert "(champion)" in heads[3]
    assert "replaced version 2" in text
    assert "because  drift" in text
    assert "25,200 rows of 28 windows" in text
    assert "champion 2024-09-17 to 2024-11-16, approved by ada, rolled back to: the model of May was worse" in text
    assert "1 retraining after which the champion stayed; the last ones:" in text


def test_dates_are_those_of_the_zone(life: Life) -> None:
    text = "\n".join(tree(review.run(life.spec, life.ports), "roc_auc", "America/New_York"))
    assert "champion 2024-09-16 to 2024-11-15" in text  # from midnight UTC on


def test_a_verdict_stands_with_its_interval(life: Life) -> None:
    family = review.run(life.spec, life.ports)
    (first, *_) = family.versions
    judged = replace(first, parent=None, verdict="better", gain=0.02, low=0.01, high=0.03)
    text = "\n".join(tree(review.ModelFamily((judged,), ()), "roc_auc", "UTC"))
    assert "verdict  better: gain +0.02 (+0.01 to +0.03); roc_auc 0.7 against champion version 2 0.68" in text


def test_no_model_has_no_tree(tmp_path: Path, world: World, perennial: Call) -> None:
    code, out, _ = perennial("models", "parcels")
    assert (code, out.strip()) == (0, "No model was deployed yet.")


def test_models_and_cards_of_a_use_case(world: World, perennial: Call, tmp_path: Path) -> None:
    retrained(world, 30)
    code, out, _ = perennial("models", "parcels")
    assert code == 0
    assert "● version 1 (champion)" in out
    assert "verdict  better: gain +" in out
    code, out, _ = perennial("models", "parcels", "--json")
    assert json.loads(out)["versions"][0]["verdict"] == "better"

    code, out, _ = perennial("card", "parcels")
    assert code == 0
    assert "Judged better, against a prediction without skill" in out
    assert "Purpose\tno evidence: the questionnaire about risk was not answered" in out
    assert "Windows that took part: 21; --html and --json have them" in out
    code, out, _ = perennial("card", "parcels", "--version", "1", "--json")
    found = from_json_text(ModelCard, out.encode())
    assert found == _card(world)
    file = tmp_path / "card.html"
    code, out, _ = perennial("card", "parcels", "--html", str(file))
    assert f"written to {file}" in out
    assert "<h1>Model card: Parcels that come late, version 1</h1>" in file.read_text()


def test_the_bill_is_the_one_that_was_attached_and_what_is_missing_is_attached_on_request(
    world: World, perennial: Call
) -> None:
    retrained(world, 30)
    kept = world.ports.registry.attached("parcels", "1", job.BILL)
    code, out, _ = perennial("card", "parcels", "--bom")
    assert (code, out.strip().encode()) == (0, kept)
    world.ports.registry.remove("parcels", "1", [job.BILL, job.CARD])
    code, out, _ = perennial("card", "parcels", "--bom", "--attach")
    assert out.strip().encode() == kept
    assert world.ports.registry.attached("parcels", "1", job.BILL) == kept
    assert world.ports.registry.attached("parcels", "1", job.CARD) == json_bytes(_card(world))


def test_wrong_versions_and_wrong_wishes(world: World, perennial: Call) -> None:
    retrained(world, 30)
    code, _, err = perennial("card", "parcels", "--version", "9")
    assert code == 3
    assert "versions that were: 1" in err
    code, _, err = perennial("card", "parcels", "--json", "--bom")
    assert code == 2
    assert "say --json for the card, or --bom" in err


def _card(world: World) -> ModelCard:
    return model_card(world.use_case.spec, "1", world.day(59).start, world.ports)
