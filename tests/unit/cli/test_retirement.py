"""`perennial archive`, `restore-version` and `decommission` say first what they would do."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.test_archive import BEGIN, Times, make_shop
from tests.unit.jobs.world import World

from perennial import clock
from perennial.artifacts.memory import InMemoryArtifacts
from perennial.cli.session import Session
from perennial.jobs.predict import ingest
from perennial.ledger.entries import InterventionKind
from perennial.spec.ended import ENDED_FILE


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_versions_are_archived_and_restored(world: World, perennial: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = make_shop(world, Times())
    monkeypatch.setattr(Session, "archive", InMemoryArtifacts())
    monkeypatch.setattr(Session, "ports", shop.ports)
    monkeypatch.setattr(Session, "ledger", shop.ports.ledger)
    monkeypatch.setattr(clock, "now", lambda: BEGIN + timedelta(days=400))
    code, out, _ = perennial("archive", "parcels", "--dry-run", "--json")
    assert (code, [each["fate"] for each in lines(out)]) == (0, ["archive", "keep", "keep"])
    assert shop.ports.ledger.interventions("parcels") == []
    code, out, _ = perennial("archive", "parcels", "--json")
    assert (code, [each.get("done") for each in lines(out)]) == (0, [None, None, None, "archived"])
    code, _, err = perennial("rollback", "parcels", "1", "--reason", "oops")
    assert code == 3
    assert "perennial restore-version parcels 1 --reason" in " ".join(err.split())
    code, out, _ = perennial("restore-version", "parcels", "1", "--reason", "an audit", "--json")
    assert (code, lines(out)[0]["version"]) == (0, "1")
    code, _, err = perennial("restore-version", "parcels", "1", "--reason", "an audit")
    assert (code, "is not archived" in err) == (3, True)
    assert perennial("rollback", "parcels", "1", "--reason", "oops")[0] == 0


def test_decommissioning_shows_the_plan_until_it_is_told_to_go_on(world: World, perennial: Call) -> None:
    code, out, _ = perennial("decommission", "parcels", "--erase", "snapshots, labels")
    said = " ".join(out.split())
    assert code == 0
    assert "snapshots (raw/parcels) erased" in said
    assert "training (training/parcels) kept" in said
    assert "Nothing was changed. To do it, add --execute --reason …." in said
    assert world.ports.ledger.interventions("parcels") == []
    assert not (world.use_case.folder / ENDED_FILE).exists()
    code, out, _ = perennial("decommission", "parcels", "--execute", "--reason", "closed", "--erase", "snapshots")
    assert code == 0
    assert (world.use_case.folder / ENDED_FILE).exists()
    (entry,) = world.ports.ledger.interventions("parcels")
    assert (entry.kind, entry.reason) == (InterventionKind.USE_CASE_ENDED, "closed")
    code, _, err = perennial("ingest", "parcels", "--window", f"{datetime(2024, 1, 5, tzinfo=UTC):%Y-%m-%d}")
    assert code == 3
    assert "UseCaseEnded" in err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--erase", "snapshots,models"), "models: no such data; there are snapshots, quarantine"),
        (("--execute",), "say with --reason why"),
        (("--execute", "--reason", " "), "say with --reason why"),
    ],
)
def test_what_is_missing_or_unknown_is_wrong_usage(
    world: World, perennial: Call, given: tuple[str, ...], told: str
) -> None:
    code, _, err = perennial("decommission", "parcels", *given)
    assert code == 2
    assert told in " ".join(err.replace("│", " ").split())
    assert world.ports.ledger.interventions("parcels") == []


def test_erasing_shows_the_plan_until_it_is_told_to_go_on_and_names_nobody(world: World, perennial: Call) -> None:
    ingest.run(world.use_case, world.day(31), world.ports, "test")
    entity = str(world.parcels.table.column("parcel")[world.rows_of(31)[0]].as_py())
    code, out, _ = perennial("erase", "parcels", "--entity", entity)
    said = " ".join(out.split())
    assert code == 0
    assert "snapshots (raw/parcels) removed 1 row" in said
    assert "the source not changed" in said
    assert "Nothing was changed. To do it, add --yes --reason …." in said
    assert world.ports.ledger.interventions("parcels") == []
    code, _, err = perennial("erase", "parcels", "--entity", entity, "--yes")
    assert (code, "say with --reason why" in " ".join(err.split())) == (2, True)
    code, out, err = perennial("erase", "parcels", "--entity", entity, "--yes", "--reason", "request 17", "--json")
    assert code == 0
    assert (lines(out)[-1]["windows"], lines(out)[-1]["rows"]) == (1, 1)
    assert re.search(rf"\b{entity}\b", out + err) is None
    begun, ended = world.ports.ledger.interventions("parcels")
    assert (begun.kind, begun.reason) == (InterventionKind.ENTITY_ERASED, "request 17")
    assert ended.kind is InterventionKind.ERASURE_FINISHED
    code, out, _ = perennial("erase", "parcels", "--entity", entity, "--yes", "--reason", "request 17")
    assert (code, out.strip()) == (0, "No store has anything about that entity.")
    assert perennial("erase", "parcels", "--entity", entity, "--json")[1] == ""
