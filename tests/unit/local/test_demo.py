"""The conductor and its client, against a small HTTP server that answers as Airflow 3.3 does.

The real one is played against in the end-to-end tests; here are the moments that are hard to bring about there.
"""

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from rich.console import Console

from perennial.errors import InvalidWindow, PermanentError, StoreUnavailable
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial_local import demo
from perennial_local.airflow_api import AirflowApi
from perennial_local.demo import FIRST_MODEL_RUN, Conductor, stages_until
from perennial_local.screen import Screen

RETRAIN, PREDICT, EVALUATE = (f"flight_delays.{kind}" for kind in ("retrain", "predict", "evaluate"))
Answer = tuple[int, dict[str, Any]]


@dataclass
class FakeAirflow:
    """Runs by (DAG, logical date or run id). Each look moves a run one step on, to the outcome it will have."""

    dags: set[str] = field(default_factory=lambda: {RETRAIN, PREDICT, EVALUATE})
    runs: dict[tuple[str, str], str] = field(default_factory=dict)
    failing: set[tuple[str, str]] = field(default_factory=set)
    busy_backfills: int = 0
    outage: int = 0
    asked: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, method: str, url: str, body: dict[str, Any], token: str | None) -> Answer:
        parts = urlsplit(url)
        if parts.path == "/auth/token":
            return (201, {"access_token": "t"}) if body["password"] == "right" else (401, {"detail": "no"})
        if token != "Bearer t":
            return 401, {"detail": "Not authenticated"}
        if self.outage:
            self.outage -= 1
            return 503, {"detail": "overloaded"}
        path = parts.path.removeprefix("/api/v2/")
        self.asked.append(f"{method} {path}")
        if method == "POST":
            self.bodies.append(body)
        return self._route(method, path.split("/"), parse_qs(parts.query), body)

    def _route(self, method: str, path: list[str], query: dict[str, list[str]], body: dict[str, Any]) -> Answer:
        answer: Answer
        match (method, *path):
            case ("GET", "dags"):
                answer = 200, {"dags": [{"dag_id": dag_id} for dag_id in sorted(self.dags)]}
            case ("GET", "importErrors"):
                answer = 200, {"import_errors": [{"filename": "perennial.py", "stack_trace": "SyntaxError: oh"}]}
            case ("PATCH", "dags", _):
                answer = 200, {}
            case ("GET", "dags", dag_id, "dagRuns"):
                answer = 200, {"total_entries": self._count(dag_id, query)}
            case ("GET", "dags", dag_id, "dagRuns", run_id):
                state = self._advance(dag_id, run_id)
                answer = (200, {"state": state}) if state else (404, {"detail": "not found"})
            case ("POST", "dags", dag_id, "dagRuns"):
                self.runs[dag_id, body["dag_run_id"]] = "queued"
                answer = 200, {}
            case ("POST", "dags", dag_id, "dagRuns", run_id, "clear"):
                self.failing.discard((dag_id, run_id))
                self.runs[dag_id, run_id] = "queued"
                answer = 200, {}
            case ("GET", "dags", _, "dagRuns", _, "taskInstances"):
                answer = 200, {"task_instances": [{"task_id": "assemble"}]}
            case ("POST", "backfills"):
                answer = self._backfill(body)
            case _:
                raise AssertionError(f"Airflow is not asked {method} {path}")
        return answer

    def _backfill(self, body: dict[str, Any]) -> Answer:
        if self.busy_backfills:
            self.busy_backfills -= 1
            return 409, {"detail": "There can be only one running backfill per Dag."}
        at, last = datetime.fromisoformat(body["from_date"]), datetime.fromisoformat(body["to_date"])
        while at <= last:
            key = (body["dag_id"], at.isoformat())
            if self.runs.get(key) in {None, "failed"}:
                self.runs[key] = "queued"
            at += timedelta(days=1)
        return 200, {"id": 1}

    def _advance(self, dag_id: str, key: str) -> str | None:
        state = self.runs.get((dag_id, key))
        if state == "queued":
            self.runs[dag_id, key] = "running"
        elif state == "running":
            self.runs[dag_id, key] = "failed" if (dag_id, key) in self.failing else "success"
        return self.runs.get((dag_id, key))

    def _count(self, dag_id: str, query: dict[str, list[str]]) -> int:
        keys = [key for owner, key in self.runs if owner == dag_id]
        if "logical_date_gte" in query:
            first, last = query["logical_date_gte"][0], query["logical_date_lte"][0]
            keys = [key for key in keys if key[:4].isdigit() and first <= key <= last]
        return sum(self._advance(dag_id, key) in query["state"] for key in keys)


@dataclass
class Stage:
    airflow: FakeAirflow
    url: str
    use_case: LoadedUseCase
    output: io.StringIO = field(default_factory=io.StringIO)

    def play(self, until: date = date(2013, 3, 31), password: str = "right") -> demo.Played:
        api = AirflowApi(self.url, "admin", password)
        try:
            screen = Screen(Console(file=self.output, width=200))
            return Conductor(api, self.use_case, screen, lambda _seconds: None).play(until)
        finally:
            api.close()


@pytest.fixture
def stage(repository: Path) -> Iterator[Stage]:
    airflow = FakeAirflow()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_for(airflow.answer)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        use_case = load_use_case(repository / "include" / "use_cases" / "flight_delays")
        yield Stage(airflow, f"http://127.0.0.1:{server.server_port}", use_case)
        server.shutdown()
        thread.join()


def handler_for(answer: Callable[[str, str, dict[str, Any], str | None], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            status, content = answer(self.command, self.path, body, self.headers.get("Authorization"))
            payload = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PATCH = reply

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler


def test_a_month_is_played(stage: Stage) -> None:
    played = stage.play()
    assert played.succeeded == {PREDICT: 31, EVALUATE: 31}
    assert played.failed == {PREDICT: 0, EVALUATE: 0}
    trigger, predict, evaluate = stage.airflow.bodies
    assert trigger["dag_run_id"] == FIRST_MODEL_RUN
    assert trigger["conf"]["as_of"] == "2013-03-01T00:00:00+00:00"
    assert (predict["dag_id"], evaluate["dag_id"]) == (PREDICT, EVALUATE)
    for body in (predict, evaluate):
        assert (body["from_date"], body["to_date"]) == ("2013-03-01T00:00:00+00:00", "2013-03-31T00:00:00+00:00")
        assert body["reprocess_behavior"] == "failed"
    assert {f"PATCH dags/{dag_id}" for dag_id in (RETRAIN, PREDICT, EVALUATE)} <= set(stage.airflow.asked)


def test_march_is_played_at_once_and_then_week_after_week(stage: Stage) -> None:
    played = stage.play(until=date(2013, 4, 16))
    assert played.succeeded == {PREDICT: 31 + 16, EVALUATE: 31 + 16}
    order = [(body["dag_id"], body["from_date"][:10], body["to_date"][:10]) for body in stage.airflow.bodies[1:]]
    stages = (("2013-03-01", "2013-03-31"), ("2013-04-01", "2013-04-07"), ("2013-04-08", "2013-04-14"))
    stages += (("2013-04-15", "2013-04-16"),)
    assert order == [(dag_id, *days) for days in stages for dag_id in (PREDICT, EVALUATE)]


def test_played_again_it_starts_nothing(stage: Stage) -> None:
    first = stage.play()
    stage.airflow.bodies.clear()
    assert stage.play() == first
    assert stage.airflow.bodies == []


def test_it_goes_on_in_the_middle_of_a_backfill(stage: Stage) -> None:
    stage.airflow.runs[RETRAIN, FIRST_MODEL_RUN] = "running"
    for day in range(1, 32):
        state = "success" if day < 10 else "queued"
        stage.airflow.runs[PREDICT, datetime(2013, 3, day, tzinfo=UTC).isoformat()] = state
    stage.airflow.busy_backfills = 10**9
    stage.airflow.runs |= {
        (EVALUATE, key): state for (dag_id, key), state in stage.airflow.runs.items() if dag_id == PREDICT
    }
    assert stage.play().succeeded == {PREDICT: 31, EVALUATE: 31}


def test_it_waits_for_its_turn_to_backfill(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "ASK_AGAIN", 0.0)
    stage.airflow.busy_backfills = 3
    assert stage.play().succeeded == {PREDICT: 31, EVALUATE: 31}


def test_a_failed_window_is_reported_and_tried_again_the_next_time(stage: Stage) -> None:
    bad = (PREDICT, "2013-03-07T00:00:00+00:00")
    stage.airflow.failing.add(bad)
    assert stage.play().failed[PREDICT] == 1
    assert "31 windows in 0 s, 1 failed" in stage.output.getvalue()
    stage.airflow.failing.clear()
    assert stage.play().failed[PREDICT] == 0


def test_a_first_model_that_fails_is_a_defect_and_is_tried_again_the_next_time(stage: Stage) -> None:
    stage.airflow.failing.add((RETRAIN, FIRST_MODEL_RUN))
    with pytest.raises(
        PermanentError, match=r"first model could not be trained: flight_delays.retrain.*failed in assemble"
    ):
        stage.play()
    assert stage.play().succeeded[PREDICT] == 31


def test_an_outage_is_waited_for(stage: Stage) -> None:
    stage.airflow.outage = 3
    assert stage.play().succeeded[PREDICT] == 31


def test_an_outage_that_lasts_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "PATIENCE", 0.1)
    stage.airflow.outage = 10**9
    with pytest.raises(StoreUnavailable, match=r"Airflow answered GET dags with 503: .*overloaded"):
        stage.play()


def test_broken_dag_files_are_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "PATIENCE", 0.1)
    stage.airflow.dags.remove(PREDICT)
    with pytest.raises(
        PermanentError, match=r"has not found flight_delays.predict(.|\n)*perennial.py:\nSyntaxError: oh"
    ):
        stage.play()


def test_a_wrong_password_is_told(stage: Stage) -> None:
    with pytest.raises(PermanentError, match="refused the login of 'admin'"):
        stage.play(password="wrong")


def test_nobody_there_is_a_disturbance() -> None:
    api = AirflowApi("http://127.0.0.1:1", "admin", "right")
    try:
        with pytest.raises(StoreUnavailable, match="did not answer GET dags"):
            api.dag_ids()
        assert not api.is_up()
    finally:
        api.close()


@pytest.mark.parametrize("day", [date(2013, 2, 28), date(2014, 1, 1)])
def test_days_without_data_are_refused(stage: Stage, day: date) -> None:
    with pytest.raises(InvalidWindow, match=f"from 2013-03-01 to 2013-12-31; got {day}"):
        list(stages_until(stage.use_case, day))
