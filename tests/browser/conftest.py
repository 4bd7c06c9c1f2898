"""The pages of two small worlds on a server of their own, and a browser to open them with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.browser.seeing import open_page
from tests.browser.server import Site, serving
from tests.browser.worlds import a_hostile_world, a_lived_world, a_world_in_rollout, addresses_in_rollout
from tests.e2e.browser import FLAGS, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a module: while it is open, no other test of the process can have an event loop."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The pages of a use case with windows in every state."""
    with serving(a_lived_world(_folder(tmp_path_factory))) as site:
        yield site


@pytest.fixture(scope="session")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Those pages of a use case in roll-out that look different then."""
    with serving(a_world_in_rollout(_folder(tmp_path_factory)), addresses_in_rollout) as site:
        yield site


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same pages, where every text that somebody else wrote is an attack."""
    with serving(a_hostile_world(_folder(tmp_path_factory))) as site:
        yield site


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page of an ordinary reader."""
    with browser.new_context(locale="en-GB", timezone_id="UTC") as context:
        yield open_page(context)


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("world")
