"""Named connections at the command line: from the environment, and beside an Airflow also from there."""

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from configparser import ConfigParser
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from perennial.errors import InvalidSettings, PerennialError, SourceUnavailable
from perennial.sources.connections import PREFIX, EnvironmentConnections

METADATA_DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
AIRFLOW_HOME, AIRFLOW_CONFIG = "AIRFLOW_HOME", "AIRFLOW_CONFIG"
PATIENCE_SECONDS = 120
_NOT_FOUND = "not found"
_SQLITE = "sqlite"
_POSTGRES = "postgres://"  # as Airflow writes it


class CommandLineConnections:
    """A connection of the environment (AIRFLOW_CONN_<NAME>), or else of the Airflow that the environment sets up.

    Airflow is asked in a process of its own, once for each name: it keeps connections encrypted in its database, or in
    a secrets backend, and only it can read them.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._found: dict[str, str | PerennialError] = {}
        self._turn = threading.Lock()

    def url(self, name: str) -> str:
        """See `Connections.url`.

        Errors: `InvalidSettings`, which names every place that was looked at; `SourceUnavailable` when Airflow does not
        answer.
        """
        if self._environment.get(f"{PREFIX}{name.upper()}", "").strip():
            return EnvironmentConnections(self._environment).url(name)
        with self._turn:  # several checks of the doctor want the same connection at once
            if name not in self._found:
                try:
                    self._found[name] = self._from_airflow(name)
                except PerennialError as error:
                    self._found[name] = error
        found = self._found[name]
        if isinstance(found, PerennialError):
            raise found
        return found

    def _from_airflow(self, name: str) -> str:
        command, why_not = _airflow(self._environment)
        if command is None:
            raise self._missing(name, why_not)
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter, or the airflow on the PATH
                [*command, "connections", "get", name, "--output", "json"],
                env=dict(self._environment),
                capture_output=True,
                text=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SourceUnavailable(
                f"`airflow connections get {name}` did not answer within {PATIENCE_SECONDS} s. "
                "Is Airflow's database up?"
            ) from error
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["it said nothing"]
            found = "has no such connection" if _NOT_FOUND in said[-1].lower() else f"failed: {said[-1].strip()[:300]}"
            raise self._missing(name, f"`airflow connections get {name}` {found}")
        return _uri(name, done.stdout)

    def _missing(self, name: str, airflow: str) -> InvalidSettings:
        known = sorted(key for key in self._environment if key.startswith(PREFIX))
        return InvalidSettings(
            f"There is no connection {name!r}. Looked at: the variable {PREFIX}{name.upper()}, which is not set "
            f"(set are: {', '.join(known) or 'none'}); Airflow: {airflow}. Set the variable to the connection's URI or "
            f"JSON, as for Airflow, or add the connection there: `airflow connections add {name} --conn-uri …`. "
            "A system started here by `make run` needs none of that; if its PERENNIAL_HOME was another one, set that."
        )


def no_airflow_here(environment: Mapping[str, str]) -> str:
    """Why no Airflow can be asked from this process; "" when one can, by this interpreter."""
    command, why_not = _airflow(environment)
    elsewhere = command is not None and command[0] != sys.executable
    return "the Airflow here is installed for another Python than this one" if elsewhere else why_not


def _airflow(environment: Mapping[str, str]) -> tuple[list[str] | None, str]:
    """How to call the Airflow that the environment sets up; None, and why not, when there is none."""
    config = _config(environment)
    told = any(environment.get(f"{METADATA_DATABASE}{way}") for way in ("", "_CMD", "_SECRET"))
    if not told and not config.is_file():
        return None, f"no Airflow is set up here: {METADATA_DATABASE} is not set, and {config} is not there"
    if not told and (file := _database_without_tables(config)):
        return None, f"no Airflow is set up here: {METADATA_DATABASE} is not set, and {file} of {config} has no tables"
    if find_spec("airflow") is not None:
        return [sys.executable, "-m", "airflow"], ""
    there = shutil.which("airflow", path=environment.get("PATH"))
    return ([there], "") if there else (None, "an Airflow is set up here, but `airflow` is not installed")


def _config(environment: Mapping[str, str]) -> Path:
    """Where Airflow reads its configuration."""
    given = environment.get(AIRFLOW_CONFIG)
    home = environment.get(AIRFLOW_HOME) or "~/airflow"
    return Path(given or f"{home}/airflow.cfg").expanduser()


def _database_without_tables(config: Path) -> Path | None:
    """The SQLite file that the configuration names, if nothing was ever made in it.

    Airflow writes a configuration with such a file wherever it is imported, also for a worker that has no database.
    """
    parser = ConfigParser(interpolation=None, allow_no_value=True, strict=False)
    parser.read(config)
    url = parser.get("database", "sql_alchemy_conn", fallback=None) or ""
    if not url.startswith(_SQLITE) or not (named := make_url(url).database):
        return None
    file = Path(named).absolute()
    return None if file.is_file() and _has_tables(file) else file


def _has_tables(file: Path) -> bool:
    """Whether something is in it; of a file that can't be read so, Airflow itself says what is wrong."""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None
    except sqlite3.DatabaseError:
        return True


def _uri(name: str, output: str) -> str:
    """The connection's URI in what Airflow printed: log lines may stand before the JSON."""
    for start in (position for position, letter in enumerate(output) if letter == "["):
        try:
            found: list[dict[str, Any]] = json.loads(output[start:])
        except json.JSONDecodeError:
            continue
        if found and "get_uri" in found[0]:
            uri = str(found[0]["get_uri"])
            return uri.replace(_POSTGRES, "postgresql://", 1) if uri.startswith(_POSTGRES) else uri
    raise InvalidSettings(f"`airflow connections get {name}` did not print the connection as JSON. Is it Airflow 3?")
