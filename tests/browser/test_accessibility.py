"""Every view in both themes at three widths: what axe-core finds, headings, and nothing that is cut off."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page
from tests.browser.seeing import open_page
from tests.browser.server import Site

from perennial.pages.answer import VIEWS

EVERYWHERE = dict.fromkeys((380, 1280, 2560), ("light", "dark"))
NARROW_AND_WIDE: dict[int, tuple[str, ...]] = {380: ("dark",), 1280: ("light",)}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN_AXE = """async (rules) => {
    const found = await axe.run({runOnly: rules, resultTypes: ["violations"]});
    return found.violations.flatMap((rule) => rule.nodes.map((node) =>
        `${rule.id}: ${node.target.join(" ")} ${node.html.slice(0, 160)} `
            + [...node.any, ...node.all, ...node.none].map((each) => each.message).join("; ")));
}"""
CUT_OFF = """() => [...document.querySelectorAll(
    "h1, h2, h3, p, li, dt, dd, a, span, button, label, code, pre, .card"
)].filter((each) => {
    const inside = each.closest(".scroll, details:not([open]), svg");
    const place = each.getBoundingClientRect();
    return !inside && place.width && (place.right > document.documentElement.clientWidth + 1 || place.left < -1);
}).map((each) => each.outerHTML.slice(0, 160))"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield open_page(context)


def test_every_view_is_opened_here(site: Site, page: Page) -> None:
    """A view without an address in `tests.browser.worlds.addresses` would be tested by nobody."""
    assert set(site.addresses) == set(VIEWS)
    for view, of_view in site.addresses.items():
        for address in of_view:
            answer = page.request.get(site.url + address)
            assert answer.status == 200, f"{address}: {answer.text()}"
            assert site.reader.views[-1] == view


@pytest.mark.parametrize("view", VIEWS)
def test_pages_are_accessible_at_every_width_in_both_themes(site: Site, page: Page, view: str) -> None:
    first, *others = site.addresses[view]
    wrong = _wrong(page, site.url + first, EVERYWHERE)
    for address in others:
        wrong += _wrong(page, site.url + address, NARROW_AND_WIDE)
    assert wrong == []


def test_the_table_of_windows_stays_in_its_card_with_the_longest_words(site: Site, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(site.url + site.addresses["use_case"][0])
    longest = {"2": "passed with warnings", "3": "no drift", "4": "worse than expected"}
    for column, word in longest.items():
        place = f"table.windows tbody tr:has(td:nth-child(10)) > :nth-child({column}) .mark"
        assert page.locator(place).count() > 0
        page.locator(place).evaluate_all("(all, word) => all.forEach((each) => { each.textContent = word; })", word)
    labels = page.locator("table.windows tbody tr:has(td:nth-child(10)) > :nth-child(7)")
    labels.evaluate_all("(all) => all.forEach((each) => { each.textContent = 'partial, 78.6% of rows'; })")
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= seen


def test_a_roll_out_is_shown_accessibly(rolling: Site, page: Page) -> None:
    wrong = []
    for address in rolling.all_addresses:
        assert page.request.get(rolling.url + address).status == 200, address
        wrong += _wrong(page, rolling.url + address, NARROW_AND_WIDE)
    assert wrong == []
    page.goto(rolling.url + rolling.addresses["use_case"][0])
    for part, said in {"rollout": "waits for a person", "going-back": "stands by"}.items():
        assert said in page.locator(f"#{part}").inner_text()
    page.goto(rolling.url + rolling.addresses["home"][0])
    assert "waits for a person" in page.locator("main").inner_text()


@pytest.mark.parametrize("address", ["/nothing", "/dags/parcels.predict/windows/nonsense"])
def test_problems_are_told_accessibly(site: Site, page: Page, address: str) -> None:
    assert _wrong(page, site.url + address, NARROW_AND_WIDE) == []


def test_what_is_wrong_is_found(page: Page) -> None:
    """Axe and the others would be content, too, if they did not run."""
    page.goto("about:blank")  # the policy of a page of ours would forbid the styles
    page.set_content(
        "<img src='data:,'><h1>Fine</h1><h4>Late</h4><body style='background: #fff'>"
        "<p style='width: 3000px'>Too wide</p><p style='color: #bbb'>Pale</p><p style='margin-left: -30px'>Out</p>"
    )
    found = " ".join(_look(page, "", NARROW_AND_WIDE))
    for rule in (
        "image-alt",
        "color-contrast",
        "heading-order",
        "html-has-lang",
        "headings [1, 4]",
        "3,0",
        "is cut off",
    ):
        assert rule in found


def _wrong(page: Page, url: str, screens: dict[int, tuple[str, ...]]) -> list[str]:
    page.goto(url)
    return _look(page, url, screens)


def _look(page: Page, url: str, screens: dict[int, tuple[str, ...]]) -> list[str]:
    page.evaluate(AXE_SCRIPT)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    wrong = []
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map((each) => +each.tagName[1])")
    if levels[0] != 1 or levels.count(1) != 1 or any(after > before + 1 for before, after in pairwise(levels)):
        wrong.append(f"{url}: headings {levels}")
    for width, themes in screens.items():
        page.set_viewport_size({"width": width, "height": 900})
        wide, seen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        if wide > seen:
            wrong.append(f"{url}: {wide:,} px wide on {width} px")
        wrong += [f"{url} at {width} px: is cut off: {each}" for each in page.evaluate(CUT_OFF)]
        for theme in themes:
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            wrong += [f"{url} at {width} px, {theme}: {each}" for each in page.evaluate(RUN_AXE, RULES)]
    return wrong
