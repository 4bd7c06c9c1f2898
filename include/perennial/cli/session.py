"""What every command needs: the settings, the use case, the ports, a run id, and one way to print results."""

import getpass
import json
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from perennial import clock
from perennial.cli.connections import CommandLineConnections
from perennial.cli.tables import console, print_line, print_table
from perennial.encoding import as_json
from perennial.errors import InvalidWindow, UnknownUseCase
from perennial.lake.port import Lake
from perennial.ledger.entries import COMMAND_LINE, RecordedDecision
from perennial.ledger.port import Ledger
from perennial.log_context import also
from perennial.ports import Ports
from perennial.settings import LEDGER_CONNECTION, Settings
from perennial.sources.port import Connections, Source
from perennial.spec.load import LoadedUseCase, load_use_case, use_case_names
from perennial.spec.problems import nearest
from perennial.spec.sources import Source as SourceSpec
from perennial.window import Window, parse_instant

if TYPE_CHECKING:
    from perennial.anchors.store import AnchorStore
    from perennial.artifacts.store import ArtifactStore

__all__ = ["console"]  # at home in `tables`; commands take it from here


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

        return open_ports(self.settings, self.connections)

    @cached_property
    def source(self) -> Callable[[LoadedUseCase, SourceSpec], Source]:
        """What opens sources alone, for commands that need no store."""
        from perennial.wiring import source_opener

        return source_opener(self.connections)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger alone, for commands that need nothing else."""
        from perennial.ledger.postgres.ledger import PostgresLedger

        return PostgresLedger(self.connections.url(LEDGER_CONNECTION))

    @cached_property
    def lake(self) -> Lake:
        """The lake alone."""
        from perennial.lake.delta import DeltaLake

        return DeltaLake(self.settings.lake_url, self.lake_options)

    @cached_property
    def anchors(self) -> "AnchorStore":
        """The ledger's anchors alone."""
        from perennial.anchors.store import AnchorStore

        return AnchorStore(self.settings.anchors_url, self.lake_options)

    @cached_property
    def archive(self) -> "ArtifactStore":
        """Where archived models are kept."""
        from perennial.artifacts.store import ArtifactStore

        return ArtifactStore(self.settings.archive_url, self.lake_options)

    @cached_property
    def lake_options(self) -> dict[str, str]:
        """How the lake's storage is reached, and files beside it."""
        from perennial.lake.storage import environment_options, storage_options

        named = self.settings.lake_connection
        return storage_options(self.connections.url(named)) if named else environment_options(self.settings.environment)

    @cached_property
    def run_id(self) -> str:
        """The name under which this command's facts are recorded."""
        return f"{COMMAND_LINE}{clock.now():%Y-%m-%dT%H:%M:%S.%fZ}"

    @property
    def actor(self) -> str:
        """Who is at the keyboard."""
        return getpass.getuser()

    @cached_property
    def connections(self) -> Connections:
        """The named connections."""
        return CommandLineConnections(self.settings.environment)

    def use_case(self, name: str) -> LoadedUseCase:
        """The use case of that name. Errors: `UnknownUseCase`, `InvalidSpec`."""
        also(use_case=self.existing(name), run=self.run_id)
        return load_use_case(self.settings.use_cases / name)

    def existing(self, name: str) -> str:
        """The name, if there is such a use case. Errors: `UnknownUseCase`."""
        names = use_case_names(self.settings.use_cases)
        if name not in names:
            hint = nearest(name, names)
            raise UnknownUseCase(
                f"There is no use case {name!r} in {self.settings.use_cases}; "
                + (f"did you mean {hint!r}?" if hint else f"there are: {', '.join(names) or 'none'}.")
            )
        return name


def windows_of(use_case: LoadedUseCase, window: str | None, start: str | None, end: str | None) -> list[Window]:
    """The windows that `--window`, or `--from` and `--to` (exclusive), name. Errors: `InvalidWindow`."""
    import typer

    grid = use_case.spec.grid
    if window and not (start or end):
        return [grid.starting_at(window)]
    if start and end and not window:
        zone = use_case.spec.schedule.timezone
        windows = list(grid.between(parse_instant(start, zone), parse_instant(end, zone)))
        if not windows:
            raise InvalidWindow(
                f"No window lies between --from {start} and --to {end}: --to is where the last window ends, and comes "
                f"after --from. For one window say --window {start}."
            )
        return windows
    raise typer.BadParameter("say --window START, or --from START --to END (END itself is not included)")


def one_window(use_case: LoadedUseCase, start: str) -> Window:
    """The window that starts there. Errors: `InvalidWindow`."""
    return use_case.spec.grid.starting_at(start)


def start_of(window: Window) -> str:
    """The window's start as `--window` takes it, with hour and zone."""
    return _moment(window.start)


def show(results: Sequence[Any], *, as_json_lines: bool) -> None:
    """Print results of one kind: a table for people, one JSON object a line for scripts."""
    if as_json_lines:
        for result in results:
            print(json.dumps(as_json(result), default=str))
        return
    if not results:
        print_line("nothing")
        return
    names = [each.name for each in fields(results[0])]
    if len(results) == 1:
        print_table(("", ""), [(name, _cell(getattr(results[0], name))) for name in names])
    else:
        print_table(names, [[_cell(getattr(result, name)) for name in names] for result in results])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if is_dataclass(value) and not isinstance(value, type | Window):
        return _parts(value)
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, tuple | list):
        return "\n".join(str(each) for each in value)
    if isinstance(value, dict):
        return "\n".join(f"{name} {_cell(each)}" for name, each in value.items())
    return "-" if value is None else str(value)


def _parts(value: Any) -> str:
    if isinstance(value, RecordedDecision):
        return f"{value.action}: {' '.join(value.reasons)}"  # the numbers behind it are for --json
    return "\n".join(f"{each.name} {_cell(getattr(value, each.name))}" for each in fields(value))


def _moment(instant: datetime) -> str:
    utc = instant.astimezone(UTC)
    whole_minute = (utc.second, utc.microsecond) == (0, 0)
    return f"{utc:%Y-%m-%dT%H:%MZ}" if whole_minute else f"{utc:%Y-%m-%dT%H:%M:%SZ}"
