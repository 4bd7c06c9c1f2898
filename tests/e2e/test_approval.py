"""A model of high risk and the people who must agree to it, in a real Airflow with real logins.

One story: somebody asks for a retraining; answers that would not count are refused and told; an editor marks the gate
as successful; two people agree; tasks are cleared; and another retraining brings nothing that people are asked about.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.e2e.browser import browsing, log_in
from tests.e2e.logins import FIRST, REQUESTER, SECOND, VIEWER, fab_server
from tests.e2e.logins import OP as WITHOUT_ROLE
from tests.e2e.system import DONE, System, running_system
from tests.servers import Run
from tests.waiting import PATIENCE

from perennial.jobs.upkeep import verify
from perennial.ledger.entries import Approval, DecisionKind, DeployedRole, Deployment
from perennial.verdict import ApprovalAnswer

RETRAIN, RUN_ID = "flight_delays.retrain", "asked_by_ann"
RISK = {
    "purpose": "Which flights get a spare crew.",
    "impact": "high",
    "likelihood": "high",
    "autonomy": "decides",
    "personal_data": False,
    "answer_within": "1d",
}
REASON = {"why": "Better in every month that I looked at."}


@dataclass
class Airflow:
    """An Airflow with logins, and the system that it belongs to."""

    system: System
    url: str

    def as_user(self, name: str) -> httpx.Client:
        client = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)
        token = client.post("/auth/token", json={"username": name, "password": name})
        assert token.is_success, token.text
        client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        return client

    def ask(self, name: str, method: str, path: str, **body: Any) -> httpx.Response:
        client = self.as_user(name)
        try:
            return client.request(method, f"/api/v2/dags/{RETRAIN}/{path}", json=body or None)
        finally:
            client.close()

    def answer(self, name: str, task: str, option: str, **inputs: str) -> httpx.Response:
        path = f"dagRuns/{RUN_ID}/taskInstances/{task}/-1/hitlDetails"
        return self.ask(name, "PATCH", path, chosen_options=[option], params_input=inputs)

    def clear(self, name: str, *tasks: str) -> None:
        done = self.ask(
            name, "POST", "clearTaskInstances", dry_run=False, dag_run_id=RUN_ID, task_ids=list(tasks),
            only_failed=False, include_downstream=True, reset_dag_runs=True,
        )  # fmt: skip
        assert done.is_success, done.text

    def reaches(self, task: str, state: str) -> None:
        self.system.wait_until(
            lambda: self.state(task) == state, f"{task} to be {state}", lambda: self._too_late(task, state)
        )

    def _too_late(self, task: str, state: str) -> str | None:
        ended = self.system.run_state(RETRAIN, RUN_ID) in DONE and self.state(task) != state
        return f"{task} is {self.state(task)}: {self.system.why(RETRAIN, RUN_ID)}" if ended else None

    def state(self, task: str) -> str | None:
        state: str | None = self.system.tasks(RETRAIN, RUN_ID)[task]["state"]
        return state

    def approvals(self) -> list[Approval]:
        return list(self.system.ports.ledger.approvals("flight_delays"))

    def champion(self) -> Deployment | None:
        return self.system.ports.ledger.current_deployment("flight_delays", DeployedRole.CHAMPION)


@pytest.fixture(scope="module")
def airflow(run: Run) -> Iterator[Airflow]:
    changes = {"risk": RISK, "rollout": {"shadow": "14d"}}
    with running_system(run.new_folder("approval"), run, changes) as system, fab_server(system, run) as url:
        yield Airflow(system, url)


@pytest.fixture(scope="module")
def asked(airflow: Airflow) -> Airflow:
    """Ann has asked for a retraining, which has judged and waits for a person."""
    conf = {"as_of": "2013-03-01", "reason": "first model"}
    begun = airflow.ask(REQUESTER, "POST", "dagRuns", dag_run_id=RUN_ID, logical_date=None, conf=conf)
    assert begun.is_success, begun.text
    airflow.reaches("approve", "awaiting_input")
    return airflow


def test_answers_that_would_not_count_are_refused_and_told(asked: Airflow) -> None:
    refusals = [
        (WITHOUT_ROLE, REASON, 403, "an answer counts from Admin or Approver"),
        (VIEWER, REASON, 403, "Forbidden"),
        (REQUESTER, REASON, 403, "ann asked for this retraining, so that somebody else must approve it"),
        (FIRST, {}, 422, "Say why in the field 'why'"),
        (FIRST, {"why": "  "}, 422, "Say why in the field 'why'"),
    ]
    for name, inputs, status, said in refusals:
        found = asked.answer(name, "approve", "Approve", **inputs)
        assert (found.status_code, said in found.json()["detail"]) == (status, True), (name, found.text)
    assert asked.state("approve") == "awaiting_input"
    assert asked.approvals() == []


def test_an_anonymous_answer_is_refused(asked: Airflow) -> None:
    path = f"/api/v2/dags/{RETRAIN}/dagRuns/{RUN_ID}/taskInstances/approve/-1/hitlDetails"
    with httpx.Client(base_url=asked.url, timeout=PATIENCE, trust_env=False) as client:
        found = client.patch(path, json={"chosen_options": ["Approve"], "params_input": REASON})
    assert found.status_code == 401
    assert asked.approvals() == []


@pytest.fixture(scope="module")
def approved_once(asked: Airflow) -> Airflow:
    """Ben has agreed, in the browser; the second person is asked."""
    with browsing() as (_, page):
        log_in(page, asked.url, FIRST, FIRST)
        page.goto(f"{asked.url}/dags/{RETRAIN}/runs/{RUN_ID}/tasks/approve/required_actions")
        page.get_by_text("must approve").first.wait_for()
        page.locator("#element_why, [name=element_why]").first.fill(REASON["why"])
        page.get_by_role("button", name="Approve", exact=True).first.click()
        asked.reaches("approve_second", "awaiting_input")
    return asked


def test_a_person_approves_in_the_browser(approved_once: Airflow) -> None:
    (given,) = approved_once.approvals()
    assert (given.answer, given.approver, given.role) == (ApprovalAnswer.APPROVED, FIRST, "Approver")
    assert (given.reason, given.requester) == (REASON["why"], REQUESTER)
    assert given.answered_in == f"{RETRAIN}/{RUN_ID}/approve"


def test_the_same_person_does_not_approve_twice(approved_once: Airflow) -> None:
    found = approved_once.answer(FIRST, "approve_second", "Approve", **REASON)
    assert found.status_code == 403
    assert "ben approved it before, so that another person must approve it, too" in found.json()["detail"]


@pytest.fixture(scope="module")
def forged(approved_once: Airflow) -> Airflow:
    """An editor has marked the second gate as successful, and written what it might have returned."""
    path = f"dagRuns/{RUN_ID}/taskInstances/approve_second"
    value = {"chosen_options": ["Approve"], "responded_by_user": {"id": "7", "name": SECOND}}
    written = approved_once.ask(WITHOUT_ROLE, "POST", f"{path}/xcomEntries", key="return_value", value=value)
    marked = approved_once.ask(WITHOUT_ROLE, "PATCH", path, new_state="success")
    assert written.is_success, written.text
    assert marked.is_success, marked.text
    approved_once.reaches("deploy", "failed")
    return approved_once


def test_a_gate_that_was_marked_successful_deploys_nothing_and_says_so(forged: Airflow) -> None:
    assert forged.champion() is None
    assert forged.system.ports.registry.alias("flight_delays", "champion") is None
    said = forged.system.log(RETRAIN, RUN_ID, "deploy")
    assert "2 people must approve it, and 1 did." in said
    assert "A task that was marked as successful is no answer" in said
    forged.system.wait_until(
        lambda: "FAILED deploy" in forged.system.note(RETRAIN, RUN_ID), "the run's note to say what failed"
    )


@pytest.fixture(scope="module")
def deployed(forged: Airflow) -> Airflow:
    """The second gate was cleared, asked again, and Carla has agreed."""
    forged.clear(WITHOUT_ROLE, "approve_second")
    forged.reaches("approve_second", "awaiting_input")
    answered = forged.answer(SECOND, "approve_second", "Approve", **REASON)
    assert answered.is_success, answered.text
    forged.reaches("deploy", "success")
    return forged


def test_two_people_bring_the_model_into_service(deployed: Airflow) -> None:
    champion = deployed.champion()
    assert champion is not None
    assert (champion.actor, champion.approved_by) == (REQUESTER, f"{FIRST}, {SECOND}")
    assert deployed.system.ports.registry.alias("flight_delays", "champion") == champion.model_version
    assert {each.model_digest for each in deployed.approvals()} == {champion.model_digest}


def test_cleared_tasks_go_on_with_the_approvals_on_record(deployed: Airflow) -> None:
    before = deployed.champion()
    deployed.clear(WITHOUT_ROLE, "approve")
    deployed.system.succeed(RETRAIN, RUN_ID)
    assert deployed.champion() == before
    assert len(deployed.approvals()) == 2
    assert "On record: approved by ben, carla. Nobody is asked." in deployed.system.log(RETRAIN, RUN_ID, "approve")


def test_where_the_champion_stays_nobody_is_asked(deployed: Airflow) -> None:
    system = deployed.system
    system.trigger(RETRAIN, "again", as_of="2013-03-01", reason="the same model again")

    def asks() -> str | None:
        waiting = system.tasks(RETRAIN, "again")["approve"]["state"] == "awaiting_input"
        judged = system.ports.ledger.decisions("flight_delays", DecisionKind.PROMOTE)
        return f"people are asked, because {judged[-1].reasons}" if waiting else None

    system.wait_until(lambda: system.run_state(RETRAIN, "again") in DONE, "the run to end", asks)
    assert system.run_state(RETRAIN, "again") == "success", system.why(RETRAIN, "again")
    states = {name: task["state"] for name, task in system.tasks(RETRAIN, "again").items()}
    assert [states[name] for name in ("approve", "approve_second", "deploy")] == ["skipped"] * 3
    system.wait_until(lambda: "the champion stays" in system.note(RETRAIN, "again"), "the note")


def test_the_chain_proves_the_approvals(deployed: Airflow) -> None:
    assert verify.run(deployed.system.ports.ledger, [], use_case="flight_delays").alterations == 0
