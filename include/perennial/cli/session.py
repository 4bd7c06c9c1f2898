"""What every command needs: the settings, the use case, the ports, a run id, and one way to print results."""

import getpass
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from rich.console import Console
from rich.table import Table

from perennial import clock
from perennial.encoding import as_json
from perennial.errors import UnknownUseCase
from perennial.ledger.port import Ledger
from perennial.ports import Ports
from perennial.settings import LEDGER_CONNECTION, Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.spec.load import LoadedUseCase, load_use_case, use_case_names
from perennial.spec.problems import nearest
from perennial.window import Window, parse_instant

console = Console()


class Session:
    """One run of the command line."""

    @cached_property
    def settings(self) -> Settings:
        """Where things are."""
        return Settings.from_environment()

    @cached_property
    def ports(self) -> Ports:
        """The real world. The adapters are imported here, so that `--help` and `check` answer at once."""
        from perennial.wiring import open_ports

        return open_ports(self.settings, EnvironmentConnections(self.settings.environment))

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger alone, for commands that need nothing else."""
        from perennial.ledger.postgres import PostgresLedger

        return PostgresLedger(EnvironmentConnections(self.settings.environment).url(LEDGER_CONNECTION), clock.now)

    @cached_property
    def run_id(self) -> str:
        """The name under which this command's facts are recorded."""
        return f"cli__{clock.now():%Y-%m-%dT%H:%M:%S.%fZ}"

    @property
    def actor(self) -> str:
        """Who is at the keyboard."""
        return getpass.getuser()

    def use_case(self, name: str) -> LoadedUseCase:
        """The use case of that name. Errors: `UnknownUseCase`, `InvalidSpec`."""
        names = use_case_names(self.settings.use_cases)
        if name not in names:
            hint = nearest(name, names)
            raise UnknownUseCase(
                f"There is no use case {name!r} in {self.settings.use_cases}; "
                + (f"did you mean {hint!r}?" if hint else f"there are: {', '.join(names) or 'none'}.")
            )
        return load_use_case(self.settings.use_cases / name)


def windows_of(use_case: LoadedUseCase, window: str | None, start: str | None, end: str | None) -> list[Window]:
    """The windows that `--window`, or `--from` and `--to` (exclusive), name. Errors: `InvalidWindow`."""
    import typer

    grid = use_case.spec.grid
    if window and not (start or end):
        return [grid.starting_at(window)]
    if start and end and not window:
        zone = use_case.spec.schedule.timezone
        return list(grid.between(parse_instant(start, zone), parse_instant(end, zone)))
    raise typer.BadParameter("say --window START, or --from START --to END (END itself is not included)")


def one_window(use_case: LoadedUseCase, start: str) -> Window:
    """The window that starts there. Errors: `InvalidWindow`."""
    return use_case.spec.grid.starting_at(start)


def start_of(window: Window) -> str:
    """The window's start, as short as it can be told: the day alone if it starts at midnight."""
    return f"{window.start:%Y-%m-%d}" if (window.start.hour, window.start.minute) == (0, 0) else _moment(window.start)


def show(results: Sequence[Any], *, as_json_lines: bool) -> None:
    """Print results of one kind: a table for people, one JSON object a line for scripts."""
    if as_json_lines:
        for result in results:
            print(json.dumps(as_json(result), default=str))
        return
    if not results:
        console.print("nothing")
        return
    names = [each.name for each in fields(results[0])]
    if len(results) == 1:
        table = Table("", "", show_header=False)
        for name in names:
            table.add_row(name, _cell(getattr(results[0], name)))
    else:
        table = Table(*names, header_style="bold")
        for result in results:
            table.add_row(*[_cell(getattr(result, name)) for name in names])
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if is_dataclass(value) and not isinstance(value, type | Window):
        return "\n".join(f"{each.name} {_cell(getattr(value, each.name))}" for each in fields(value))
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, tuple | list):
        return "\n".join(str(each) for each in value)
    if isinstance(value, dict):
        return "\n".join(f"{name} {_cell(each)}" for name, each in value.items())
    text = str(value)
    is_digest = len(text) == 64 and set(text) <= set("0123456789abcdef")  # noqa: PLR2004 - the length of a sha-256
    return text[:12] if is_digest else text


def _moment(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%MZ}"
