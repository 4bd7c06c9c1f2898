"""Who may see which page: all routes, for all roles of both auth managers, on Airflow's own API server."""

import json

import httpx
import pytest
from tests.pages.prepare_airflow import KINDS
from tests.pages.routes import FILLED, address, routes
from tests.pages.server import PagesServer

from perennial_airflow.pages.app import HEADERS
from perennial_airflow.pages.views import PREFIX

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
ROUTES = routes()
OF_DAG = [(method, path) for method, path in ROUTES if "{dag_id}" in path]
JSON = {"Accept": "application/json"}


def has_headers(answer: httpx.Response) -> bool:
    """The headers that keep a page from running anything, from being framed by others, and from being kept."""
    return HEADERS.items() <= {name: answer.headers.get(name, "") for name in HEADERS}.items()


def test_the_policy_lets_nothing_run_that_the_pages_do_not_bring() -> None:
    policy = dict(each.split(" ", 1) for each in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["script-src"] == policy["style-src"] == "'self'"
    assert not {"'unsafe-inline'", "'unsafe-eval'", "data:", "*"} & set(" ".join(policy.values()).split())
    assert HEADERS["X-Content-Type-Options"] == "nosniff"
    assert HEADERS["Cache-Control"] == "no-store"


def test_every_route_is_walked() -> None:
    assert set(ROUTES) == set(FILLED), "tests/pages/routes.py must say how to fill the path of every route"


@pytest.mark.parametrize("server", ["simple", "fab"])
def test_nobody_sees_anything_without_a_login(server: str, request: pytest.FixtureRequest) -> None:
    asked: PagesServer = request.getfixturevalue(server)
    for (method, path), filled in FILLED.items():
        for headers in ({}, JSON, {"Authorization": "Bearer abc"}, {"Cookie": "_token=abc"}):
            answer = asked.ask(address(path, filled), None, method, headers)
            assert answer.status_code in ({401} if headers in ({}, JSON) else {401, 403}), (method, path, headers)
            assert has_headers(answer), (method, path)
            assert b"seen" not in answer.content.replace(b"unseen", b""), (method, path)


@pytest.mark.parametrize("server", ["simple", "fab"])
def test_other_methods_are_refused(server: str, request: pytest.FixtureRequest) -> None:
    asked: PagesServer = request.getfixturevalue(server)
    for path in sorted({path for _, path in ROUTES}):
        declared = {method for method, other in ROUTES if other == path}
        filled = next(filled for (_, other), filled in FILLED.items() if other == path)
        for method in sorted({*METHODS} - declared):
            answer = asked.ask(address(path, filled), asked.users[-1], method)
            wanted = 404 if method == "GET" else 405  # what is not a page is looked for among the assets
            assert answer.status_code == wanted, (method, path, answer.status_code)
            assert has_headers(answer), (method, path)


def test_whoever_may_read_every_dag_sees_every_page(simple: PagesServer, fab: PagesServer) -> None:
    for server, users in ((simple, simple.users), (fab, ("Viewer", "Op", "Admin"))):
        for user in users:
            for (method, path), filled in FILLED.items():
                answer = server.ask(address(path, filled), user, method)
                assert answer.status_code in filled.answered(method), (user, path, answer.status_code, answer.text)
                assert has_headers(answer), (user, path)
            assert listed(server, user) == ["hidden", "seen"]


def test_a_role_with_one_use_case_sees_that_one(fab: PagesServer) -> None:
    for method, path in OF_DAG:
        filled = FILLED[method, path]
        for kind in KINDS:
            own = fab.ask(address(path, filled, f"seen.{kind}"), "one_use_case", method)
            assert own.status_code in filled.answered(method), (path, kind, own.text[:300])
            other = fab.ask(address(path, filled, f"hidden.{kind}"), "one_use_case", method)
            none = fab.ask(address(path, filled, f"nothing.{kind}"), "one_use_case", method)
            assert (other.status_code, none.status_code) == (403, 403), (path, kind)
            assert other.content == none.content  # what exists is not told from what does not
            assert has_headers(other)
            assert "hidden" not in other.text
    assert listed(fab, "one_use_case") == ["seen"]


@pytest.mark.parametrize("user", ["no_dag", "retrain_only", "no_values", "no_runs"])
def test_who_may_not_see_the_predictions_sees_no_page_of_the_use_case(fab: PagesServer, user: str) -> None:
    for method, path in OF_DAG:
        for kind in KINDS:
            answer = fab.ask(address(path, FILLED[method, path], f"seen.{kind}"), user, method)
            assert answer.status_code == 403, (user, path, kind)
            assert has_headers(answer)
            assert f"You may not {'see' if method == 'GET' else 'do'} this" in answer.text
    assert listed(fab, user) == []


@pytest.mark.parametrize("dag_id", ["nothing.predict", "seen.other", "seen", ".predict", "~", "seen.predict.predict"])
def test_a_use_case_that_does_not_exist_has_no_page(simple: PagesServer, dag_id: str) -> None:
    for method, path in OF_DAG:
        answer = simple.ask(address(path, FILLED[method, path], dag_id), "viewer", method)
        # Whether there is such a DAG is not told to who may not change it anyway.
        assert answer.status_code == (404 if method == "GET" else 403), (path, answer.text[:300])
        assert has_headers(answer)


def test_a_run_of_another_dag_is_not_found_below_this_one(simple: PagesServer) -> None:
    answer = simple.ask(f"{PREFIX}/dags/seen.predict/runs/hidden.predict%2Fscheduled__1", "viewer")
    assert answer.status_code == 404


def test_refusals_are_json_for_scripts(fab: PagesServer) -> None:
    answer = fab.ask(f"{PREFIX}/dags/hidden.predict", "one_use_case", headers=JSON)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"] == "You may not see this"


def listed(server: PagesServer, user: str) -> list[str]:
    answer = server.ask(f"{PREFIX}/home", user, headers=JSON)
    assert answer.status_code == 200, answer.text[:300]
    page = json.loads(answer.content)
    return sorted(each["use_case"] for each in page["use_cases"])
