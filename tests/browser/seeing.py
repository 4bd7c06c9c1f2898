"""What a page shows, waited for only as long as it may still come.

A page is at rest when it is loaded, nothing that it asked for is under way, and its scripts have had their turn. Pages
of ours are written on the server: what they don't show at rest, they never will. Airflow's own page is drawn by scripts
that ask again every few seconds, so it has to rest longer. A server that died or refused ends a wait like that, too:
then nothing is under way any more.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from playwright.sync_api import BrowserContext, Error, Frame, Locator, Page, Request, Response
from tests.waiting import PATIENCE, wait_until

from perennial_airflow.pages.views import PREFIX

PATIENT = PATIENCE * 1000  # milliseconds: until an address answers
ACTION = 120_000  # milliseconds: to click on what is there
LOOK_EVERY = 50  # milliseconds
OURS_RESTS, AIRFLOW_RESTS = 20, 300  # looks at a page at rest, one after the other
MOST_TEXT = 2_000  # characters
PICTURES = Path(__file__).parents[2] / "build" / "pictures"
TURN = "() => new Promise((done) => setTimeout(() => done(document.readyState)))"
TEXT = "() => document.body ? document.body.innerText : ''"


def open_page(context: BrowserContext) -> Page:
    """A new page, with which `see` and `arrive` can be used."""
    _traffic[context] = _Traffic(context)
    page = context.new_page()
    page.set_default_timeout(ACTION)
    page.set_default_navigation_timeout(PATIENT)
    return page


def see(locator: Locator, text: str = "") -> Locator:
    """Wait until one of the elements is visible and has the text in it; white space counts as one blank.

    Errors: `AssertionError` with what the page shows instead, as soon as it won't come any more.
    """
    wanted = locator.filter(visible=True)
    if text:
        wanted = wanted.filter(has_text=re.compile(r"\s+".join(map(re.escape, text.split()))))
    _wait(locator.page, wanted.first.is_visible, f"{text!r} in {locator}" if text else str(locator))
    return locator


def arrive(page: Page, address: str) -> None:
    """Wait until the page's address contains this; errors as those of `see`."""
    _wait(page, lambda: address in page.url, f"the address …{address}…")


def leave(page: Page, address: str) -> None:
    """Wait until the page's address does not contain this any more; errors as those of `see`."""
    _wait(page, lambda: address not in page.url, f"another address than …{address}…")


def shown(page: Page) -> str:
    """For an error: each frame's address, status and visible text, and where a picture of the page is."""
    told = []
    for frame in page.frames:
        status = _traffic[page.context].statuses.get(frame.url.partition("#")[0], "no status")
        told.append(f"{frame.url} ({status}):\n{_text(frame)[:MOST_TEXT]}")
    return "\n".join([*told, f"picture: {_photograph(page)}"])


class _Traffic:
    """What the pages of a context have asked for."""

    def __init__(self, context: BrowserContext) -> None:
        self.under_way: set[Request] = set()
        self.statuses: dict[str, int] = {}
        context.on("request", self._begun)
        context.on("requestfinished", self._over)
        context.on("requestfailed", self._over)
        context.on("response", self._answered)

    def _begun(self, request: Request) -> None:
        self.under_way.add(request)

    def _over(self, request: Request) -> None:
        self.under_way.discard(request)

    def _answered(self, response: Response) -> None:
        if response.request.is_navigation_request():
            self.statuses[response.url] = response.status

    def is_at_rest(self, page: Page) -> bool:
        page.wait_for_timeout(LOOK_EVERY)  # events come in meanwhile
        if any(not _is_given_up(request) for request in self.under_way):
            return False
        try:
            return all(frame.evaluate(TURN) == "complete" for frame in page.frames)
        except Error:  # a frame has just left for another address
            return page.is_closed()


_traffic: WeakKeyDictionary[BrowserContext, _Traffic] = WeakKeyDictionary()


def _wait(page: Page, is_there: Callable[[], bool], what: str) -> None:
    looks = 0

    def hopeless() -> str | None:
        nonlocal looks
        looks = looks + 1 if _traffic[page.context].is_at_rest(page) else 0
        return "the page is at rest without it" if looks >= _rests(page) else None

    try:
        wait_until(is_there, what, hopeless, look_every=0)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{shown(page)}") from None


def _rests(page: Page) -> int:
    ours = any(urlsplit(frame.url).path.startswith(f"{PREFIX}/") for frame in page.frames)
    return OURS_RESTS if ours else AIRFLOW_RESTS


def _is_given_up(request: Request) -> bool:
    """Of a frame that is gone nobody waits for an answer."""
    try:
        return request.frame.is_detached()
    except Error:  # a page that is only being opened has no frame yet
        return False


def _text(frame: Frame) -> str:
    try:
        return str(frame.evaluate(TEXT))
    except Error as error:
        return f"(can't be read: {error.message})"


def _photograph(page: Page) -> str:
    test = os.environ.get("PYTEST_CURRENT_TEST", "no test").partition(" ")[0]
    path = PICTURES / f"{re.sub(r'[^a-zA-Z0-9]+', '-', test)}.png"
    try:
        page.screenshot(path=path, full_page=True)
    except Error as error:
        return f"none: {error.message}"
    return str(path)
