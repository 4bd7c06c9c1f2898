"""A real browser, and how one logs in to Airflow with it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, sync_playwright
from tests.browser.seeing import leave, open_page, see
from tests.e2e.system import System

from perennial_local.home import Home
from perennial_local.keys import ADMIN, load_keys

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
DESKTOP = {"width": 1440, "height": 900}


def chromium() -> Path:
    """The browser of the machine; without one the test is skipped, but not in CI, where `make browser` installs it."""
    found = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "There is no chromium: install it, or name it in CHROMIUM."
        )
    return Path(found)


@contextmanager
def browsing(width: int = DESKTOP["width"], theme: str = "light") -> Iterator[tuple[Browser, Page]]:
    """A browser with an empty page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            context = browser.new_context(
                viewport={"width": width, "height": DESKTOP["height"]},
                color_scheme=theme,  # type: ignore[arg-type]
                locale="en-GB",
                timezone_id="UTC",
            )
            yield browser, open_page(context)
        finally:
            browser.close()


def administrator(system: System) -> tuple[str, str]:
    """The name and the password of the system's one user."""
    return ADMIN, load_keys(Home(system.home)).admin_password


def log_in(page: Page, url: str, user: str, password: str) -> None:
    """Open a session."""
    page.goto(f"{url}/auth/login")
    see(page.locator("input[name=username]")).fill(user)
    page.fill("input[name=password]", password)
    page.click("[type=submit]")
    leave(page, "/auth/")


def inside(page: Page) -> FrameLocator:
    """What of ours is shown inside Airflow's page."""
    return page.frame_locator("iframe")
