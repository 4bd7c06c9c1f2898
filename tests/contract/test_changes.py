"""Changes from the pages on a real PostgreSQL and a real lake: of several who decide at once, one does."""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from tests.unit.jobs.world import World, make_world
from tests.waiting import PATIENCE, wait_until

from perennial import clock
from perennial.jobs.predict import ingest, validate
from perennial.lake.delta import DeltaLake
from perennial.ledger.entries import Intervention, InterventionKind, ReviewSelection
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.pages.change import ChangeAsked, change
from perennial.review import handled
from perennial.settings import Settings

RULE = "expect_column_values_to_be_between(weight)"
RIVALS = 8


@dataclass
class Place:
    """A world on a real ledger and a real lake, whose day 31 has rows in quarantine."""

    world: World
    environment: dict[str, str]

    def accepting(self, actor: str) -> ChangeAsked:
        snapshot = self.world.ports.ledger.latest_snapshot("parcels", self.world.day(31))
        assert snapshot is not None
        body = {"rule": RULE, "snapshot": snapshot.digest, "reason": f"{actor} looked at them"}
        return ChangeAsked("accepted", "parcels", self.world.day(31).key, actor, body)

    def change(self, asked: ChangeAsked) -> tuple[int, dict[str, str]]:
        """The change, as its process makes it, with connections of its own."""
        ledger = PostgresLedger(self.environment["AIRFLOW_CONN_PERENNIAL_LEDGER"], clock.now, lock_timeout=PATIENCE)
        try:
            ports = replace(self.world.ports, ledger=ledger)
            found = change(asked, Settings.from_environment(self.environment), ports)
        finally:
            ledger.close()
        return found.status, json.loads(found.body)

    def start(self, asked: ChangeAsked) -> "subprocess.Popen[bytes]":
        """The process for the change."""
        process = subprocess.Popen(
            [sys.executable, "-m", "perennial.pages.change"],
            env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps(vars(asked)).encode() + b"\n")
        process.stdin.close()
        process.stdin = None
        return process

    def recorded(self) -> list[Intervention]:
        ledger = self.world.ports.ledger
        return list(ledger.interventions_on("parcels", InterventionKind.ROWS_ACCEPTED, [self.world.day(31)]))


@pytest.fixture
def place(ledger_url: str, tmp_path: Path) -> Place:
    world = make_world(tmp_path)
    lake = tmp_path / "lake"
    world.ports = replace(
        world.ports, ledger=PostgresLedger(ledger_url, clock.now, lock_timeout=PATIENCE), lake=DeltaLake(str(lake), {})
    )
    world.put("weight", dict.fromkeys(world.rows_of(31)[:3], -60.0))
    ingest.run(world.use_case, world.day(31), world.ports, "parcels.predict/1")
    validate.run(world.use_case, world.day(31), world.ports, "parcels.predict/1")
    environment = {
        **os.environ,
        "PERENNIAL_HOME": str(tmp_path / "home"),
        "PERENNIAL_USE_CASES": str(tmp_path),
        "PERENNIAL_LAKE_URL": str(lake),
        "PERENNIAL_MLFLOW_URL": "http://127.0.0.1:1",
        "AIRFLOW_CONN_PERENNIAL_LEDGER": ledger_url,
        "AIRFLOW_CONN_PERENNIAL_PUBLISHED": ledger_url,
    }
    return Place(world, environment)


def test_of_many_who_accept_at_once_one_does_and_the_others_are_told_who(place: Place) -> None:
    together = threading.Barrier(RIVALS)
    asked = [place.accepting(f"person {number}") for number in range(RIVALS)]

    def accept(each: ChangeAsked) -> tuple[int, dict[str, str]]:
        together.wait(PATIENCE)
        return place.change(each)

    with ThreadPoolExecutor(RIVALS) as pool:
        answers = list(pool.map(accept, asked))
    assert sorted(status for status, _ in answers) == [200] + [409] * (RIVALS - 1)
    (entry,) = place.recorded()
    told = [answer["detail"] for status, answer in answers if status == 409]
    assert all(each.startswith(f"{entry.actor} accepted what {RULE} caught") for each in told)
    assert (entry.reason, entry.details["rows"]) == (f"{entry.actor} looked at them", 3)


def test_two_processes_at_once_make_one_change(place: Place) -> None:
    processes = [place.start(place.accepting(name)) for name in ("ada", "grace")]
    statuses = []
    for process in processes:
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err.decode()
        head, _, body = out.partition(b"\n")
        assert json.loads(head)["length"] == len(body)
        statuses.append(json.loads(head)["status"])
    assert sorted(statuses) == [200, 409]
    assert len(place.recorded()) == 1


def test_rows_that_come_while_somebody_decides_are_not_let_in_unseen(place: Place) -> None:
    """Somebody accepts while a run has the window: the change waits for it, and then sees that the rows are others."""
    world, ledger = place.world, place.world.ports.ledger
    asked = place.accepting("ada")
    before = ledger.latest_snapshot("parcels", world.day(31))
    assert before is not None
    answers: list[Any] = []
    with ledger.working_on("parcels", world.day(31), "parcels.predict/2") as lease:
        waiting = threading.Thread(target=lambda: answers.append(place.change(asked)))
        waiting.start()
        wait_until(lambda: waits_for_the_window(place), "the change to wait for the window", lambda: None)
        ledger.record_snapshot(replace(before, version=before.version + 1, digest="f" * 64, id=None), lease)
        assert answers == []
    waiting.join(PATIENCE)
    ((status, told),) = answers
    assert (status, told["error"]) == (409, "The window has changed: look again")
    assert place.recorded() == []


def waits_for_the_window(place: Place) -> bool:
    connection = psycopg2.connect(place.environment["AIRFLOW_CONN_PERENNIAL_LEDGER"])
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            return bool(cursor.fetchone()[0])
    finally:
        connection.close()


def test_what_was_accepted_takes_effect_when_the_window_is_validated_again(place: Place) -> None:
    world = place.world
    assert place.change(place.accepting("ada"))[0] == 200
    replay = replace(place.accepting("grace"), change="replayed", body={"reason": "now"})
    assert place.change(replay)[0] == 200
    told = handled.run("parcels", world.day(31), world.ports)
    assert [(each.kind, each.actor, each.since) for each in told] == [
        (InterventionKind.ROWS_ACCEPTED, "ada", None),
        (InterventionKind.REPLAY_ASKED, "grace", None),
    ]
    validated = validate.run(world.use_case, world.day(31), world.ports, "parcels.predict/2")
    assert validated.rows_quarantined == 0
    told = handled.run("parcels", world.day(31), world.ports)
    assert [each.since.run_id for each in told if each.since] == ["parcels.predict/2"] * 2
    assert place.change(place.accepting("grace"))[0] == 409


def test_an_answer_of_the_review_queue_is_recorded_by_a_process_of_its_own(place: Place) -> None:
    ledger, window = place.world.ports.ledger, place.world.day(31)
    question = {
        "entity": "5600", "prediction": 0.4321, "probability": 0.25, "doubtful": True, "uniform": False,
        "model_digest": "m",
    }  # fmt: skip
    ledger.record_selection(ReviewSelection("parcels", window, 1, 180, 60, (question,), "run"))
    process = place.start(ChangeAsked("answered", "parcels", window.key, "ada", {"entity": "5600", "answer": "no"}))
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err.decode()
    head, _, body = out.partition(b"\n")
    assert json.loads(head)["status"] == 200, body
    assert json.loads(body)["said"] == "ada answered no. The model had predicted 0.432."
    (entry,) = ledger.human_labels_between("parcels", window.start, window.end)
    assert (entry.author, entry.value, entry.probability, entry.model_digest) == ("ada", 0.0, 0.25, "m")
