"""Airflow's public REST API, as far as the demonstration needs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import httpx

from perennial.errors import PermanentError, StoreUnavailable

TIMEOUT = 15.0
CONFLICT = 409
NOT_FOUND = 404
UNAUTHORIZED = 401
ENDED = ("success", "failed")


@dataclass(frozen=True)
class DagRunState:
    """One DAG run and how far it is: queued, running, success or failed."""

    run_id: str
    state: str

    @property
    def ended(self) -> bool:
        """Whether the run is over, well or badly."""
        return self.state in ENDED


class AirflowApi:
    """A client of one Airflow, with the rights of one user.

    Errors of every method: `StoreUnavailable` when Airflow does not answer or is overloaded, `PermanentError` when it
    refuses the request; the message says which and why.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False)  # loopback goes through no proxy

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def is_up(self) -> bool:
        """Airflow's API server answers."""
        return answers(str(self._client.base_url.join("/api/v2/version")))

    def healthy_components(self) -> set[str]:
        """Which of scheduler, dag_processor, triggerer and metadatabase are healthy."""
        health = self._ask("GET", "monitor/health").json()
        return {name for name, state in health.items() if state and state.get("status") == "healthy"}

    def dag_ids(self) -> set[str]:
        """The DAGs that have been parsed."""
        return {dag["dag_id"] for dag in self._ask("GET", "dags", params=httpx.QueryParams(limit=100)).json()["dags"]}

    def import_errors(self) -> dict[str, str]:
        """File name to error, for each DAG file that could not be parsed."""
        errors = self._ask("GET", "importErrors").json()["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def unpause(self, dag_id: str) -> None:
        """Let the DAG's runs run."""
        self._ask("PATCH", f"dags/{dag_id}", json={"is_paused": False})

    def run(self, dag_id: str, run_id: str) -> DagRunState | None:
        """The run, if there is one."""
        answer = self._ask("GET", f"dags/{dag_id}/dagRuns/{run_id}", allowed=(NOT_FOUND,))
        return None if answer.status_code == NOT_FOUND else DagRunState(run_id, answer.json()["state"])

    def trigger(self, dag_id: str, run_id: str, params: Mapping[str, str]) -> None:
        """Start a run by hand; do nothing when a run of that id is there."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(params)}
        self._ask("POST", f"dags/{dag_id}/dagRuns", json=body, allowed=(CONFLICT,))

    def retry(self, dag_id: str, run_id: str) -> None:
        """Run the failed tasks of a run, and what comes after them, again."""
        self._ask("POST", f"dags/{dag_id}/dagRuns/{run_id}/clear", json={"dry_run": False, "only_failed": True})

    def count_runs(self, dag_id: str, state: str, first: datetime, last: datetime) -> int:
        """How many runs with logical dates from `first` to `last`, both included, are in the state."""
        params = httpx.QueryParams(
            state=state, limit=1, logical_date_gte=first.isoformat(), logical_date_lte=last.isoformat()
        )
        return int(self._ask("GET", f"dags/{dag_id}/dagRuns", params=params).json()["total_entries"])

    def active_runs(self, dag_id: str) -> int:
        """How many runs of the DAG are queued or running."""
        params = httpx.QueryParams({"state": ["queued", "running"], "limit": 1})
        return int(self._ask("GET", f"dags/{dag_id}/dagRuns", params=params).json()["total_entries"])

    def failed_tasks(self, dag_id: str, run_id: str) -> list[str]:
        """The tasks of the run that failed by themselves."""
        tasks = self._ask(
            "GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", params=httpx.QueryParams(state="failed")
        ).json()
        return [task["task_id"] for task in tasks["task_instances"]]

    def backfill(self, dag_id: str, first: datetime, last: datetime, max_active_runs: int) -> bool:
        """Create a backfill of the windows that start from `first` to `last`, both included.

        Windows that ran well are left alone, failed ones run again. False when Airflow is still busy with an earlier
        backfill of this DAG.
        """
        body = {
            "dag_id": dag_id, "from_date": first.isoformat(), "to_date": last.isoformat(),
            "reprocess_behavior": "failed", "max_active_runs": max_active_runs,
        }  # fmt: skip
        return self._ask("POST", "backfills", json=body, allowed=(CONFLICT,)).status_code != CONFLICT

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: httpx.QueryParams | None = None,
        json: Mapping[str, object] | None = None,
        allowed: tuple[int, ...] = (),
    ) -> httpx.Response:
        try:
            answer = self._client.request(method, f"/api/v2/{path}", params=params, json=json)
            if answer.status_code == UNAUTHORIZED:
                self._log_in()
                answer = self._client.request(method, f"/api/v2/{path}", params=params, json=json)
        except httpx.TransportError as error:
            raise StoreUnavailable(f"Airflow did not answer {method} {path}: {error!r}.") from error
        if answer.is_success or answer.status_code in allowed:
            return answer
        found = f"Airflow answered {method} {path} with {answer.status_code}: {answer.text[:500]}"
        raise StoreUnavailable(found) if answer.is_server_error else PermanentError(found)

    def _log_in(self) -> None:
        answer = self._client.post("/auth/token", json={"username": self._user, "password": self._password})
        if not answer.is_success:
            raise PermanentError(
                f"Airflow refused the login of {self._user!r} ({answer.status_code}); its password file and the keys "
                "in the home folder differ. Stop, delete the password file, and start again."
            )
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def answers(url: str) -> bool:
    """A GET of the URL succeeds."""
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).is_success
    except httpx.TransportError:
        return False
