"""What isn't on a page fails its test soon, with the page in the error; what only takes long is waited for."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests import waiting
from tests.browser import seeing
from tests.browser.seeing import LOOK_EVERY, OURS_RESTS, arrive, leave, open_page, see
from tests.browser.server import Site

LONGER = 2 * OURS_RESTS * LOOK_EVERY / 1000  # seconds, than a page of ours has to be at rest
ASKING = "<script>fetch('/{}').then((it) => it.text()).then((it) => document.body.append(it), () => 0)</script>"
PAGES = {
    "/perennial/asks": f"<h1>Asking</h1>{ASKING.format('slow')}",
    "/perennial/asks-in-vain": f"<h1>Asking</h1>{ASKING.format('dies')}",
    "/perennial/hides": "<h1>Hiding</h1><p hidden>Hidden</p><p>Two\n words</p>",
    "/airflow": f"<h1>Airflow</h1><script>setTimeout(() => document.body.append('Drawn'), {LONGER * 1000})</script>",
    "/frames": "<h1>Airflow</h1><iframe src='/perennial/refused'></iframe>",
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(LONGER)
        if self.path == "/dies":
            time.sleep(LONGER)
            return
        found = PAGES.get(self.path, "Come at last" if self.path == "/slow" else "<h1>You may not see this</h1>")
        self.send_response(403 if self.path == "/perennial/refused" else 200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(found.encode())

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of pages that need their time."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where they go; and nothing here may depend on the end of patience."""
    monkeypatch.setattr(seeing, "PICTURES", tmp_path)
    monkeypatch.setattr(waiting, "PATIENCE", float("inf"))
    return tmp_path


def test_a_text_that_was_changed_is_told_with_the_page(site: Site, page: Page, pictures: Path) -> None:
    page.goto(f"{site.url}/home")
    see(page.get_by_role("heading", name="Use cases"))
    with pytest.raises(AssertionError, match=r"waited in vain for .*All use cases.*: the page is at rest") as failed:
        see(page.get_by_role("heading", name="All use cases"))
    said = str(failed.value)
    assert f"{site.url}/home (200):\n" in said
    assert "Parcels that come late" in said
    assert len(said) < 1.5 * seeing.MOST_TEXT
    (picture,) = pictures.glob("*.png")
    assert said.endswith(f"picture: {picture}")
    assert "test-a-text-that-was-changed" in picture.name


def test_what_an_answer_brings_is_waited_for(url: str, page: Page) -> None:
    page.goto(f"{url}/perennial/asks")
    assert page.get_by_text("Come at last").count() == 0
    assert see(page.get_by_text("Come at last")).count() == 1


def test_an_answer_that_never_comes_ends_the_wait(url: str, page: Page) -> None:
    page.goto(f"{url}/perennial/asks-in-vain")
    with pytest.raises(AssertionError, match="the page is at rest without it"):
        see(page.get_by_text("Come at last"))


def test_airflows_page_has_longer(url: str, page: Page) -> None:
    page.goto(f"{url}/airflow")
    assert page.get_by_text("Drawn").count() == 0
    assert see(page.get_by_text("Drawn")).count() == 1


def test_a_frame_that_was_answered_with_an_error_is_told_with_its_status(url: str, page: Page) -> None:
    page.goto(f"{url}/frames")
    with pytest.raises(AssertionError) as failed:
        see(page.frame_locator("iframe").get_by_text("Rows in quarantine"))
    assert f"{url}/perennial/refused (403):\nYou may not see this" in str(failed.value)


def test_a_frame_that_is_not_there_ends_the_wait(url: str, page: Page) -> None:
    page.goto(f"{url}/perennial/asks-in-vain")
    with pytest.raises(AssertionError, match="Asking"):
        see(page.frame_locator("iframe").get_by_text("Rows in quarantine"))


def test_what_is_hidden_is_not_seen_and_white_space_does_not_count(url: str, page: Page) -> None:
    page.goto(f"{url}/perennial/hides")
    assert see(page.locator("p"), "Two words").count() == 2
    for text in ("Hidden", "two words"):
        with pytest.raises(AssertionError, match=f"waited in vain for '{text}' in "):
            see(page.locator("p"), text)


def test_an_address_is_arrived_at_or_told(url: str, page: Page) -> None:
    page.goto(f"{url}/perennial/hides")
    page.evaluate("setTimeout(() => { location = '/perennial/asks' })")
    leave(page, "/hides")
    arrive(page, "/asks")
    with pytest.raises(AssertionError, match="waited in vain for the address …/nowhere…"):
        arrive(page, "/nowhere")
    with pytest.raises(AssertionError, match="waited in vain for another address than …/asks…"):
        leave(page, "/asks")


def test_a_window_that_the_page_opened_is_looked_at_like_the_page(url: str, browser: Browser) -> None:
    with browser.new_context() as context:
        page = open_page(context)
        page.goto(f"{url}/perennial/hides")
        with page.expect_popup() as opened:
            page.evaluate("open('/perennial/asks') && 0")
        see(opened.value.get_by_text("Come at last"))
        with pytest.raises(AssertionError, match="/perennial/asks \\(200\\)"):
            see(opened.value.get_by_text("Hiding"))
