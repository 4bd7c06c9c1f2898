"""The commands that README and docs show exist, with the options that they show, and docs/commands.md has them all."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from perennial.cli.main import app

CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\$ (?:\.venv/bin/)?perennial (.*)$", re.MULTILINE)
PARSER = typer.main.get_command(app)
UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # typer has no name for it


def shown(page: Path) -> list[list[str]]:
    """The arguments of every command that stands on a page, as a shell would give them."""
    blocks = (block.replace("\\\n", " ") for block in CONSOLE.findall(page.read_text()))
    lines = (line for block in blocks for line in COMMAND.findall(block))
    return [shlex.split(re.split(r" [|>] ", line)[0], comments=True) for line in lines]


def pages(repository: Path) -> list[Path]:
    """README and every page of docs."""
    return [repository / "README.md", *sorted((repository / "docs").glob("*.md"))]


def leaves(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names of all commands, with those of the groups that they are in."""
    if not isinstance(command, TyperGroup):
        yield path
        return
    for name, each in command.commands.items():
        yield from leaves(each, (*path, name))


def parsed(arguments: list[str]) -> None:
    """Have the command's own parser take the arguments. Errors: `UsageError`, or `KeyError` for another command."""
    command: Any = PARSER
    while isinstance(command, TyperGroup):
        command, arguments = command.commands[arguments[0]], arguments[1:]
    command.make_context(command.name, arguments)


def test_every_command_that_is_shown_can_be_given_as_it_stands(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "include").symlink_to(repository / "include")
    (tmp_path / "exported.json").touch()  # one command reads what another program wrote
    wrong, count = [], 0
    for page in pages(repository):
        for arguments in shown(page):
            count += 1
            try:
                parsed(arguments)
            except (KeyError, UsageError) as error:
                wrong.append(f"{page.name}: perennial {' '.join(arguments)}: {error}")
            except typer.Exit:  # of --help
                continue
    assert not wrong, "\n".join(wrong)
    assert count > 60, "the pages are read"


def test_an_option_that_is_not_there_is_found() -> None:
    with pytest.raises(UsageError):
        parsed(["history", "flight_delays", "--windows", "2013-03-05"])


def test_the_page_of_commands_has_them_all(repository: Path) -> None:
    page = (repository / "docs" / "commands.md").read_text()
    groups = {name for name, *rest in leaves(PARSER) if rest}
    missing = {path[0] for path in leaves(PARSER) if f"perennial {path[0]}" not in page}
    assert not missing
    assert all(f"perennial {name} " in page for name in groups)
