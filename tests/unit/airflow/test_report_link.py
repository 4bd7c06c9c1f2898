"""Links from Airflow's own pages to ours: the tabs of tasks, and links in Markdown."""

import asyncio
import warnings
from collections.abc import Callable
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from perennial.spec.load import LoadedUseCase
from perennial_airflow import docs, report_link
from perennial_airflow.dag_kind import DagKind
from perennial_airflow.evaluate import evaluate_dag
from perennial_airflow.pages.reader import Page
from perennial_airflow.pages.views import SECTION_OF_TASK, VIEWS
from perennial_airflow.predict import predict_dag
from perennial_airflow.retrain import retrain_dag

with warnings.catch_warnings(action="ignore"):  # what Airflow imports here uses a module that Starlette deprecated
    from airflow.api_fastapi.core_api.security import get_user

    from perennial_airflow.pages import app as pages

PAGE_OF = {"predict": ("window.html", "window/"), "evaluate": ("evaluation.html",), "retrain": ("retraining.html",)}


def test_every_kind_of_dag_has_a_report() -> None:
    assert tuple(DagKind) == report_link.KINDS


def test_links_lead_to_tabs_that_are_there() -> None:
    routes = {(each["destination"], each.get("url_route")) for each in VIEWS}
    assert ("dag", report_link.WINDOWS_ROUTE) in routes
    assert ("dag_run", report_link.REPORT_ROUTE) in routes
    assert len({each["url_route"] for each in VIEWS}) == len(VIEWS)  # Airflow leaves out a second one of the same


def test_links_are_relative_and_nothing_of_a_name_leaves_its_place() -> None:
    assert report_link.windows_of("a.predict") == "dags/a.predict/plugin/perennial-windows"
    link = report_link.report_link("a.predict", "x](javascript:alert(1)) [b/../c?d#e")
    assert link.count("(") == link.count(")") == link.count("[") == link.count("]") == 1
    assert link.count("/") == 5
    assert not {":", "?", "#", " "} & set(link)


@pytest.mark.parametrize("kind", ["predict", "evaluate", "retrain", "rollback"])
def test_the_documentation_of_every_dag_leads_to_its_windows(use_case: LoadedUseCase, kind: str) -> None:
    text = getattr(docs, kind)(use_case.spec)
    assert "](dags/flight_delays.predict/plugin/perennial-windows)" in text


@pytest.mark.parametrize("make", [predict_dag, evaluate_dag, retrain_dag])
def test_every_task_opens_its_part_of_the_report(use_case: LoadedUseCase, make: Any) -> None:
    dag = make(use_case)
    templates = files("perennial.pages").joinpath("templates")
    begun = PAGE_OF[dag.dag_id.rpartition(".")[2]]
    texts = [each.read_text() for each in templates.iterdir() if each.name in begun]
    if "window/" in begun:
        texts += [each.read_text() for each in templates.joinpath("window").iterdir()]
    for task_id in dag.task_ids:
        assert any(f'id="{SECTION_OF_TASK[task_id]}"' in text for text in texts), task_id


Get = Callable[..., httpx.Response]


@pytest.fixture
def get() -> Get:
    """The pages as a user who may read everything sees them; the process that writes them says what it was asked."""
    app = pages.create_app()

    async def ask(asked: dict[str, Any]) -> Page:
        return Page(200, "text/plain", f"{asked['view']} {asked['arguments']['run_id']}".encode())

    app.state.reader = SimpleNamespace(ask=ask)
    may_read = pages.MAY_READ.dependency
    assert may_read is not None
    interval = {"start": "2013-03-01", "end": "2013-03-02", "as_of": "2013-03-02"}
    app.dependency_overrides = {get_user: lambda: None, may_read: lambda: None, pages._about: lambda: interval}

    async def answer(address: str, **given: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return await client.get(address, **given)

    return lambda address, **given: asyncio.run(answer(address, **given))


ADDRESS = "/dags/flight_delays.predict/runs/backfill__2013-03-01T00%3A00%2B00%3A00"


def test_the_report_opens_at_the_part_that_is_about_the_task(get: Get) -> None:
    answer = get(f"{ADDRESS}?task=validate")
    assert (answer.status_code, answer.headers["location"]) == (
        307,
        "./backfill__2013-03-01T00%3A00%2B00%3A00#validation",
    )
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    followed = get(f"{ADDRESS}?task=validate", follow_redirects=True)
    assert followed.text == "interval flight_delays.predict/backfill__2013-03-01T00:00+00:00"


@pytest.mark.parametrize("task", ["", "somebody_elses", "//evil.example", "validation"])
def test_a_task_without_a_part_opens_the_whole_report(get: Get, task: str) -> None:
    answer = get(ADDRESS, params={"task": task})
    assert (answer.status_code, answer.text) == (200, "interval flight_delays.predict/backfill__2013-03-01T00:00+00:00")
