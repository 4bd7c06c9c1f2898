"""What a reader needs beside a good look: a keyboard, no script, paper, and nothing that is fetched elsewhere."""

from typing import Any

from playwright.sync_api import Browser, Page
from tests.browser.server import Site
from tests.browser.visit import watching

FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]"
# Marks what the keyboard should reach, in the order of the document.
EXPECTED = f"""() => [...document.querySelectorAll('{FOCUSABLE}')].filter((each) =>
    each.tabIndex >= 0 && !each.disabled && each.type !== "hidden" && each.checkVisibility({{visibilityProperty: true}})
).map((each, number) => {{ each.dataset.stop = number; return each.outerHTML.slice(0, 120); }})"""
FOCUSED = """() => {
    const at = document.activeElement, style = getComputedStyle(at), place = at.getBoundingClientRect();
    const top = Math.max(place.top, 0), bottom = Math.min(place.bottom, innerHeight);
    const middle = document.elementFromPoint(place.x + Math.min(place.width / 2, 20), (top + bottom) / 2);
    return {stop: at.dataset.stop ?? null,
            outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
            seen: middle !== null && (at.contains(middle) || middle.contains(at))};
}"""

# Figures of tables, without any space, that are written on more than one line.
BROKEN_FIGURES = """(all) => all.filter((each) => {
    const inside = document.createRange();
    inside.selectNodeContents(each);
    const tops = new Set([...inside.getClientRects()].map((place) => Math.round(place.top)));
    return !/\\s/.test(each.textContent.trim()) && tops.size > 1;
}).map((each) => each.textContent)"""


def test_every_table_has_a_name_and_every_head_says_of_what(site: Site, page: Page) -> None:
    unnamed = """(all) => all.filter((each) => {
        const name = each.caption?.textContent ?? each.closest("[role=group]")?.ariaLabel ?? "";
        return !name.trim() || name.startsWith("Table, ") || each.querySelector("th:not([scope])");
    }).map((each) => each.outerHTML.slice(0, 160))"""
    for address in site.all_addresses:
        page.goto(site.url + address)
        assert page.locator("table").evaluate_all(unnamed) == [], address


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(site: Site, page: Page) -> None:
    for address in site.all_addresses:
        page.goto(site.url + address)
        expected = page.evaluate(EXPECTED)
        reached: list[int] = []
        while not reached or reached[-1] < len(expected) - 1:
            page.keyboard.press("Tab")
            found = page.evaluate(FOCUSED)
            assert found["stop"] is not None, f"{address}: after {reached} the focus left the page, of {expected}"
            stop = int(found["stop"])
            assert found["outline"], f"{address}: the focus can't be seen on {expected[stop]}"
            assert found["seen"], f"{address}: something lies over {expected[stop]}"
            if not reached or stop != reached[-1]:  # a date has several parts
                reached.append(stop)
        assert reached == list(range(len(expected))), address


def test_the_first_stop_skips_to_the_content(site: Site, page: Page) -> None:
    for of_view in (*site.addresses.values(), ("/nothing",)):
        page.goto(site.url + of_view[0])
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#main"
        page.keyboard.press("Tab")
        inside = page.locator("main").locator(FOCUSABLE).count()
        assert not inside or page.evaluate("document.activeElement.closest('main') !== null"), of_view[0]


def test_what_a_chart_links_to_is_a_link_in_a_table_too(site: Site, page: Page) -> None:
    """A cell is smaller than 24 px and no stop of the keyboard: those who need more find the same in a table."""

    def hrefs(selector: str) -> set[str]:
        found: list[str] = page.evaluate(
            f"[...document.querySelectorAll('{selector}')].map((each) => each.getAttribute('href'))"
        )
        return set(found)

    links = 0
    for view in ("use_case", "home", "interval"):
        for address in site.addresses[view]:
            page.goto(site.url + address)
            drawn = {each for each in hrefs("svg a") if not each.startswith("#")}
            if view == "home":
                page.goto(f"{site.url}/dags/parcels.predict")
            assert drawn <= hrefs("a:not(svg a)"), address
            links += len(drawn)
    assert links > 50


def test_nothing_is_fetched_elsewhere_and_nothing_is_forbidden(site: Site, browser: Browser) -> None:
    with browser.new_context() as context:
        page, noticed = watching(context, site.url)
        for address in site.all_addresses:
            page.goto(site.url + address)
            assert page.evaluate("window.__violations") == [], address
        assert (noticed.elsewhere, noticed.errors, noticed.dialogs) == ([], [], [])


def test_a_style_and_a_host_that_are_forbidden_would_be_noticed(site: Site, browser: Browser) -> None:
    with browser.new_context() as context:
        page, noticed = watching(context, site.url)
        page.goto(f"{site.url}/home")
        page.evaluate("document.body.setAttribute('style', 'color: red')")
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=//127.0.0.2:1/a.png>')")
        page.wait_for_function("window.__violations.length === 2")
        assert noticed.errors


def test_pages_are_the_same_without_script(site: Site, browser: Browser) -> None:
    read: dict[bool, list[Any]] = {}
    for script in (True, False):
        with browser.new_context(java_script_enabled=script) as context:
            page = context.new_page()
            for address in site.all_addresses:
                page.goto(site.url + address)
                buttons = page.locator("button[type=button]:visible").count()
                assert script or not buttons, f"{address}: there is a button that does nothing"
                page.evaluate("document.querySelectorAll('button[type=button]').forEach((each) => each.remove())")
                links = page.locator("a").evaluate_all("(all) => all.map((each) => each.href)")
                forms = page.locator("form").evaluate_all("(all) => all.map((each) => [each.method, each.action])")
                texts = page.locator("table, h1, h2, dl").all_inner_texts()
                read.setdefault(script, []).append((address, texts, links, forms))
    assert read[True] == read[False]


def test_a_digest_is_copied_whole_and_that_is_told(site: Site, browser: Browser) -> None:
    with browser.new_context() as context:
        page, noticed = watching(context, site.url)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(site.url + site.addresses["window"][0])
        for button in page.locator("#identifiers button").all():
            button.click()
            name = button.get_attribute("data-copy")
            page.wait_for_function(
                "(id) => document.querySelector(`#${id} ~ .said`).textContent === 'Copied.'", arg=name
            )
            written = page.locator(f"#{name}").text_content()
            assert page.evaluate("navigator.clipboard.readText()") == written
            assert page.locator(f"#{name} ~ .said").get_attribute("role") == "status"
        assert written
        assert (noticed.errors, page.evaluate("window.__violations")) == ([], [])


def test_what_the_browser_does_not_let_copy_is_selected_and_that_is_told(site: Site, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        refuse = (
            "Object.defineProperty(navigator, 'clipboard', {value: {writeText: () => Promise.reject(new Error())}})"
        )
        page.add_init_script(refuse)
        page.goto(site.url + site.addresses["window"][0])
        page.locator("#identifiers button").first.click()
        page.get_by_text("It is selected: copy it with the keyboard.").wait_for()
        assert page.evaluate("getSelection().toString()") == page.locator("#copy-window").text_content()


def test_columns_and_failures_are_chosen_without_script(site: Site, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site.url}{site.addresses['window'][4]}?column=nothing+has+this+name")
        assert page.locator(".multiples li").count() == 0
        form = page.get_by_role("search", name="Find columns")
        form.get_by_label("Column").fill("WEI")
        form.get_by_label("Show").select_option("only what failed")
        with page.expect_navigation():
            form.get_by_role("button", name="Show").click()
        assert page.url.endswith("?column=WEI&only=failed#columns")
        assert page.locator(".multiples h4").all_inner_texts() == ["weight drifted numeric"]
        with page.expect_navigation():
            page.locator("#drift").get_by_role("link", name="Show everything").click()
        assert page.locator(".multiples li").count() == 3
        page.goto(f"{site.url}{site.addresses['interval'][0]}?column=wei")  # the page of the window's run
        assert page.locator(".multiples h4").all_inner_texts() == ["weight numeric"]


def test_paper_shows_what_is_to_be_read_and_all_of_it(site: Site, page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 upright, between its margins
    for address in site.all_addresses:
        page.goto(site.url + address)
        for selector in ("nav", "form", "button", ".skip"):
            assert page.locator(f"{selector}:visible").count() == 0, f"{address}: {selector}"
        cut = "(all) => all.filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.outerHTML)"
        assert page.locator(".scroll, main").evaluate_all(cut) == [], address
        closed = page.locator("details > *:not(summary)").evaluate_all(
            "(all) => all.filter((each) => !each.checkVisibility({contentVisibilityAuto: true})).length"
        )
        assert closed == 0, f"{address}: something is folded up"
        broken = page.locator("td.n").evaluate_all(BROKEN_FIGURES)
        assert broken == [], f"{address}: figures are broken into lines"
        paper, ink = page.evaluate(
            "[document.body, document.querySelector('h1')].map((each, at) => "
            "getComputedStyle(each)[at ? 'color' : 'backgroundColor'])"
        )
        assert paper == "rgb(255, 255, 255)"
        assert max(int(each) for each in ink[4:-1].split(",")) < 64, address
        assert page.pdf().startswith(b"%PDF")


def test_the_theme_that_was_chosen_in_airflow_wins(site: Site, page: Page) -> None:
    for chosen, system, shown in (
        (None, "dark", "dark"), (None, "light", "light"), ("dark", "light", "dark"), ("light", "dark", "light"),
    ):  # fmt: skip
        page.emulate_media(color_scheme=system)  # type: ignore[arg-type]
        page.goto(f"{site.url}/home")
        page.evaluate("(chosen) => chosen ? localStorage.setItem('theme', chosen) : localStorage.clear()", chosen)
        page.reload()
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(int(each) for each in paper[4:-1].split(",")) < 96) == (shown == "dark"), (chosen, system)
