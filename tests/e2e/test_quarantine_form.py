"""The forms of the quarantine page in a real browser, on the real change and stores in memory; only Airflow is played.

What Airflow itself does with the same requests is told by `tests.e2e.quarantine_journey` and by the guard's own tests.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route
from tests.browser.seeing import see
from tests.e2e.browser import browsing
from tests.unit.jobs.test_predict_path import ingest_and_validate
from tests.unit.jobs.world import START, World, make_world
from tests.unit.pages.asking import settings_of

from perennial import clock
from perennial.ledger.entries import InterventionKind
from perennial.pages.answer import answer
from perennial.pages.asked import Answer, Asked
from perennial.pages.change import ChangeAsked, change

SITE = "http://pages.example"
PAGES = "/perennial"
DAG = f"{SITE}/dags/parcels.predict"
ASSETS = {"style.css": "text/css", "frame.js": "text/javascript"}


@dataclass
class Site:
    """The pages of a world, and what Airflow's own interface is to answer."""

    world: World
    page: Page
    backfill: tuple[int, dict[str, Any]] = (200, {"id": 1})
    paused: bool = False
    change_status: int | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def handle(self, route: Route) -> None:
        request, path = route.request, urlsplit(route.request.url).path
        if path == "/api/v2/backfills":
            self.asked.append(request.post_data_json)
            status, body = self.backfill
            return route.fulfill(status=status, json=body)
        if path.startswith("/api/v2/dags/"):
            return route.fulfill(json={"is_paused": self.paused})
        if request.method == "PUT":
            self.headers.append(request.all_headers())
            return self.send(route, self.changed(path, request.post_data_json))
        return self.send(route, self.read(path))

    def changed(self, path: str, body: dict[str, Any]) -> Answer:
        if self.change_status is not None:
            return Answer(self.change_status, "application/json", b'{"error": "You may not do this", "detail": "Ask"}')
        *_, window, what = path.split("/")
        return change(ChangeAsked(what, "parcels", window, "ada", body), settings_of(self.world), self.world.ports)

    def read(self, path: str) -> Answer:
        *_, last = path.removeprefix(PAGES).split("/")
        if last in ASSETS:
            return Answer(200, ASSETS[last], files("perennial.pages").joinpath("static", last).read_bytes())
        if last != "quarantine":
            return Answer(404, "text/plain", b"")
        arguments = {"use_case": "parcels", "window": path.split("/")[-2]}
        asked = Asked("quarantine", arguments, ("parcels",), PAGES, "", may_change=True)
        return answer(asked, settings_of(self.world), self.world.ports)

    def send(self, route: Route, found: Answer) -> None:
        route.fulfill(status=found.status, body=found.body, content_type=found.media_type)

    def open(self) -> Page:
        self.page.goto(f"{SITE}{PAGES}/dags/parcels.predict/windows/{self.world.day(31).key}/quarantine")
        return self.page

    def recorded(self) -> list[tuple[str, str, str]]:
        entries = self.world.ports.ledger.interventions("parcels")
        return [(entry.kind.value, entry.actor, entry.reason) for entry in entries]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browsing(width=380) as (_, opened):
        yield opened


@pytest.fixture
def site(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(clock, "now", lambda: START + timedelta(days=46))
    world = make_world(tmp_path)
    world.put("weight", dict.fromkeys(world.rows_of(31)[:3], -60.0))
    ingest_and_validate(world, 31)
    made = Site(world, page)
    page.route("**/*", made.handle)
    yield made
    page.unroute("**/*")


def fill(page: Page, form: str, reason: str, button: str) -> None:
    page.locator(form).get_by_label("Reason").fill(reason)
    page.locator(form).get_by_role("button", name=button).click()


def has_focus(locator: Locator) -> bool:
    return bool(locator.evaluate("(it) => it === document.activeElement"))


ACCEPT, REPLAY = "form[action$=accepted]", "form[action$=replayed]"


def test_rows_are_accepted_after_a_reason_and_a_second_question(site: Site) -> None:
    page = site.open()
    page.locator(ACCEPT).get_by_role("button", name="Accept these 3 rows").click()
    see(page.locator(ACCEPT).get_by_role("alert"), "Say why: the reason is kept beside your name.")
    assert has_focus(page.locator(ACCEPT).get_by_label("Reason"))
    fill(page, ACCEPT, "a new kind", "Accept these 3 rows")
    see(page.locator(ACCEPT).get_by_role("status"), "Your name and the reason are kept. Sure?")
    assert site.recorded() == []
    page.locator(ACCEPT).get_by_role("button", name="Cancel").click()
    assert page.locator(ACCEPT).get_by_role("status").inner_text() == ""
    page.locator(ACCEPT).get_by_role("button", name="Accept these 3 rows").click()
    page.locator(ACCEPT).get_by_role("button", name="Yes, accept these 3 rows").click()
    said = page.locator(ACCEPT).get_by_role("status")
    see(said, "3 rows accepted by ada. They are let in when the window is validated again. Replay the window next.")
    assert has_focus(said)
    assert site.recorded() == [("rows_accepted", "ada", "a new kind")]
    (headers,) = site.headers
    assert (headers["origin"], headers["x-requested-with"]) == (SITE, "Perennial")
    assert headers["content-type"] == "application/json"


def test_a_replay_is_on_record_and_begun_in_airflow(site: Site) -> None:
    page = site.open()
    fill(page, REPLAY, "the source was mended", "Replay this window")
    page.locator(REPLAY).get_by_role("button", name="Yes, replay it").click()
    said = page.locator(REPLAY).get_by_role("status")
    see(said, "It is on record that ada asked for a replay. The replay has begun. Watch it in Airflow.")
    assert said.get_by_role("link").get_attribute("href") == "/dags/parcels.predict/backfills"
    start = site.world.day(31).start.isoformat()
    assert site.asked == [
        {
            "dag_id": "parcels.predict", "from_date": start, "to_date": start, "dag_run_conf": {"model": "as_was"},
            "reprocess_behavior": "completed", "max_active_runs": 1, "run_on_latest_version": False,
        }
    ]  # fmt: skip
    assert site.recorded() == [("replay_asked", "ada", "the source was mended")]


@pytest.mark.parametrize(
    ("backfill", "told"),
    [
        (
            (409, {"detail": "There is already a running backfill for dag x"}),
            "another backfill of this DAG is not done",
        ),
        ((403, {"detail": "Forbidden"}), "You may not create runs of this DAG"),
        ((401, {"detail": "Not authenticated"}), "Your session has ended"),
        ((422, {"detail": "No runs to create"}), "Airflow did not start it. No runs to create"),
        ((422, {"detail": [{"msg": "too early"}]}), "too early"),
        ((503, {}), "Airflow did not start it."),
    ],
)
def test_a_replay_that_airflow_refuses_stays_on_record_as_asked_for(
    site: Site, backfill: tuple[int, dict[str, Any]], told: str
) -> None:
    site.backfill = backfill
    page = site.open()
    fill(page, REPLAY, "mended", "Replay this window")
    page.locator(REPLAY).get_by_role("button", name="Yes, replay it").click()
    said = page.locator(REPLAY).get_by_role("status")
    see(said, "It is on record that ada asked for a replay. Airflow did not start it")
    see(said, told)
    assert [kind for kind, *_ in site.recorded()] == ["replay_asked"]
    see(site.open().get_by_role("cell", name="asked for a replay"))


def test_a_paused_dag_is_told(site: Site) -> None:
    site.paused = True
    page = site.open()
    fill(page, REPLAY, "mended", "Replay this window")
    page.locator(REPLAY).get_by_role("button", name="Yes, replay it").click()
    see(page.locator(REPLAY).get_by_role("status"), "waits until somebody unpauses it")
    assert [kind for kind, *_ in site.recorded()] == [InterventionKind.REPLAY_ASKED.value]


def test_a_change_that_is_refused_says_why_and_can_be_tried_again(site: Site) -> None:
    page = site.open()
    site.world.change(31, "service", "rail")
    ingest_and_validate(site.world, 31)
    fill(page, ACCEPT, "a new kind", "Accept these 3 rows")
    page.locator(ACCEPT).get_by_role("button", name="Yes, accept these 3 rows").click()
    wrong = page.locator(ACCEPT).get_by_role("alert")
    see(wrong, "Nothing was changed. The window has changed: look again.")
    assert site.recorded() == []
    with page.expect_navigation():
        wrong.get_by_role("link", name="Load the page again").click()
    site.change_status = 403
    fill(page, ACCEPT, "a new kind", "Accept these 3 rows")
    page.locator(ACCEPT).get_by_role("button", name="Yes, accept these 3 rows").click()
    see(wrong, "You may not do this. Ask")
    site.change_status = None
    page.locator(ACCEPT).get_by_role("button", name="Accept these 3 rows").click()
    page.locator(ACCEPT).get_by_role("button", name="Yes, accept these 3 rows").click()
    see(page.locator(ACCEPT).get_by_role("status"), "3 rows accepted by ada")
    assert [kind for kind, *_ in site.recorded()] == [InterventionKind.ROWS_ACCEPTED.value]


def test_a_server_that_does_not_answer_is_told_and_nothing_is_claimed(site: Site) -> None:
    page = site.open()
    page.route("**/accepted", lambda route: route.abort())
    fill(page, ACCEPT, "a new kind", "Accept these 3 rows")
    page.locator(ACCEPT).get_by_role("button", name="Yes, accept these 3 rows").click()
    alert = page.locator(ACCEPT).get_by_role("alert")
    see(alert, "The server did not answer: it is not known whether it was done. Load the page again.")
    page.unroute("**/accepted")
    assert site.recorded() == []


def test_the_page_fits_a_phone(site: Site) -> None:
    page = site.open()
    see(page.locator(ACCEPT))
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
