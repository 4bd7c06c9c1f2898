"""What a team does with the stack, by its roles: try what is forbidden, deploy a model, fill the past, look at it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import yaml
from tests.compose.stack import PASSWORD, Stack
from tests.e2e.system import quick_use_cases

from perennial_local.flights import load_flights

TEAM, OTHERS = "network-operations", "air-traffic"
ROLES = {
    "vera": [f"viewer: {TEAM}"],
    "dana": [f"data scientist: {TEAM}"],
    "ann": [f"approver: {TEAM}", "Approver"],
    "otto": [f"data scientist: {OTHERS}"],
}
USE_CASE = "flight_delays"
PREDICT, RETRAIN = "flight_delays.predict", "flight_delays.retrain"
RISK = {"purpose": "Which flights get a spare crew.", "impact": "medium", "likelihood": "medium", "autonomy": "decides",
        "personal_data": False, "answer_within": "1d"}  # fmt: skip
KEY = "flight_id"
FIRST = datetime(2013, 3, 1, tzinfo=UTC)
RUN = "the_first_model"
SCRAPED = 180.0  # seconds; it is asked once a minute


def use_cases(folder: Path) -> Path:
    """flight_delays, which learns from little and asks one person; air_time belongs to another team."""
    copied = quick_use_cases(folder, {"risk": RISK})
    path = copied / "flight_delays" / "use_case.yaml"
    spec = yaml.safe_load(path.read_text())
    spec["training"] |= {"history": "28d", "holdout": "7d"}  # enough for a first model, which no other is judged with
    path.write_text(yaml.safe_dump(spec, sort_keys=False))
    path = copied / "air_time" / "use_case.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"owner": OTHERS}, sort_keys=False))
    for each in (copied, *copied.rglob("*")):  # another user reads them, in the containers
        each.chmod(0o755 if each.is_dir() else 0o644)
    return copied


def load_source(stack: Stack) -> None:
    """A database of flights as the source, which its own user may read."""
    if stack.sql("postgres", "SELECT 1 FROM pg_database WHERE datname = 'flights'"):
        return
    stack.sql("postgres", "CREATE DATABASE flights")
    load_flights(stack.database("flights"), lambda _: None)
    stack.sql("flights", f"CREATE ROLE flights LOGIN PASSWORD '{PASSWORD}'")
    for (schema,) in stack.sql(
        "flights", "SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname !~ '^(pg_|info)'"
    ):
        stack.sql("flights", f"GRANT USAGE ON SCHEMA {schema} TO flights")
        stack.sql("flights", f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO flights")


def make_users(stack: Stack) -> None:
    """People of each role, made by the administrator over the API."""
    for name, roles in ROLES.items():
        made = stack.ask(
            "admin", "POST", "/auth/fab/v1/users", username=name, password=PASSWORD, email=f"{name}@example.org",
            first_name=name, last_name=name, roles=[{"name": role} for role in roles],
        )  # fmt: skip
        assert made.is_success, made.text


def weak_secrets_are_refused(stack: Stack) -> None:
    """A second project with a known password: nothing in it starts, and it is told which one."""
    weak = Stack({**stack.variables, "COMPOSE_PROJECT_NAME": "perennial-weak", "VALKEY_PASSWORD": "airflow"})
    try:
        assert weak.run("docker", "compose", "up", "--detach", "postgres", "valkey").returncode != 0
        assert "VALKEY_PASSWORD is 7 characters long" in weak.compose("logs", "secrets")
        assert weak.compose("ps", "--quiet", "--status=running").split() == []
    finally:
        weak.compose("down", "--volumes", check=False)


def logins_are_needed(stack: Stack) -> None:
    """Nobody who has not logged in reads anything, of Airflow or of MLflow; MLflow's passwords are the made ones."""
    with httpx.Client(timeout=60, trust_env=False) as client:
        assert client.get(f"{stack.url}/api/v2/dags").status_code == 401
        assert client.get(f"{stack.url}/perennial/home", headers={"Accept": "application/json"}).status_code == 401
        search = f"{stack.mlflow}/api/2.0/mlflow/registered-models/search"
        assert client.get(search).status_code == 401
        assert client.get(search, auth=("admin", "password1234")).status_code == 401
        assert client.get(search, auth=("admin", stack.variables["MLFLOW_ADMIN_PASSWORD"])).is_success
        assert (
            client.post(f"{stack.url}/auth/token", json={"username": "admin", "password": "admin"}).status_code == 401
        )


def unpause(stack: Stack) -> None:
    """Wait until the DAGs are known, and let those run that the others of the test need."""

    def known() -> bool:
        seen = {dag["dag_id"] for dag in stack.ask("admin", "GET", "/api/v2/dags?limit=100").json()["dags"]}
        return {PREDICT, RETRAIN, "air_time.predict"} <= seen

    stack.wait(known, "the DAGs")
    for dag_id in (PREDICT, RETRAIN, "flight_delays.evaluate", "flight_delays.rollback"):
        assert stack.ask("admin", "PATCH", f"/api/v2/dags/{dag_id}", is_paused=False).is_success


def rights_end_where_they_should(stack: Stack) -> None:
    """A viewer sees the team's use case only, and starts nothing; another team's data scientist does not see it."""
    for name, theirs in (
        ("vera", "flight_delays"),
        ("dana", "flight_delays"),
        ("ann", "flight_delays"),
        ("otto", "air_time"),
    ):
        seen = {dag["dag_id"] for dag in stack.ask(name, "GET", "/api/v2/dags?limit=100").json()["dags"]}
        assert {dag_id.partition(".")[0] for dag_id in seen} == {theirs}, (name, seen)
    run = {"dag_run_id": "forbidden", "logical_date": None, "conf": {"as_of": "2013-03-01", "reason": "no"}}
    refused = {
        "viewer triggers": stack.ask("vera", "POST", f"/api/v2/dags/{RETRAIN}/dagRuns", **run),
        "approver triggers": stack.ask("ann", "POST", f"/api/v2/dags/{RETRAIN}/dagRuns", **run),
        "another team triggers": stack.ask("otto", "POST", f"/api/v2/dags/{RETRAIN}/dagRuns", **run),
        "viewer backfills": begin(stack, "vera", FIRST, 1),
        "another team backfills": begin(stack, "otto", FIRST, 1),
        "viewer reads another team's use case": stack.ask("vera", "GET", "/api/v2/dags/air_time.predict"),
        "viewer reads another team's page": stack.ask("vera", "GET", "/perennial/dags/air_time.predict"),
        "viewer reads connections": stack.ask("vera", "GET", "/api/v2/connections"),
        "data scientist reads connections": stack.ask("dana", "GET", "/api/v2/connections"),
        "viewer reads users": stack.ask("vera", "GET", "/auth/fab/v1/users"),
        "viewer pauses": stack.ask("vera", "PATCH", f"/api/v2/dags/{PREDICT}", is_paused=True),
    }
    wrong = {what: answer.status_code for what, answer in refused.items() if answer.status_code != 403}
    assert not wrong, f"not refused: {wrong}"


def deploy(stack: Stack) -> None:
    """A data scientist asks for a model; a viewer can't approve it, nor can who asked; an approver does."""
    conf = {"as_of": "2013-03-01", "reason": "first model"}
    begun = stack.ask("dana", "POST", f"/api/v2/dags/{RETRAIN}/dagRuns", dag_run_id=RUN, logical_date=None, conf=conf)
    assert begun.is_success, begun.text
    reaches(stack, "approve", "awaiting_input")
    for name in ("vera", "otto", "dana"):
        assert answer(stack, name).status_code == 403, name
    given = answer(stack, "ann")
    assert given.is_success, given.text
    reaches(stack, "deploy", "success")
    ((approved_by, actor),) = stack.sql("ledger", "SELECT approved_by, actor FROM ledger.deployments")
    assert (approved_by, actor) == ("ann", "dana")


def answer(stack: Stack, name: str) -> httpx.Response:
    path = f"/api/v2/dags/{RETRAIN}/dagRuns/{RUN}/taskInstances/approve/-1/hitlDetails"
    return stack.ask(name, "PATCH", path, chosen_options=["Approve"], params_input={"why": "Better in every month."})


def reaches(stack: Stack, task: str, state: str) -> None:
    def state_now() -> str:
        found = stack.ask("admin", "GET", f"/api/v2/dags/{RETRAIN}/dagRuns/{RUN}/taskInstances/{task}").json()
        return str(found["state"])

    def there() -> bool:
        now = state_now()
        if now in ("failed", "upstream_failed", "skipped") and now != state:
            raise RuntimeError(f"{task} is {now}")
        return now == state

    stack.wait(there, f"{task} to be {state}")


def begin(stack: Stack, name: str, first: datetime, days: int, at_once: int = 4) -> httpx.Response:
    """Ask for a backfill of so many days from the first on."""
    return stack.ask(
        name, "POST", "/api/v2/backfills", dag_id=PREDICT, from_date=first.isoformat(),
        to_date=(first + timedelta(days=days - 1)).isoformat(), reprocess_behavior="failed", max_active_runs=at_once,
        run_on_latest_version=False,
    )  # fmt: skip


def finish(stack: Stack, backfill: httpx.Response) -> int:
    """Wait until all of its runs have ended well; its number."""
    number = number_of(backfill)
    stack.wait(
        lambda: stack.ask("dana", "GET", f"/api/v2/backfills/{number}").json()["completed_at"] is not None,
        f"backfill {number}",
    )
    failed = stack.sql(
        "airflow", f"SELECT run_id, state FROM dag_run WHERE backfill_id = {number} AND state <> 'success'"
    )
    assert not failed, f"runs that did not end well: {failed}"
    return number


def number_of(backfill: httpx.Response) -> int:
    assert backfill.is_success, backfill.text
    return int(backfill.json()["id"])


def windows_a_minute(stack: Stack, number: int) -> float:
    """From the start of a backfill's first run to the end of its last."""
    query = (
        "SELECT count(*) * 60 / extract(epoch FROM max(end_date) - min(start_date)) FROM dag_run WHERE backfill_id = "
    )
    return float(stack.sql("airflow", query + str(number))[0][0])


def stop_what_runs(stack: Stack) -> None:
    """Cancel what a step that failed has left, so that the next one starts with nothing under way."""
    for (number,) in stack.sql("airflow", "SELECT id FROM backfill WHERE completed_at IS NULL"):
        stack.ask("admin", "PUT", f"/api/v2/backfills/{number}/cancel")
    nothing = f"SELECT count(*) FROM dag_run WHERE dag_id = '{PREDICT}' AND state IN ('queued', 'running')"
    stack.wait(lambda: stack.sql("airflow", nothing)[0][0] == 0, "runs that are under way to end")


def windows(first: datetime, days: int) -> list[datetime]:
    return [first + timedelta(days=day) for day in range(days)]


def look(stack: Stack) -> None:
    """A viewer opens the pages of the team's use case, in the browser's words and as JSON."""
    path = f"/perennial/dags/{PREDICT}/windows/2013-03-05T00:00Z--2013-03-06T00:00Z"
    # The first page waits for the process that writes pages, which a busy host starts slowly: "Try again."
    stack.wait(lambda: stack.ask("vera", "GET", path).status_code != 503, "the page")
    page = stack.ask("vera", "GET", path)
    assert page.is_success, page.text
    assert page.json()["format"] == 1
    home = stack.ask("vera", "GET", "/perennial/home")
    assert home.is_success, home.text
    assert "flight_delays" in home.text
    assert "air_time" not in home.text


# What the doctor warns of in a service, because it is not given more than its work needs.
WARNED = {
    "api-server": set(),
    "worker": {"ledger reader", "published reader", "airflow"},
}  # fmt: skip


def the_doctor_finds_nothing(stack: Stack) -> None:
    """`perennial doctor` in the API server and in a worker: what can be checked from there is as it should be."""
    for service, warned in WARNED.items():
        said = stack.run("docker", "compose", "exec", "-T", service, "perennial", "doctor", "--json").stdout
        (report,) = (json.loads(line) for line in said.splitlines() if line.startswith('{"findings"'))
        found = {each["check"]: each for each in report["findings"]}
        bad = [each for name, each in found.items() if each["status"] != "ok" and name not in warned]
        assert report["healthy"], bad
        assert not bad, bad
        assert {name for name, each in found.items() if each["status"] == "warn"} == warned, found
        print(f"         the doctor in {service}: {len(found) - len(warned)} checks are ok", flush=True)


def gauges_are_scraped(stack: Stack) -> None:
    """Prometheus reads our gauges with the token; who has none, or another one, does not."""

    def value(expression: str) -> str:
        address = f"http://127.0.0.1:9090/api/v1/query?query={quote(expression)}"
        said = stack.compose("exec", "-T", "prometheus", "wget", "-q", "-O", "-", address)
        found = json.loads(said)["data"]["result"]
        assert found, f"{expression} has no value yet"
        return str(found[0]["value"][1])

    scored = f'perennial_last_scored_rows{{use_case="{USE_CASE}"}}'
    stack.wait(lambda: value('up{job="perennial"}') == "1", "the scraper to get an answer", SCRAPED)
    stack.wait(lambda: float(value(scored)) > 0, "the gauge of predictions", SCRAPED)
    address = f"{stack.url}/perennial/metrics"
    with httpx.Client(timeout=60, trust_env=False) as client:
        assert client.get(address).status_code == 401
        assert client.get(address, headers={"Authorization": "Bearer not-the-token-of-the-stack"}).status_code == 403


def running_workers(stack: Stack) -> list[str]:
    """The hosts on which a task of the use case runs now."""
    of_ours = f"state = 'running' AND dag_id = '{PREDICT}' AND hostname <> ''"
    query = f"SELECT DISTINCT hostname FROM task_instance WHERE {of_ours}"
    return [str(host) for (host,) in stack.sql("airflow", query)]


def tasks_by_worker(stack: Stack) -> dict[str, int]:
    query = f"SELECT hostname, count(*) FROM task_instance WHERE dag_id = '{PREDICT}' AND state = 'success' GROUP BY 1"
    return {str(host): int(count) for host, count in stack.sql("airflow", query)}
