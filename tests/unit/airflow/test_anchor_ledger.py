"""The nightly task that verifies the ledger and anchors it."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from perennial.anchors.memory import InMemoryAnchors
from perennial.errors import StoreUnavailable
from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial_airflow import upkeep_tasks
from perennial_airflow.note import Line
from perennial_airflow.run import Run

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def anchors(monkeypatch: pytest.MonkeyPatch) -> InMemoryAnchors:
    kept = InMemoryAnchors()
    monkeypatch.setattr(upkeep_tasks, "open_anchors", lambda settings, connections: kept)
    return kept


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> InMemoryLedger:
    made = InMemoryLedger(lambda: NOON)
    made.record_intervention(Intervention("flights", InterventionKind.WINDOW_EMPTY, "w", "ada", "why", {}, "run"))
    monkeypatch.setattr(upkeep_tasks, "_open_ports", lambda: SimpleNamespace(ledger=made))
    return made


@pytest.fixture
def run(make_run: Any) -> Run:
    return replace(make_run(), name="platform.maintenance/scheduled__1", leave=lambda line: None)


def test_a_whole_ledger_is_anchored(ledger: InMemoryLedger, anchors: InMemoryAnchors, run: Run) -> None:
    done = upkeep_tasks.anchor_ledger(run)
    (anchor,) = anchors.all()
    assert [(end.use_case, end.position) for end in anchor.chains] == [("flights", 1)]
    assert (done["chains"], done["entries"], done["anchor"].startswith("memory: ")) == (1, 1, True)
    assert upkeep_tasks.anchor_ledger(run) == {"chains": 1, "entries": 0, "anchor": None}


def test_an_altered_ledger_fails_the_task_at_once_and_is_named_in_the_note(
    ledger: InMemoryLedger, anchors: InMemoryAnchors, run: Run
) -> None:
    lines: list[Line] = []
    (entry,) = ledger._by_kind[Intervention]
    ledger._by_kind[Intervention] = [replace(entry, reason="another")]
    with pytest.raises(AirflowFailException, match=r"LedgerAltered: .* flights, entry 1 of the chain .*: changed"):
        upkeep_tasks.anchor_ledger(replace(run, leave=lines.append))
    assert list(anchors.all()) == []
    assert len(lines) == 1
    assert lines[0].first.startswith("FAILED anchor_ledger: LedgerAltered: The ledger shows 1 alteration")


def test_a_ledger_that_does_not_answer_is_asked_again(
    anchors: InMemoryAnchors, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> Any:
        raise StoreUnavailable("no route")

    monkeypatch.setattr(upkeep_tasks, "_open_ports", down)
    with pytest.raises(StoreUnavailable, match="no route"):
        upkeep_tasks.anchor_ledger(run)
