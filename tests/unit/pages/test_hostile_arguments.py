"""What is asked for by hostile names is refused before any store is asked, and no file elsewhere is opened."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tests.pages import hostile
from tests.unit.jobs.world import START, World, make_world
from tests.unit.pages.asking import settings_of

from perennial.pages import reader
from perennial.pages.answer import VIEWS
from perennial.pages.asked import Answer, Asked
from perennial.pages.reader import answered

VALUES = sorted({unquote(value, errors="replace") for value in hostile.ALL})
DAY = "2024-01-01T00:00Z--2024-01-02T00:00Z"
GIVEN = {
    "use_case": "parcels", "window": DAY, "run_id": "parcels.retrain/r", "as_of": "2024-02-03", "entity": "1",
    "start": "2024-01-01", "end": "2024-01-03", "from": "2024-01-01", "to": "2024-01-02", "model": "as_was",
}  # fmt: skip
# Where the argument is a moment or a window, which nothing but its own reading decides about.
MOMENTS = [
    ("window", "window"), ("quarantine", "window"), ("evidence", "window"), ("interval", "start"), ("interval", "end"),
    ("evaluation", "as_of"), ("preview", "from"), ("preview", "to"),
]  # fmt: skip
NOW = START
_opened: list[str] | None = None  # while a test looks; a hook stays for as long as the process does


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _opened is not None and isinstance(arguments[0], str | bytes | Path):
        _opened.append(str(arguments[0]))


sys.addaudithook(_note)


class NoStore:
    """Ports that nobody may ask."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the port {name} was asked")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("hostile"))


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """The files that are opened while the test runs."""
    global _opened  # noqa: PLW0603
    _opened = []
    yield _opened
    _opened = None


def ask(world: World, view: str, ports: Any, **arguments: str) -> Answer:
    given = {**GIVEN, **arguments}
    # The server lets through whoever may read the DAG of that name: whatever the name is, it is among these.
    return answered(Asked(view, given, (given["use_case"], "parcels"), "/base", ""), settings_of(world), lambda: ports)


@pytest.mark.parametrize("view", sorted(set(VIEWS) - {"home"}))
def test_a_use_case_that_is_not_there_is_looked_for_in_no_store(world: World, view: str, opened: list[str]) -> None:
    for value in VALUES:
        found = ask(world, view, NoStore(), use_case=value)
        assert found.status == 404, (value, found.body)
    assert elsewhere(opened, world) == []


@pytest.mark.parametrize(("view", "name"), MOMENTS)
def test_what_is_no_window_is_looked_for_in_no_store(world: World, view: str, name: str, opened: list[str]) -> None:
    for value in VALUES:
        found = ask(world, view, NoStore(), **{name: value})
        assert found.status == 422, (value, found)
    assert elsewhere(opened, world) == []


@pytest.mark.parametrize("view", sorted(VIEWS))
def test_other_texts_open_nothing_and_break_nothing(world: World, view: str, opened: list[str]) -> None:
    for value in VALUES:
        texts = dict.fromkeys(("run_id", "entity", "version", "owner", "tag", "state"), value)
        found = ask(world, view, world.ports, **texts)
        assert found.status in (200, 404, 422), (value, found)
        assert b"root:" not in found.body
    assert elsewhere(opened, world) == []


def test_a_page_that_is_too_large_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reader.MOST_BYTES == 4_000_000
    assert ask(world, "home", world.ports).status == 200
    monkeypatch.setattr(reader, "MOST_BYTES", 100)
    found = ask(world, "home", world.ports)
    assert found.status == 422
    assert b"a page has at most 100. Ask for fewer windows." in found.body


def test_what_nobody_expected_is_a_page(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(world, "use_case", NoStore())
    assert (found.status, found.media_type) == (500, "text/html; charset=utf-8")
    assert b"the log of the API server has the details" in found.body
    assert "AssertionError('the port ledger was asked')" in capsys.readouterr().err


def elsewhere(opened: list[str], world: World) -> list[str]:
    """The files that belong neither to the code nor to the use cases."""
    root = Path(__file__).parents[3]
    mine = (str(root), str(world.use_case.folder.parent), sys.prefix, sys.base_prefix, "/usr/share/zoneinfo")
    return [path for path in opened if not path.startswith(mine)]
