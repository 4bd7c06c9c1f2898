"""A person's way in the browser from a refused window to its predictions: which rows, accept them, replay, green."""

from playwright.sync_api import Page
from tests.browser.seeing import see
from tests.e2e.browser import inside
from tests.e2e.system import System

from perennial.ledger.entries import InterventionKind
from perennial.pages.words import window_name
from perennial.window import Window
from perennial_airflow.pages.views import PREFIX
from perennial_local.keys import ADMIN

USE_CASE, TITLE = "flight_delays", "Late arrivals of flights from New York"
REASONS = ("the airport measures distances anew", "what was set aside is right")


def accept_and_replay(page: Page, system: System, window: Window) -> None:
    """Accept what every rule caught in a window that validation refused, replay it, and see that it is scored.

    The page is logged in as the administrator, and everything is done inside Airflow's own page.
    """
    ledger = system.ports.ledger
    assert ledger.latest_batch(USE_CASE, window) is None
    system.wait_for_backfills(f"{USE_CASE}.predict")
    page.goto(f"{system.url}/plugin/perennial")
    shown = inside(page)
    see(shown.get_by_role("link", name=TITLE)).click()
    see(shown.get_by_role("link", name=window_name(window))).first.click()
    see(shown.get_by_text("so nothing was scored"))
    see(shown.get_by_role("link", name="All rows in quarantine")).click()
    see(shown.get_by_role("heading", name="Rows in quarantine"))
    see(shown.get_by_role("link", name=_first_key(system, window), exact=True)).first.click()
    see(shown.get_by_text("It is not scored"))
    see(shown.get_by_role("link", name="quarantine", exact=True)).click()
    accepting = shown.locator("form[action$='/accepted']")
    see(accepting)
    for number in range(accepting.count()):
        form = accepting.nth(number)
        form.get_by_role("button", name="Accept").click()
        see(form.get_by_role("alert"), "Say why")
        form.get_by_label("Reason").fill(REASONS[0])
        form.get_by_role("button", name="Accept").click()
        form.get_by_role("button", name="Yes, accept").click()
        see(form.get_by_text(f"accepted by {ADMIN}"))
    replaying = shown.locator("form[action$='/replayed']")
    replaying.get_by_label("Reason").fill(REASONS[1])
    see(replaying.get_by_role("button", name="Replay this window")).click()
    see(replaying.get_by_role("button", name="Yes, replay it")).click()
    see(replaying.get_by_text("The replay has begun."))
    system.wait_until(lambda: ledger.latest_batch(USE_CASE, window) is not None, f"{window} to be scored")
    _see_that_it_is_green(page, system, window)


def _first_key(system: System, window: Window) -> str:
    address = f"{PREFIX}/dags/{USE_CASE}.predict/windows/{window.key}/quarantine"
    found = system.client.get(address, headers={"Accept": "application/json"}).json()
    return str(found["rules"][0]["examples"][0]["entity"])


def _see_that_it_is_green(page: Page, system: System, window: Window) -> None:
    address = f"{system.url}{PREFIX}/dags/{USE_CASE}.predict/windows/{window.key}"
    page.goto(f"{address}/quarantine")
    see(page.get_by_role("heading", name="Nothing is in quarantine"))
    see(page.get_by_role("cell", name=REASONS[0]))
    page.goto(address)
    see(page.get_by_text("rows scored by version"))
    see(page.get_by_role("heading", name="What people did about it"))
    for kind, reason in zip((InterventionKind.ROWS_ACCEPTED, InterventionKind.REPLAY_ASKED), REASONS, strict=True):
        entries = system.ports.ledger.interventions_on(USE_CASE, kind, [window])
        assert {(entry.actor, entry.reason) for entry in entries} == {(ADMIN, reason)}
        assert all(entry.run_id.startswith("page__") for entry in entries)
