"""The gauges on Airflow's own API server: who gets them with both auth managers, and that they are the ledger's."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.pages.server import PagesServer
from tests.pages.test_roles import has_headers

from perennial_airflow.pages.views import PREFIX

ADDRESS = f"{PREFIX}/metrics"


@pytest.mark.parametrize("server", ["simple", "fab"])
def test_nobody_gets_them_without_a_login(server: str, request: pytest.FixtureRequest) -> None:
    asked: PagesServer = request.getfixturevalue(server)
    for headers in ({}, {"Authorization": "Bearer abc"}, {"Authorization": "Bearer "}):
        answer = asked.ask(ADDRESS, None, headers=headers)
        assert answer.status_code in {401, 403}, headers
        assert has_headers(answer)
        assert "perennial_" not in answer.text


def test_users_get_those_of_the_use_cases_that_they_may_see(simple: PagesServer, fab: PagesServer) -> None:
    for server, user, seen in (
        (simple, "viewer", {"hidden", "seen"}),
        (fab, "Viewer", {"hidden", "seen"}),
        (fab, "one_use_case", {"seen"}),
        (fab, "no_values", set()),
    ):
        answer = server.ask(ADDRESS, user)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert has_headers(answer)
        families = {each.name: each for each in text_string_to_metric_families(answer.text)}
        told = {sample.labels["use_case"] for sample in families.get("perennial_windows_missing", _NONE).samples}
        assert told == seen, user
        paused = {s.labels["use_case"] for s in families.get("perennial_airflow_dag_paused", _NONE).samples}
        assert paused == seen, user
        assert "hidden" in seen or "hidden" not in answer.text


class _NONE:
    samples = ()
