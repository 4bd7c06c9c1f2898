"""`python -m perennial_local run|stop|clean`: what `make run`, `make stop` and `make clean` call."""

import os
import shutil
import signal
import sys
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from perennial.errors import PerennialError, PermanentError, TransientError
from perennial.settings import Settings
from perennial_local import flights
from perennial_local.demo import FIRST_WINDOW, LAST_WINDOW
from perennial_local.home import Home
from perennial_local.lock import is_held, read_holder, wait_until_released
from perennial_local.run import Options, run
from perennial_local.screen import Screen

EXIT_PERMANENT = 3
EXIT_TRANSIENT = 4
STOP_PATIENCE = 60.0
DEMO_UNTIL = datetime(2013, 3, 31)  # noqa: DTZ001 - a day; its time zone is the use case's

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.command("run")
def run_command(
    demo_until: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], help=f"Last day to play, from {FIRST_WINDOW} to {LAST_WINDOW}."),
    ] = DEMO_UNTIL,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Only start the servers.")] = False,
    port: Annotated[int | None, typer.Option(help="Port of Airflow; without it 8080 or the next free one.")] = None,
    mlflow_port: Annotated[
        int | None, typer.Option(help="Port of MLflow; without it 5000 or the next free one.")
    ] = None,
) -> None:
    """Start PostgreSQL, MLflow and Airflow on this machine, play the demonstration, and stay until Ctrl-C."""
    run(Options(None if no_demo else demo_until.date(), port, mlflow_port), Screen())


@app.command()
def stop() -> None:
    """Stop the local system that runs from this home."""
    home = _home()
    holder = read_holder(home) if is_held(home) else None
    if holder is None:
        typer.echo(f"Nothing runs from {home.path}.")
        return
    if holder.lives:
        os.kill(holder.pid, signal.SIGTERM)
    wait_until_released(home, STOP_PATIENCE)
    typer.echo("Stopped.")


@app.command()
def clean() -> None:
    """Remove everything that the local system keeps, the data too."""
    home = _home()
    if is_held(home):
        raise PermanentError(f"The local system runs from {home.path}; stop it first with `make stop`.")
    if not home.path.exists():
        return
    if not home.lock.exists():
        raise PermanentError(
            f"{home.path} was not made by `make run` (it has no {home.lock.name}); remove it yourself."
        )
    shutil.rmtree(home.path)


@app.command()
def load_flights(
    url: Annotated[str, typer.Option(envvar="AIRFLOW_CONN_FLIGHTS_DB", show_envvar=True, help="A libpq URI.")],
) -> None:
    """Load the flights into a database, once."""
    loaded = flights.load_flights(url, lambda _done: None)
    typer.echo(f"{loaded.flights:,} flights {'are loaded' if loaded.fresh else 'were there'}.")


def main() -> None:
    """Run the command; what can be said in a sentence ends in one, with an exit code, and without a traceback."""
    try:
        app()
    except PerennialError as error:
        _complain(str(error), EXIT_TRANSIENT if isinstance(error, TransientError) else EXIT_PERMANENT)
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        _complain(f"The operating system refused something ({error.strerror or error}{place}).", EXIT_TRANSIENT)


def _complain(text: str, code: int) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"\n{text}", style="red", markup=False)
    sys.exit(code)


def _home() -> Home:
    return Home(Settings.from_environment().home.absolute())


if __name__ == "__main__":
    main()
