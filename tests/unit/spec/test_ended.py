"""The file that says that a use case has ended."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.jobs.world import EXPECTATIONS, SPEC

from perennial.errors import InvalidSettings, InvalidSpec
from perennial.spec.ended import ENDED_FILE, write_ended
from perennial.spec.load import load_again, load_use_case

AT = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "parcels"
    home.mkdir()
    (home / "use_case.yaml").write_text(SPEC)
    (home / "expectations.yaml").write_text(EXPECTATIONS)
    return home


def test_what_was_written_is_read_with_the_spec(folder: Path) -> None:
    assert load_use_case(folder).ended is None
    write_ended(folder, AT, "ada", "no: longer # needed, 'ü'")
    ended = load_use_case(folder).ended
    assert ended is not None
    assert (ended.at, ended.by, ended.reason) == (AT, "ada", "no: longer # needed, 'ü'")
    assert str(ended) == "ended on 2026-05-01 by ada: no: longer # needed, 'ü'"


@pytest.mark.parametrize("text", ["1e3", "12e4", "no", "~", "2024-01-01", "- x", "a\nb", "'"])
def test_whatever_was_given_as_a_name_or_a_reason_is_read_as_it_was(folder: Path, text: str) -> None:
    write_ended(folder, AT, text, text)
    ended = load_use_case(folder).ended
    assert ended is not None
    assert (ended.by, ended.reason) == (text, text)


def test_a_process_that_asks_often_sees_the_file_come_and_go(folder: Path) -> None:
    for _ in range(3):
        assert load_again(folder).ended is None
    write_ended(folder, AT, "ada", "closed")
    assert load_again(folder).ended is not None
    (folder / ENDED_FILE).unlink()
    assert load_again(folder).ended is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("at: 2026-05-01T12:00:00Z\nby: ada\n", "reason"),
        ("at: yesterday\nby: ada\nreason: closed\n", "at 'yesterday'"),
        ("at: 2026-05-01T12:00:00Z\nby: ada\nreason: closed\nwhen: now\n", "unknown key"),
        ("at: 2026-05-01T12:00:00Z\nby: ada\nby: bob\nreason: closed\n", "this key is written twice"),
    ],
)
def test_a_wrong_file_is_a_mistake_of_the_spec(folder: Path, text: str, said: str) -> None:
    (folder / ENDED_FILE).write_text(text)
    with pytest.raises(InvalidSpec, match=said):
        load_use_case(folder)


def test_where_it_can_not_be_written_the_text_is_given_to_put_there(folder: Path) -> None:
    (folder / ENDED_FILE).mkdir()
    with pytest.raises(InvalidSettings, match="Put the file there yourself") as error:
        write_ended(folder, AT, "ada", "closed")
    assert "reason: closed" in str(error.value)
