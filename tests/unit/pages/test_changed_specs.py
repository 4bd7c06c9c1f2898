"""Specs that have changed since windows were recorded, and keys that no address can hold: the pages stay readable."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.unit.jobs.test_predict_path import ingest_and_validate
from tests.unit.jobs.world import SPEC, World, make_world
from tests.unit.pages.asking import ask, of_day, page

from perennial.spec.load import load_use_case

KEY = "parcel: {kind: integer, role: key}"
DAILY = "{every: day, start: 2024-01-01}"
# The last one and the tab would be refused by the server, and an empty text names nothing.
ODD_KEYS = ("", "a\tb", "a\nb", "\x7f", "\u202ereversed", "\u200b", "é" * 301, "x" * 5_000)
PLAIN_KEYS = ("a&b=c#d", "größe", "../..", "%2e", "+", "'\"<i>")


@pytest.fixture
def changed(lived: World, request: pytest.FixtureRequest) -> Iterator[World]:
    """The world with the text of its spec replaced by another."""
    yield written(lived, SPEC.replace(*request.param))
    written(lived, SPEC)


def written(world: World, spec: str) -> World:
    (world.use_case.folder / "use_case.yaml").write_text(spec)
    return replace(world, use_case=load_use_case(world.use_case.folder))


@pytest.mark.parametrize(
    "changed",
    [
        (DAILY, "{every: day, timezone: America/New_York, start: 2024-01-01}"),
        (DAILY, "{every: week, start: 2024-01-01}"),
        (DAILY, "{every: hour, start: 2024-01-01}"),
        (DAILY, "{every: 6h, timezone: Asia/Kolkata, start: 2024-01-01}"),
    ],
    indirect=True,
)
def test_windows_of_an_earlier_schedule_hide_no_page(changed: World) -> None:
    for view in ("home", "use_case", "compare", "preview", "suggestions"):
        found = ask(changed, view, use_case="parcels")
        assert found.status == 200, (view, found.body)


@pytest.mark.parametrize("changed", [(KEY, "number: {kind: integer, role: key, from: parcel}")], indirect=True)
def test_another_key_column_hides_no_window(changed: World) -> None:
    for day in (30, 31, 32, 45):
        for view in ("window", "quarantine"):
            page(changed, view, **of_day(changed, day))
        page(changed, "compare", **of_day(changed, day), **{"with": changed.day(31).key})
    said = page(changed, "quarantine", **of_day(changed, 31))
    row = re.search(r'quarantined\?([^"]*row=[^"]*)"', said)
    assert row is not None
    found = page(changed, "quarantined", use_case="parcels", **dict(parse_qsl(unescape(row[1]))))
    assert "in quarantine" in found
    key = str(changed.parcels.table.column("parcel")[changed.rows_of(30)[0]].as_py())
    found = ask(changed, "evidence", use_case="parcels", entity=key)
    assert found.status == 404
    assert b"has no live prediction for number" in found.body


def test_rows_whose_keys_no_address_can_hold_have_pages_of_their_own(tmp_path: Path) -> None:
    world = written(
        make_world(tmp_path),
        SPEC.replace("parcel: {kind: integer", "parcel: {kind: categorical").replace("0.05}", "0.5}", 1),
    )
    keys = [str(key) for key in world.parcels.table.column("parcel").to_pylist()]
    named = dict(zip(world.rows_of(31), (*ODD_KEYS, *PLAIN_KEYS), strict=False))
    for position, key in named.items():
        keys[position] = key
    world.put("weight", dict.fromkeys(named, -60.0))
    world.parcels.table = world.parcels.table.set_column(0, "parcel", [keys])
    ingest_and_validate(world, 31)

    said = page(world, "quarantine", **of_day(world, 31))
    links = {unescape(link) for link in re.findall(r'href="[^"]*quarantined\?([^"]*)"', said)}
    assert len(links) == len(ODD_KEYS) + len(PLAIN_KEYS)
    by_key, titles = set(), set()
    for link in links:
        given = dict(parse_qsl(urlsplit(f"?{link}").query))
        assert len(link) < 4_000  # `perennial_airflow.pages.rights.MOST_ADDRESS`
        assert all(value.isprintable() for value in given.values())
        by_key |= {given.get("entity")}
        title = re.search(r"<h1[^>]*>(.*?)</h1>", page(world, "quarantined", use_case="parcels", **given))
        assert title is not None
        titles.add(unescape(title[1]))
    assert by_key == {*PLAIN_KEYS, None}
    assert len(titles) == len(links)
    assert any(title.startswith(r"parcel a\tb, ") for title in titles)


def test_what_went_wrong_is_told_without_the_folders_of_the_server(lived: World) -> None:
    broken = lived.use_case.folder.parent / "broken"
    broken.mkdir()
    (broken / "use_case.yaml").write_text("name: broken\n")
    for found in (
        ask(lived, "home", may_see=("parcels", "broken")),
        ask(lived, "use_case", may_see=("broken",), use_case="broken"),
    ):
        assert b"PERENNIAL_USE_CASES/broken" in found.body
        assert str(broken.parent).encode() not in found.body
