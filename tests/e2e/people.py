"""An Airflow with logins, and what people do in it with the retraining of one use case."""

from dataclasses import dataclass
from typing import Any

import httpx
from tests.e2e.system import DONE, System
from tests.waiting import PATIENCE

from perennial.ledger.entries import Approval, DeployedRole, Deployment


@dataclass
class Airflow:
    """An Airflow with logins, the system that it belongs to, and the run of a retrain DAG that people are asked in."""

    system: System
    url: str
    use_case: str
    run_id: str

    @property
    def retrain(self) -> str:
        """The DAG of the run."""
        return f"{self.use_case}.retrain"

    def as_user(self, name: str) -> httpx.Client:
        client = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)
        token = client.post("/auth/token", json={"username": name, "password": name})
        assert token.is_success, token.text
        client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        return client

    def ask(self, name: str, method: str, path: str, **body: Any) -> httpx.Response:
        client = self.as_user(name)
        try:
            return client.request(method, f"/api/v2/dags/{self.retrain}/{path}", json=body or None)
        finally:
            client.close()

    def begin(self, name: str, as_of: str, reason: str) -> None:
        """Ask for the run."""
        conf = {"as_of": as_of, "reason": reason}
        begun = self.ask(name, "POST", "dagRuns", dag_run_id=self.run_id, logical_date=None, conf=conf)
        assert begun.is_success, begun.text

    def answer(self, name: str, task: str, option: str, **inputs: str) -> httpx.Response:
        path = f"dagRuns/{self.run_id}/taskInstances/{task}/-1/hitlDetails"
        return self.ask(name, "PATCH", path, chosen_options=[option], params_input=inputs)

    def clear(self, name: str, *tasks: str) -> None:
        """Clear `tasks` and what follows them, once the run has ended.

        While its last task has ended and the run has not, Airflow would clear the tasks and end the run all the same.
        """
        self.system.wait_until(
            lambda: self.system.run_state(self.retrain, self.run_id) in DONE,
            f"{self.run_id} to end before it is cleared",
        )
        done = self.ask(
            name, "POST", "clearTaskInstances", dry_run=False, dag_run_id=self.run_id, task_ids=list(tasks),
            only_failed=False, include_downstream=True, reset_dag_runs=True,
        )  # fmt: skip
        assert done.is_success, done.text

    def reaches(self, task: str, state: str) -> None:
        self.system.wait_until(
            lambda: self.state(task) == state, f"{task} to be {state}", lambda: self._too_late(task, state)
        )

    def asks(self, task: str) -> None:
        """Wait until a person is asked by `task`, and the scheduler has heard that the worker which asked has ended.

        Airflow fails a task whose answer comes before that: it looks queued when its worker ends. Nobody in front of a
        page is so fast, a test is.
        """
        self.reaches(task, "awaiting_input")
        attempt = self.system.tasks(self.retrain, self.run_id)[task]["try_number"]
        heard = (
            f"Received executor event with state success for task instance TaskInstanceKey(dag_id={self.retrain!r}, "
            f"task_id={task!r}, run_id={self.run_id!r}, try_number={attempt}, "
        )
        log = self.system.home / "logs" / "scheduler.log"
        self.system.wait_until(lambda: heard in log.read_text(), f"the scheduler to hear that {task} has asked")

    def _too_late(self, task: str, state: str) -> str | None:
        ended = self.system.run_state(self.retrain, self.run_id) in DONE and self.state(task) != state
        return f"{task} is {self.state(task)}: {self.system.why(self.retrain, self.run_id)}" if ended else None

    def state(self, task: str) -> str | None:
        state: str | None = self.system.tasks(self.retrain, self.run_id)[task]["state"]
        return state

    def approvals(self) -> list[Approval]:
        return list(self.system.ports.ledger.approvals(self.use_case))

    def champion(self) -> Deployment | None:
        return self.system.ports.ledger.current_deployment(self.use_case, DeployedRole.CHAMPION)
