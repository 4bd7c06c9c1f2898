"""Who gets the gauges: the token's holder all of them, a user those that the user may see, and nobody else any."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import HTTPException

from perennial_airflow.pages import metrics
from perennial_airflow.pages.app import HEADERS, create_app
from perennial_airflow.pages.reader import Page, ReaderUnavailable

TOKEN = "a token that is long enough"


class Reader:
    """Keeps what it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self._error = error

    async def ask(self, asked: dict[str, Any]) -> Page:
        if self._error:
            raise self._error
        self.asked.append(asked)
        return Page(200, "text/plain; version=0.0.4; charset=utf-8", b"perennial_specs_broken 0.0\n")


@pytest.fixture(autouse=True)
def _airflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two use cases, one of which the only user may see; Airflow itself is not asked."""
    for name in ("hidden", "seen"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PERENNIAL_USE_CASES", str(tmp_path))

    async def user(request: Any, *_: object) -> str:
        if request.headers.get("authorization") != "Bearer of ann":
            raise HTTPException(401)
        return "ann"

    async def nothing(_: object) -> None:
        return None

    monkeypatch.setattr(metrics, "get_user", user)
    monkeypatch.setattr(metrics, "bearer_scheme", nothing)
    monkeypatch.setattr(metrics, "readable", lambda user: ("seen",) if user == "ann" else ())
    monkeypatch.setattr(
        metrics, "_dags", lambda names: [{"dag_id": f"{name}.predict", "paused": False} for name in names]
    )


def ask(reader: Reader, authorization: str | None) -> httpx.Response:
    app = create_app()
    app.state.reader = reader

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, root_path="/perennial")
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
            return await client.get(
                "/perennial/metrics", headers={"Authorization": authorization.encode()} if authorization else {}
            )

    return asyncio.run(asked())


def test_the_token_shows_every_use_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_METRICS_TOKEN", TOKEN)
    for scheme in ("Bearer", "bearer"):
        reader = Reader()
        answer = ask(reader, f"{scheme} {TOKEN}")
        assert (answer.status_code, answer.text) == (200, "perennial_specs_broken 0.0\n")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert HEADERS.items() <= {name: answer.headers[name] for name in HEADERS}.items()
        (asked,) = reader.asked
        assert (asked["view"], asked["use_cases"]) == ("metrics", ("hidden", "seen"))
        assert [each["dag_id"] for each in asked["dags"]] == ["hidden.predict", "seen.predict"]


@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_user_sees_what_the_user_may_see(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("PERENNIAL_METRICS_TOKEN", token)
    reader = Reader()
    assert ask(reader, "Bearer of ann").status_code == 200
    assert reader.asked[0]["use_cases"] == ("seen",)


@pytest.mark.parametrize("token", ["", TOKEN, "short"])
@pytest.mark.parametrize(
    "sent", [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer short", "Bearer é"]
)
def test_nobody_else_sees_anything(monkeypatch: pytest.MonkeyPatch, token: str, sent: str | None) -> None:
    monkeypatch.setenv("PERENNIAL_METRICS_TOKEN", token)
    reader = Reader()
    assert ask(reader, sent).status_code == 401
    assert not reader.asked


def test_a_token_that_is_too_short_is_told_in_the_log_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PERENNIAL_METRICS_TOKEN", "letmein")
    assert ask(Reader(), "Bearer letmein").status_code == 401
    assert "PERENNIAL_METRICS_TOKEN has fewer than 16 characters" in caplog.text
    assert "letmein" not in caplog.text


def test_records_that_cannot_be_read_are_no_empty_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_METRICS_TOKEN", TOKEN)
    answer = ask(Reader(ReaderUnavailable("not ready within 30 s")), f"Bearer {TOKEN}")
    assert answer.status_code == 503  # by which Prometheus knows that it scraped nothing: `up` is 0
    assert "not ready within 30 s" in answer.text


def test_folders_of_use_cases_that_are_missing_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERENNIAL_METRICS_TOKEN", TOKEN)
    monkeypatch.setenv("PERENNIAL_USE_CASES", str(tmp_path / "nowhere"))
    assert ask(Reader(), f"Bearer {TOKEN}").status_code == 503
