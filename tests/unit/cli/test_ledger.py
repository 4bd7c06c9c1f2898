"""`perennial ledger`: what it says of a ledger that is whole, and of one that was altered."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.world import World

from perennial.ledger.chain import link_after
from perennial.ledger.entries import DecisionKind, DeployedRole, Deployment, RecordedDecision
from perennial.ledger.memory.ledger import InMemoryLedger


@pytest.fixture
def ledger(world: World) -> InMemoryLedger:
    """With a champion and the decision that led to it."""
    found = world.ports.ledger
    assert isinstance(found, InMemoryLedger)
    at = datetime(2024, 1, 31, tzinfo=UTC)
    found.record_decision(RecordedDecision("parcels", DecisionKind.PROMOTE, "1", at, "promote", (), {}, "run"))
    found.deploy(
        Deployment(
            "parcels", DeployedRole.CHAMPION, "1", "m1", at, None, "ada", "the first", {}, {}, None, "v", "l", "run"
        )
    )
    return found


def edit(ledger: InMemoryLedger, **changes: Any) -> Deployment:
    (first,) = ledger.deployments("parcels")
    ledger._by_kind[Deployment][0] = replace(first, **changes)
    return first


def test_a_whole_ledger_is_said_to_be_so_and_to_lack_an_anchor(ledger: InMemoryLedger, perennial: Call) -> None:
    (end,) = ledger.last_links()
    code, out, _ = perennial("ledger", "verify")
    assert code == 0
    assert f"parcels: {end.position} entries read\n" in out
    assert "There is no anchor in " in out
    assert "make the chain anew or remove its newest entries" in out
    assert out.endswith("No entry was changed, removed, put in or reordered.\n")


def test_an_edited_entry_is_named_and_the_command_fails(ledger: InMemoryLedger, perennial: Call) -> None:
    first = edit(ledger, actor="mallory")
    code, out, _ = perennial("ledger", "verify", "parcels")
    assert code == 7
    assert f"(deployment {first.id}, recorded " in out
    assert "): changed. It no longer says what was recorded.\n" in out
    assert "1 alteration. Nothing in Perennial changes or removes entries" in out
    assert "Keep the database as it is" in out
    assert "No entry was changed" not in out


def test_what_was_found_is_there_for_scripts(ledger: InMemoryLedger, perennial: Call) -> None:
    edit(ledger, actor="mallory")
    code, out, _ = perennial("ledger", "verify", "--json")
    found = json.loads(out)
    assert (code, found["alterations"], found["anchors"], found["anchored_at"]) == (7, 1, 0, None)
    assert [(each["what"], each["kind"], each["use_case"]) for each in found["named"]] == [
        ("changed", "deployment", "parcels")
    ]
    assert [chain["use_case"] for chain in found["chains"]] == ["parcels"]


def test_an_anchor_is_made_kept_and_compared(ledger: InMemoryLedger, perennial: Call, tmp_path: Path) -> None:
    (end,) = ledger.last_links()
    code, out, _ = perennial("ledger", "anchor")
    assert code == 0
    assert out.startswith(f"1 chain of {end.position} entries: {tmp_path}/home/lake/anchors/")
    assert "Nothing was verified" in out
    mine = tmp_path / "mine.json"
    assert perennial("ledger", "anchor", "--to", str(mine))[0] == 0
    assert json.loads(mine.read_text())["chains"] == [
        {"use_case": "parcels", "position": end.position, "digest": end.digest}
    ]
    code, out, _ = perennial("ledger", "verify", "--anchor", str(mine))
    assert code == 0
    assert "Compared with 2 anchors, the newest of " in out


def test_a_chain_that_is_not_the_anchored_one_is_found_by_the_anchor(
    ledger: InMemoryLedger, perennial: Call, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.json"
    perennial("ledger", "anchor", "--to", str(mine))
    ledger._links["parcels"].pop()
    ledger._by_kind[Deployment].clear()
    code, out, _ = perennial("ledger", "verify", "--anchor", str(mine))
    assert code == 7
    assert "shorter than its anchor. The anchor of " in out
    code, out, _ = perennial("ledger", "verify")  # which the chain alone can't show, as is said
    assert code == 0
    assert "There is no anchor in " in out


def test_given_and_kept_anchors_are_compared_in_the_order_they_were_made(
    ledger: InMemoryLedger, perennial: Call, tmp_path: Path
) -> None:
    first = ledger.links_at({"parcels": 1})["parcels"]
    perennial("ledger", "anchor")
    old = tmp_path / "old.json"
    end = {"use_case": "parcels", "position": 1, "digest": first.digest}
    old.write_text(json.dumps({"format": 1, "made_at": "2024-01-31T00:00:00Z", "chains": [end]}))
    late = tmp_path / "late.json"
    late.write_text(json.dumps({"format": 1, "made_at": "2124-01-31T00:00:00Z", "chains": [end | {"digest": "x"}]}))
    ledger._links["parcels"][1] = link_after(first, "parcels", "deployment", 2, "another")
    code, out, _ = perennial("ledger", "verify", "--anchor", str(late), "--anchor", str(old))
    assert code == 7
    assert "Compared with 3 anchors, the newest of 2124-01-31" in out
    assert out.count("rewritten") == 1
    assert ": entry 2 was changed, removed or put in" in out


def test_an_anchor_for_scripts_is_the_anchor_itself(ledger: InMemoryLedger, perennial: Call, tmp_path: Path) -> None:
    _, out, _ = perennial("ledger", "anchor", "--to", str(tmp_path / "a.json"), "--json")
    assert json.loads(out) == json.loads((tmp_path / "a.json").read_text())


def test_links_of_before_the_chain_are_said_to_prove_less(ledger: InMemoryLedger, perennial: Call) -> None:
    old = ledger._links["parcels"]
    last = None
    for number, link in enumerate(old):
        last = link_after(last, "parcels", link.kind, link.entry_id, link.content, adopted=True)
        old[number] = last
    code, out, _ = perennial("ledger", "verify")
    assert code == 0
    assert f"the first {len(old)} are older than the chain, which proves them only since it was made" in out


def test_what_is_wrong_with_the_question_is_told(ledger: InMemoryLedger, perennial: Call, tmp_path: Path) -> None:
    code, _, err = perennial("ledger", "verify", "parcel")
    assert code == 3
    assert "no chain of a use case 'parcel'; it has parcels" in err
    code, _, err = perennial("ledger", "verify", "--anchor", str(tmp_path / "nowhere.json"))
    assert code == 3
    assert "There is no anchor at" in err


def test_an_empty_ledger_is_whole(world: World, perennial: Call) -> None:
    code, out, _ = perennial("ledger", "verify")
    assert code == 0
    assert "Nothing is recorded yet." in out
