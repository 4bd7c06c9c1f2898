"""What the pages' application serves by itself, and how it refuses."""

import asyncio
from typing import Any

import httpx
import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi import HTTPException, Request

from perennial_airflow.pages.app import create_app
from perennial_airflow.pages.static import refusal

PAGE, SCRIPT = {"Accept": "text/html,*/*"}, {"Accept": "application/json"}


def ask(path: str, headers: dict[str, str], method: str = "GET", **overrides: Any) -> httpx.Response:
    """An answer of the application as Airflow mounts it, to somebody who is logged in unless `user` says otherwise."""
    app = create_app()
    app.dependency_overrides[get_user] = overrides.get("user", object)

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, root_path="/base/perennial")
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
            return await client.request(method, f"/base/perennial/{path}", headers=headers)

    return asyncio.run(asked())


def nobody() -> None:
    raise HTTPException(401, "Not authenticated")


@pytest.mark.parametrize(("name", "kind"), [("style.css", "text/css"), ("frame.js", "text/javascript")])
def test_the_stylesheet_and_the_script_are_served(name: str, kind: str) -> None:
    found = ask(name, PAGE)
    assert (found.status_code, found.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
    assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["../answer.py", "..%2Fanswer.py", "templates/home.html", "%2Fetc%2Fpasswd", "", "a%00b"]
)
def test_nothing_else_is(name: str) -> None:
    found = ask(name, PAGE)
    assert found.status_code == 404
    assert "There is no such page" in found.text


def test_a_refusal_is_a_page_for_a_browser_and_json_for_a_script() -> None:
    page, script = (ask("style.css", accept, user=nobody) for accept in (PAGE, SCRIPT))
    assert page.status_code == script.status_code == 401
    assert "<h1>Log in first</h1>" in page.text
    assert 'href="/base/perennial/style.css"' in page.text
    assert page.text.index('class="skip" href="#main"') < page.text.index("<header>") < page.text.index('id="main"')
    assert '<a href="/base/perennial/home">all use cases</a>' in page.text
    assert '<a href="/base/" data-airflow>Airflow</a>' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert script.json() == {"error": "Log in first", "detail": "Open Airflow, log in, and come back."}


def test_a_dag_of_others_has_no_page_and_its_name_stays_a_text() -> None:
    scope = {"type": "http", "method": "GET", "root_path": "/base/perennial", "headers": []}
    said = bytes(refusal(Request(scope), 404, "<script>alert(1)</script> is not a DAG").body)
    assert b"&lt;script&gt;" in said
    assert b"<script>" not in said.replace(b'<script src="/base/perennial/frame.js" defer></script>', b"")


def test_pages_are_only_read() -> None:
    found = ask("home", PAGE, method="DELETE")
    assert found.status_code == 405
    assert "This can" in found.text
