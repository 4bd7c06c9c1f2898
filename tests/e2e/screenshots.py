"""Photographs of the web interface of a running local system, for the README: `make screenshots`."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Error, Page, sync_playwright
from tests.browser.seeing import open_page, see
from tests.e2e.browser import DESKTOP, FLAGS, inside, log_in

from perennial.settings import Settings
from perennial_local.home import Home
from perennial_local.keys import ADMIN, load_keys
from perennial_local.lock import is_held, read_holder

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SETTLED = 3_000  # milliseconds: tables and graphs move into place after their data has come


@dataclass(frozen=True)
class Shot:
    """One picture: its file, the page, a text that is there once it is complete, and what to press first.

    `ours` is a page of ours inside Airflow's, which has the text and, to press, the link there; else it is a button of
    Airflow's. `height` is that of the picture in pixels.
    """

    name: str
    path: str
    shows: str
    press: str | None = None
    ours: bool = False
    height: int = DESKTOP["height"]


REPORTED = "backfill__2013-03-09T00:00:00+00:00"  # the run of 8 March
SHOTS = (
    Shot("use-cases", "/plugin/perennial", "Late arrivals of flights", ours=True),
    Shot(
        "use-case-windows",
        "/dags/flight_delays.predict/plugin/perennial-windows",
        "What happened",
        ours=True,
        height=1450,
    ),
    Shot(
        "window-report",
        f"/dags/flight_delays.predict/runs/{quote(REPORTED)}/plugin/perennial-report",
        "Rows that came in",
        "Drift",
        ours=True,
        height=1250,
    ),
    Shot("dag-list", "/dags", "flight_delays.predict", "Show table view"),
    Shot("backfill-grid", "/dags/flight_delays.predict?limit=50", "trigger_retrain", "Collapse Details Panel"),
    Shot("retrain-run", "/dags/flight_delays.retrain/runs/demo__first_model", "assemble"),
)


def main() -> int:
    """Take all pictures; the exit code."""
    home = Home(Settings.from_environment().home.absolute())
    holder = read_holder(home) if is_held(home) else None
    browser_path = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if holder is None or not holder.airflow:
        sys.stderr.write(f"Nothing runs from {home.path}; start it with `make run` and wait for the backfill.\n")
        return 3
    if browser_path is None:
        sys.stderr.write("There is no chromium; install it, or name your browser in CHROMIUM.\n")
        return 3
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        context = browser.new_context(viewport=DESKTOP, color_scheme="light", locale="en-GB", timezone_id="UTC")  # type: ignore[arg-type]
        page = open_page(context)
        log_in(page, holder.airflow, ADMIN, load_keys(home).admin_password)
        for shot in SHOTS:
            take(page, holder.airflow, shot)
        browser.close()
    return 0


def take(page: Page, url: str, shot: Shot) -> None:
    """Take one picture."""
    page.set_viewport_size({"width": DESKTOP["width"], "height": shot.height})
    page.goto(url + shot.path)
    see((inside(page) if shot.ours else page).get_by_text(shot.shows))
    if shot.press is not None:
        wanted = (
            inside(page).get_by_role("link", name=shot.press, exact=True)
            if shot.ours
            else page.get_by_label(shot.press)
        )
        wanted.click()
    page.wait_for_timeout(SETTLED)
    page.screenshot(path=IMAGES / f"{shot.name}.png")
    sys.stdout.write(f"docs/images/{shot.name}.png\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (AssertionError, Error) as error:
        sys.stderr.write(f"The browser gave up: {error}\n")
        sys.exit(4)
