"""Texts that other people wrote, in every view: none of them runs, and none becomes markup."""

from collections.abc import Callable

from playwright.sync_api import Browser, Page, Route
from tests.browser.server import Site
from tests.browser.visit import watching
from tests.browser.worlds import PAYLOADS, attacks

from perennial.pages.answer import HTML

# Each element by its name and its attributes' names, and every address in it that a browser would run.
SHAPES = """() => [...document.querySelectorAll("*")].map((each) =>
    [each.localName, ...[...each.attributes].map((attribute) => attribute.name).sort()].join(" "))"""
RUNNABLE = """() => [...document.querySelectorAll("*")].flatMap((each) => [...each.attributes])
    .filter((attribute) => /^\\s*(javascript|data|vbscript):/i.test(attribute.value)
        && /^(href|src|action|formaction|xlink:href|data)$/.test(attribute.name))
    .map((attribute) => attribute.value)"""
PWNED = "window.__pwned !== undefined"


def test_nothing_runs_and_nothing_is_raw(site: Site, hostile: Site, browser: Browser) -> None:
    """Without the policy of the pages, which would stop what gets through: it must not get through."""
    with browser.new_context(bypass_csp=True) as context:
        page, noticed = watching(context, hostile.url)
        ours = {shape for address in [*site.all_addresses, "/nothing"] for shape in _shapes(page, site.url + address)}
        # Runs of Airflow, filters, what is told of a roll-back: in no friendly address.
        ours |= {"a data-airflow href", "option selected value", "caption"}
        noticed.elsewhere.clear()  # the other site's
        for address in hostile.all_addresses + attacks(hostile.world):
            answer = page.goto(hostile.url + address)
            assert answer is not None
            assert answer.status < 500, address
            if answer.header_value("content-type") != HTML:
                assert answer.header_value("x-content-type-options") == "nosniff"
                assert "html" not in (answer.header_value("content-type") or ""), address
                continue
            text = answer.text()
            assert [payload for payload in PAYLOADS if payload in text] == [], address
            assert "49<b>" not in text
            assert not page.evaluate(PWNED), address
            assert set(page.evaluate(SHAPES)) - ours == set(), address
            assert page.evaluate(RUNNABLE) == [], address
        assert (noticed.dialogs, noticed.elsewhere) == ([], [])


def test_the_policy_is_not_even_needed(hostile: Site, browser: Browser) -> None:
    with browser.new_context() as context:
        page, noticed = watching(context, hostile.url)
        for address in hostile.all_addresses:
            page.goto(hostile.url + address)
            assert page.evaluate("window.__violations") == [], address
        assert (noticed.dialogs, noticed.errors, noticed.elsewhere) == ([], [], [])


def test_a_link_that_runs_something_does_not_leave_the_frame(site: Site, page: Page) -> None:
    """Outside, in Airflow's own page, no policy would stop it."""
    outside, ran = f"{site.url}/raw", []
    page.expose_function("noticed", lambda: ran.append("ran"))
    page.route(outside, _answering(f'<iframe src="{site.url}/home"></iframe>', {"Content-Type": HTML}))
    page.goto(outside)
    frame = page.frames[1]
    frame.wait_for_load_state("load")
    frame.evaluate("""() => {
        document.body.insertAdjacentHTML("afterbegin",
            "<a id='runs' data-airflow href='javascript:void(top.noticed())'>runs</a>"
            + "<a id='leads' data-airflow href='#led'>leads</a>");
    }""")
    frame.click("#runs")
    frame.click("#leads")
    page.wait_for_url(f"{site.url}/home#led")  # what leads elsewhere still does
    assert ran == []


def test_every_attack_is_told_in_some_view(hostile: Site, page: Page) -> None:
    """What is nowhere on the pages has not been tried."""
    for view in ("home", "use_case", "window", "quarantine", "retraining", "evaluation", "preview", "evidence"):
        told = ""
        for address in hostile.addresses[view]:
            page.goto(hostile.url + address)
            told += page.evaluate("document.documentElement.textContent")
        assert [payload for payload in PAYLOADS if payload not in told] == [], view


def test_the_attacks_are_real_and_the_policy_stops_them(hostile: Site, browser: Browser) -> None:
    """Written raw, each payload is noticed above, most of them run, and none does under the headers of the pages."""
    from perennial_airflow.pages.app import HEADERS

    ran = {}
    for kept, headers in (("kept", HEADERS), ("not kept", {})):
        with browser.new_context() as context:
            page, _ = watching(context, "")
            ran[kept] = 0
            for payload in PAYLOADS:
                raw = f'<p title="{payload}">{payload}</p><p title=\'{payload}\'></p><a href="{payload}"></a>'
                page.route("**/*", _answering(raw, {**headers, "Content-Type": HTML}))
                page.goto(f"{hostile.url}/raw")
                page.unroute("**/*")
                page.wait_for_timeout(20)  # milliseconds: what fails to load says so after the page is there
                ran[kept] += page.evaluate(PWNED)
                plain = {"html", "head", "body", "p title", "p", "a href"}
                assert set(page.evaluate(SHAPES)) - plain or page.evaluate(RUNNABLE), payload
    assert ran["kept"] == 0
    assert ran["not kept"] >= 12


def _answering(body: str, headers: dict[str, str]) -> Callable[[Route], None]:
    """Sends the body for what is called raw, and nothing for all else."""

    def answer(route: Route) -> None:
        if route.request.url.endswith("/raw"):
            route.fulfill(body=body, headers=headers)
        else:
            route.abort()

    return answer


def _shapes(page: Page, url: str) -> list[str]:
    page.goto(url)
    found: list[str] = page.evaluate(SHAPES)
    return found
