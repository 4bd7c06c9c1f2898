"""Files that a person names: what can't be written or read is said before the work, not after it."""

from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call

EXPORT = ("export", "parcels", "--version", "1", "--to", "onnx", "--file")
BACKTEST = ("backtest", "parcels", "--policies", __file__, "--plot")
COMMANDS = [
    ("card", "parcels", "--html"),
    ("explain", "parcels", "--entity", "1", "--html"),
    EXPORT,
    ("review", "export", "parcels", "--label-studio"),
    BACKTEST,
]


def said(error: str) -> str:
    """What a usage error says, without the box that it is printed in."""
    return "".join(error.replace("│", " ").split())


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_file_in_a_folder_that_is_not_there(perennial: Call, tmp_path: Path, command: tuple[str, ...]) -> None:
    code, out, error = perennial(*command, str(tmp_path / "nowhere" / "file.png"))
    assert (code, out) == (2, "")
    assert said(f"there is no folder {tmp_path}/nowhere") in said(error)


@pytest.mark.parametrize(
    ("command", "name", "told"),
    [
        (EXPORT, "folder.png", "folder.png is a folder; say which file"),
        (BACKTEST, "picture.gif", "the name of a picture ends in .png, .svg or .pdf"),
        (("review", "import", "parcels", "--label-studio"), "none.json", "does not exist"),
    ],
)
def test_a_file_that_is_none(perennial: Call, tmp_path: Path, command: tuple[str, ...], name: str, told: str) -> None:
    (tmp_path / "folder.png").mkdir()
    code, out, error = perennial(*command, str(tmp_path / name))
    assert (code, out) == (2, "")
    assert said(told) in said(error)
