"""The page of proposed expectations: what it says, that its YAML is exact, and that nothing hostile runs."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from tests.unit.jobs.world import SPEC, World, make_world
from tests.unit.pages.asking import PAYLOADS, ask, page, told

from perennial.jobs.predict import ingest, validate
from perennial.pages.views import suggestions
from perennial.spec.load import load_use_case

# What HTML, YAML or a comment in YAML could take for their own.
HOSTILE = (
    *PAYLOADS,
    "</textarea><script>alert(1)</script>",
    "\n- type: x",
    "\r\n",
    "a: b # c",
    "\u2028",
    "&amp;",
    "no",
    "''",
)


class _Text(HTMLParser):
    """The text of the one textarea, and every element's name."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.text, self.elements = False, "", list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.inside = self.inside or tag == "textarea"

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "textarea"

    def handle_data(self, data: str) -> None:
        self.text += data if self.inside else ""


def parsed(said: str) -> _Text:
    found = _Text()
    found.feed(said)
    return found


def pasted(said: str) -> str:
    return parsed(said).text.removeprefix("\n")  # a browser drops the first line break of a textarea, too


def ingested(world: World, days: int = 30) -> World:
    for number in range(days):
        ingest.run(world.use_case, world.day(number), world.ports, "test")
    return world


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> World:
    """30 days, of which one has a weight that is not possible."""
    world = make_world(tmp_path_factory.mktemp("lived"))
    world.put("weight", {world.rows_of(28)[3]: 1_000.0})
    return ingested(world)


def test_it_says_how_often_each_would_have_failed_and_links_the_windows(lived: World) -> None:
    said = page(lived, "suggestions", use_case="parcels")
    assert "Limits come from the first 23 of them; the last 7 were held out" in said
    assert "1 would have failed in some window; 1 is in the present suite already" in said
    assert "1 of 30" in said
    assert f'<a href="/base/perennial/dags/parcels.predict/windows/{lived.day(28).key}">Mon 29 Jan 2024</a>' in said
    assert said.count('<svg class="limits" role="img" aria-label="') == said.count("<summary>Values</summary>") == 5
    assert said.count('<circle class="failed"') == 2  # the lowest and the highest weight of that day
    assert "Mon 29 Jan 2024: highest 1,000, would have failed" in said
    assert "the key: unique_key and required" in said
    assert 'data-copy="suite"' in said
    assert " style=" not in said


def test_expectations_are_told_in_words(lived: World) -> None:
    table = page(lived, "suggestions", use_case="parcels").partition("What speaks for each")[2]
    assert table.count('<td class="long">The window must have ') == 1
    assert "weight must be at least " in table
    assert "min_value" not in table


def test_a_range_can_be_chosen_and_gaps_are_named(lived: World) -> None:
    said = page(lived, "suggestions", use_case="parcels", **{"from": "2024-01-02", "to": "2024-02-01"})
    assert 'name="from" value="2024-01-02"' in said
    assert "29 windows" in said
    assert "2024-01-31 (never ingested), 2024-02-01 (never ingested)" in said


def test_where_there_is_nothing_it_says_why_and_what_to_do(lived: World, tmp_path: Path) -> None:
    said = page(make_world(tmp_path), "suggestions", use_case="parcels")
    assert "Nothing to look at" in said
    assert "perennial ingest parcels" in said
    said = page(lived, "suggestions", use_case="parcels", **{"from": "2025-01-01", "to": "2025-01-02"})
    assert "2025-01-01: never ingested" in said
    for wrong in ({"from": "x", "to": "2024-01-02"}, {"from": "2024-01-01T05:00Z", "to": "2024-01-02"}):
        assert ask(lived, "suggestions", use_case="parcels", **wrong).status == 422
    assert ask(lived, "suggestions", use_case="parcels", may_see=("other",)).status == 404


def test_a_long_range_is_cut_before_it_is_looked_at(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestions, "MOST_WINDOWS", 10)
    said = page(lived, "suggestions", use_case="parcels", **{"from": "1900-01-01", "to": "2024-01-30"})
    assert "expectations from 10 windows" in said
    assert "At most the last 10 windows" in said
    monkeypatch.setattr(suggestions, "MOST_ROWS", 400)
    assert "400 is the limit" in page(lived, "suggestions", use_case="parcels")


def test_scripts_get_the_same_with_the_yaml(lived: World) -> None:
    found = told(lived, "suggestions", use_case="parcels")
    assert (found["format"], found["use_case"], found["why_not"]) == (1, "parcels", None)
    assert found["yaml"] == pasted(page(lived, "suggestions", use_case="parcels"))
    assert [each["type"] for each in found["found"]["suggestions"] if each["failed"]] == [
        "expect_column_values_to_be_between"
    ]


def test_hostile_names_and_values_stay_texts_and_the_yaml_is_exact(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    home = world.use_case.folder
    document = yaml.safe_load(SPEC)
    document["title"] = PAYLOADS[0]
    (home / "use_case.yaml").write_text(yaml.safe_dump(document))
    (home / "expectations.yaml").write_text(
        "expectations: [{type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}]\n"
    )
    world = ingested(with_services(replace(world, use_case=load_use_case(home)), HOSTILE))
    said = page(world, "suggestions", use_case="parcels")
    assert set(parsed(said).elements) <= {
        *("html", "head", "meta", "title", "link", "script", "body", "header", "nav", "a", "main", "h1", "h2", "p"),
        *("form", "label", "input", "button", "span", "section", "textarea", "code", "table", "thead", "tbody", "tr"),
        *("th", "td", "div", "svg", "rect", "line", "circle", "title", "details", "summary", "br", "footer"),
        *("dl", "dt", "dd", "caption"),
    }
    assert parsed(said).elements.count("script") == 1  # the page's own
    assert not [payload for payload in HOSTILE if "<" in payload and payload in said]
    assert "49<b>" not in said
    (home / "expectations.yaml").write_text(pasted(said), "utf-8", newline="")
    (services,) = [each for each in load_use_case(home).expectations if "set" in each.type]
    assert services.kwargs["value_set"] == sorted(HOSTILE)


def with_services(world: World, values: tuple[str, ...]) -> World:
    """The parcels with those services, each in every day."""
    world.put("service", {row: values[row % len(values)] for row in range(world.parcels.table.num_rows)})
    return world


def test_the_other_pages_lead_there(lived: World) -> None:
    link = 'href="/base/perennial/dags/parcels.predict/suggestions"'
    assert link in page(lived, "use_case", use_case="parcels")
    validate.run(lived.use_case, lived.day(3), lived.ports, "test")
    assert link in page(lived, "window", use_case="parcels", window=lived.day(3).key)
