"""The review queue on the command line."""

import json
from pathlib import Path

import pytest
from tests.handover.record import FILE
from tests.unit.cli.conftest import Call
from tests.unit.jobs.reviewed import REVIEW, asked, copied, lived, select
from tests.unit.jobs.world import World

from perennial.cli.session import Session
from perennial.ledger.entries import HumanLabel
from perennial.records import human_labels

DAY = "2024-01-31"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return lived(tmp_path_factory.mktemp("lived"))


@pytest.fixture
def world(template: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """What every command finds: day 30 is scored, and nobody has been asked yet."""
    root = tmp_path / "use_cases"
    root.mkdir()
    world = copied(template, root, REVIEW)
    monkeypatch.setattr(Session, "ports", world.ports)
    monkeypatch.setattr(Session, "actor", "ada")
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PERENNIAL_USE_CASES", str(root))
    return world


def entries(world: World) -> list[HumanLabel]:
    return list(world.ports.ledger.human_labels_between("parcels", world.day(30).start, world.day(30).end))


def selected(perennial: Call) -> None:
    code, out, _ = perennial("review", "select", "parcels", "--window", DAY, "--json")
    assert code == 0
    assert json.loads(out)["changed"] is True


def test_rows_are_listed_answered_and_withdrawn(world: World, perennial: Call) -> None:
    selected(perennial)
    row = asked(world, 30)[0].entity
    place = ("parcels", "--window", DAY, "--entity", row)
    code, out, _ = perennial("review", "list", "parcels", "--json")
    waiting = json.loads(out)["waiting"]
    assert (code, waiting) == (0, len(asked(world, 30)))
    assert row in perennial("review", "list", "parcels")[1]
    assert perennial("review", "answer", *place, "--answer", "yes")[0] == 0
    assert [(each.author, each.value, each.origin) for each in entries(world)] == [("ada", 1.0, "command line")]
    assert json.loads(perennial("review", "list", "parcels", "--json")[1])["waiting"] == waiting - 1
    assert perennial("review", "withdraw", *place)[0] == 0
    assert json.loads(perennial("review", "list", "parcels", "--json")[1])["waiting"] == waiting


def test_what_can_t_be_taken_says_why(world: World, perennial: Call) -> None:
    selected(perennial)
    row = asked(world, 30)[0].entity
    code, _, said = perennial("review", "answer", "parcels", "--window", DAY, "--entity", row, "--answer", "perhaps")
    assert code == 3
    assert "'perhaps' is no outcome of parcels: answer with yes or no" in " ".join(said.split())
    code, _, said = perennial("review", "withdraw", "parcels", "--window", DAY, "--entity", row)
    assert (code, "ada has no answer" in said) == (3, True)
    assert entries(world) == []


def test_rows_go_to_a_file_and_answers_come_from_one(world: World, perennial: Call, tmp_path: Path) -> None:
    selected(perennial)
    file = tmp_path / "rows.json"
    code, out, _ = perennial("review", "export", "parcels", "--label-studio", str(file))
    assert code == 0
    assert '<Choice value="yes" hotkey="y"/>' in out
    sent = json.loads(file.read_text())
    assert [each["data"]["perennial"]["entity"] for each in sent] == [each.entity for each in asked(world, 30)]
    text = json.dumps(json.loads(FILE.read_text())["export"]["body"])
    for number, each in enumerate(asked(world, 30)[:4]):
        text = text.replace(f"ENTITY{number}", each.entity)
    exported = tmp_path / "exported.json"
    exported.write_text(text)
    code, out, _ = perennial("review", "import", "parcels", "--label-studio", str(exported), "--json")
    found = json.loads(out)
    assert (code, found["new"], found["skipped"], found["others"], found["refused"]) == (0, 3, 1, 1, [])
    assert len(entries(world)) == 3


def test_as_many_windows_are_handed_over_as_hold_the_rows(
    world: World, perennial: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perennial.review.open_questions.LOOKED_AT", 1)
    select(world, 30)
    select(world, 31)
    file = tmp_path / "rows.json"
    code, out, _ = perennial("review", "export", "parcels", "--label-studio", str(file))
    sent = [each["data"]["perennial"]["window"] for each in json.loads(file.read_text())]
    assert (code, set(sent)) == (0, {world.day(30).key, world.day(31).key})
    assert "were not looked at" not in out
    monkeypatch.setattr("perennial.handover.label_studio.MOST", 5)
    out = perennial("review", "export", "parcels", "--label-studio", str(file))[1]
    assert (len(json.loads(file.read_text())), "Windows before 2024-02-01T00:00Z were not looked at" in out) == (
        5,
        True,
    )


def test_performance_says_what_people_say_beside_what_labels_say(world: World, perennial: Call) -> None:
    selected(perennial)
    for each in asked(world, 30)[:20]:
        at = world.day(30).end
        human_labels.answer(
            world.use_case, each.window, each.entity, 1, world.ports, "run", author="ada", answered_at=at, origin="page"
        )
    assert perennial("performance", "parcels", "--window", DAY)[1].splitlines() == [
        "None of these windows has been measured.",
        "When outcomes have arrived, measure how good the predictions were:",
        "  perennial evaluate parcels --as-of 2024-02-02T00:00Z",
    ]
    assert perennial("evaluate", "parcels", "--as-of", "2024-02-03")[0] == 0
    code, out, _ = perennial("performance", "parcels", "--window", DAY)
    told = " ".join(out.split())
    assert code == 0
    assert "By the rows that people were asked about, in 1 window of model version 1 until 2024-02-01 00:00Z" in told
    assert "of 20 answered rows. Of all rows, doubtful or not, they would agree on" in told
    assert "Of 20 answered rows the outcome came, too: people had said" in told
    assert "no estimate yet" in perennial("review", "list", "parcels")[1]


def test_where_nobody_is_asked_it_says_so(
    template: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, perennial: Call
) -> None:
    root = tmp_path / "none"
    root.mkdir()
    monkeypatch.setattr(Session, "ports", copied(template, root, "description: none").ports)
    monkeypatch.setenv("PERENNIAL_USE_CASES", str(root))
    code, out, _ = perennial("review", "list", "parcels")
    assert (code, "has no `review`" in out) == (0, True)
