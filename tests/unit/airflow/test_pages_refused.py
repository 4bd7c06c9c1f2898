"""How the pages' application answers what it did not expect: with the headers of every answer, and without details."""

import asyncio
from typing import Any

import httpx
import pytest
from airflow.api_fastapi.core_api.security import get_user

from perennial_airflow.pages.app import HEADERS, create_app
from perennial_airflow.pages.dags import readable_dags
from perennial_airflow.pages.rights import readable

SCRIPT = {"Accept": "application/json"}


class BrokenReader:
    """A process that fails in a way that nobody thought of."""

    async def ask(self, asked: dict[str, Any]) -> Any:
        raise RuntimeError("a secret of the server")


def ask(path: str, headers: dict[str, str]) -> httpx.Response:
    app = create_app()
    app.state.reader = BrokenReader()
    app.dependency_overrides = {get_user: object, readable: lambda: ("parcels",), readable_dags: lambda: []}

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, root_path="/perennial")
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
            return await client.get(f"/perennial{path}", headers=headers)

    return asyncio.run(asked())


def test_what_fails_unexpectedly_is_a_page_with_all_headers_and_no_details(caplog: pytest.LogCaptureFixture) -> None:
    page, script = ask("/home", {}), ask("/home", SCRIPT)
    for answer in (page, script):
        assert answer.status_code == 500
        assert HEADERS.items() <= {name: answer.headers.get(name, "") for name in HEADERS}.items()
        assert "secret" not in answer.text
    assert "The log of the API server says more." in page.text
    assert script.json()["error"] == "This can't be shown"
    assert "a secret of the server" in caplog.text


@pytest.mark.parametrize(("path", "status"), [(f"/{'a' * 5_000}", 414), ("/home?owner=%00", 404), ("/home", 500)])
def test_an_address_that_is_too_long_or_unreadable_is_refused_before_anything_is_asked(path: str, status: int) -> None:
    answer = ask(path, SCRIPT)
    assert answer.status_code == status
    if status == 414:
        assert answer.json()["detail"] == "This address has 5,011 bytes; at most 4,000 are read."
