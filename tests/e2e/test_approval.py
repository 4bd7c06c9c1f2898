"""Models that people must agree to, in a real Airflow with real logins.

One story: somebody asks for a retraining; answers that would not count are refused and told; an editor marks the gate
as successful; two people agree; tasks are cleared; and another retraining brings nothing that people are asked about.
Another: an approved model goes through its roll-out, until an alarm takes it back.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page
from tests.browser.seeing import see
from tests.e2e.browser import browsing, log_in
from tests.e2e.logins import FIRST, REQUESTER, SECOND, VIEWER, fab_server
from tests.e2e.logins import OP as WITHOUT_ROLE
from tests.e2e.packing import BACK, BEGUN, CANARY, CHANGED, END, ROWS, Packing, write_packing
from tests.e2e.packing import NAME as PACKING
from tests.e2e.people import Airflow
from tests.e2e.system import DONE, running_system
from tests.servers import Run
from tests.waiting import PATIENCE

from perennial.jobs.predict import chain
from perennial.jobs.retrain import chain as train
from perennial.jobs.upkeep import verify
from perennial.ledger.entries import DecisionKind, DeployedRole, InterventionKind
from perennial.records.model_choice import ModelChoice
from perennial.spec.load import load_use_case
from perennial.verdict import ApprovalAnswer
from perennial_airflow.pages.views import PREFIX

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


@pytest.fixture(scope="module")
def airflow(run: Run) -> Iterator[Airflow]:
    changes = {"risk": RISK, "rollout": {"shadow": "14d"}}
    with running_system(run.new_folder("approval"), run, changes) as system, fab_server(system, run) as url:
        yield Airflow(system, url, "flight_delays", RUN_ID)


@pytest.fixture(scope="module")
def asked(airflow: Airflow) -> Airflow:
    """Ann has asked for a retraining, which has judged and waits for a person."""
    airflow.begin(REQUESTER, "2013-03-01", "first model")
    airflow.asks("approve")
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
        asked.asks("approve_second")
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
    forged.asks("approve_second")
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


@pytest.fixture(scope="module")
def packing(airflow: Airflow) -> Packing:
    """Another use case, whose first model serves; a person must approve the next one."""
    system = airflow.system
    found = write_packing(system.home.parent / "use_cases", datetime.now(UTC).date())
    as_of = found.window(CHANGED).start
    first = train.run(load_use_case(found.folder), as_of, system.ports, "cli", actor="ada", reason="the first")
    assert first.deployed is not None, first.judged.reasons
    found.ask_people()
    dags = [f"{PACKING}.{kind}" for kind in ("predict", "evaluate", "retrain")]
    system.find_dags(*dags)
    system.find_tasks(f"{PACKING}.retrain", "approve")  # it may have been read before people were asked
    for dag_id in dags:
        system.api("PATCH", f"dags/{dag_id}", is_paused=False)
    return found


@pytest.fixture(scope="module")
def challenger(airflow: Airflow, packing: Packing) -> Airflow:
    """Ben has approved the winner of a retraining that Ann asked for, which has ended well."""
    asked = replace(airflow, use_case=PACKING, run_id="packing_is_slower")
    asked.begin(REQUESTER, packing.day(BEGUN).isoformat(), "packing is slower")
    asked.asks("approve")
    answered = asked.answer(FIRST, "approve", "Approve", **REASON)
    assert answered.is_success, answered.text
    asked.system.succeed(asked.retrain, asked.run_id)
    return asked


def score(of: Airflow, packing: Packing, first: int, last: int) -> list[dict[str, Any]]:
    """Score the windows, the last two in Airflow, whose runs are returned, and the others by the steps alone."""
    windows = [packing.window(number) for number in range(first, last - 1)]
    use_case, ports = load_use_case(packing.folder), of.system.ports
    chain.run(use_case, windows, ports, "cli", model=ModelChoice(), on_step=lambda *_: None)
    begun = of.system.begin(f"{PACKING}.predict", packing.window(last - 1).start, packing.window(last).start)
    return of.system.finish_well(begun)


def evaluate(of: Airflow, packing: Packing, day: int) -> str:
    """Evaluate as of the day's end; the note of the run."""
    at = packing.window(day).start
    (run,) = of.system.finish_well(of.system.begin(f"{PACKING}.evaluate", at, at))
    return of.system.note(f"{PACKING}.evaluate", run["dag_run_id"])


@dataclass(frozen=True)
class Played:
    """A stage of the roll-out that was played: the last runs of `predict` in it, and the note of its evaluation."""

    runs: list[dict[str, Any]]
    note: str


@pytest.fixture(scope="module")
def shadowed(challenger: Airflow, packing: Packing) -> Played:
    return Played(score(challenger, packing, BEGUN, BACK - 1), evaluate(challenger, packing, BACK - 1))


@dataclass(frozen=True)
class Canary:
    """A window in the canary: who predicted its published rows, and what pages of the use case and the window say."""

    published: Counter[str]
    rollout: str
    predictions: str


def opened(page: Page, address: str) -> bool:
    """Whether the page came; on a busy machine the process that answers is not up in time for the first one."""
    answer = page.goto(address)
    return answer is not None and answer.ok


@pytest.fixture(scope="module")
def canary(challenger: Airflow, packing: Packing, shadowed: Played) -> Canary:
    score(challenger, packing, BACK, END - 1)
    window = packing.window(END - 1)
    published = challenger.system.ports.published.read(PACKING, window).column("model_version").to_pylist()
    pages = f"{challenger.url}{PREFIX}/dags/{PACKING}.predict"
    with browsing() as (_, page):
        log_in(page, challenger.url, VIEWER, VIEWER)
        challenger.system.wait_until(lambda: opened(page, pages), "the process that answers pages")
        see(page.get_by_role("heading", name="Roll-out of version 2"))
        rollout = page.locator("#rollout").inner_text()
        page.goto(f"{pages}/windows/{window.key}")
        see(page.get_by_role("heading", name="Revisions"))
        return Canary(Counter(published), rollout, page.locator("#predictions").inner_text())


@pytest.fixture(scope="module")
def rolled_back(challenger: Airflow, packing: Packing, canary: Canary) -> str:
    """The evaluation that raised the alarm; the note of its run."""
    return evaluate(challenger, packing, END - 1)


def test_an_approved_winner_begins_in_the_shadow(challenger: Airflow, packing: Packing) -> None:
    first, stage = challenger.system.ports.ledger.deployments(PACKING)[:2]
    assert (first.model_version, first.role) == ("1", DeployedRole.CHAMPION)
    assert (stage.model_version, stage.role, stage.share) == ("2", DeployedRole.CHALLENGER, 0)
    assert (stage.actor, stage.approved_by) == (REQUESTER, FIRST)
    assert stage.effective_from == packing.window(BEGUN).start


def test_the_shadow_shows_that_it_is_better_and_a_canary_follows(
    challenger: Airflow, packing: Packing, shadowed: Played
) -> None:
    system, ledger = challenger.system, challenger.system.ports.ledger
    for run in shadowed.runs:
        assert system.tasks(f"{PACKING}.predict", run["dag_run_id"])["shadow"]["state"] == "success"
    between = (packing.window(BEGUN).start, packing.window(BACK).start)
    beside = ledger.shadows_between(PACKING, *between)
    assert [each.challenger_version for each in beside] == ["2"] * (BACK - BEGUN)
    assert {batch.model_version for batch in ledger.batches_between(PACKING, *between)} == {"1"}
    assert f"version 2 leaves the shadow for the canary at {CANARY}%" in shadowed.note
    decision = ledger.decisions(PACKING, DecisionKind.ROLLOUT)[0]
    assert (decision.action, decision.numbers["claim"]) == ("advance", "better")


def test_in_the_canary_rows_of_both_models_are_published_and_the_pages_say_so(canary: Canary) -> None:
    assert set(canary.published) == {"1", "2"}
    assert sum(canary.published.values()) == ROWS
    assert f"{CANARY}% of the rows (now)" in canary.rollout
    assert "None of its windows has final labels yet." in canary.rollout
    assert f"version 1, {canary.published['2']} of them by version 2 (canary {CANARY}%)" in canary.predictions


def test_the_alarm_takes_the_canary_back_and_the_champion_predicts_its_windows_again(
    challenger: Airflow, packing: Packing, rolled_back: str
) -> None:
    ports, windows = challenger.system.ports, [packing.window(number) for number in range(BACK, END)]
    assert rolled_back.startswith("roll-out: version 2 is rolled back from the canary at 25%"), rolled_back
    for window in windows:
        assert set(ports.published.read(PACKING, window).column("model_version").to_pylist()) == {"1"}
        assert [batch.revision for batch in ports.ledger.batches(PACKING, window)] == [1, 2]
    (told,) = ports.ledger.interventions(PACKING, InterventionKind.ROLLED_BACK)
    assert (told.details["version"], told.details["windows"]) == ("2", len(windows))
    champion = challenger.champion()
    assert champion is not None
    assert champion.model_version == "1"
    assert ports.registry.alias(PACKING, DeployedRole.CHALLENGER) is None
    assert verify.run(ports.ledger, [], use_case=PACKING).alterations == 0
