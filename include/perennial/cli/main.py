"""`perennial`: the same jobs without Airflow, and a look at what they left."""

import logging
import sys
from typing import Annotated

import typer
from rich.console import Console

from perennial.cli import (
    allow,
    backtest,
    card,
    compare,
    database,
    doctor,
    export,
    inspect,
    lateness,
    ledger,
    logs,
    metrics,
    models,
    new,
    past,
    quarantine,
    retirement,
    review,
    review_queue,
    rollout,
    run,
    settings,
    steps,
    suggest,
    upkeep,
    validation,
)
from perennial.cli.logs import LogFormat
from perennial.errors import PerennialError, TransientError
from perennial.log_context import about
from perennial.settings import Settings

EXIT_PERMANENT = 3
EXIT_TRANSIENT = 4

app = typer.Typer(
    name="perennial",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Score every window, notice when the world has moved, bring a better model into service.",
    epilog=(
        "Exit codes: 0 done · 1 a bug in Perennial, or `doctor` found a failure · 2 wrong usage · 3 something "
        "must be corrected first (spec, data, model) · 4 something outside failed and may work later · "
        "5 `check` found errors · 6 `reproduce` found a difference · 7 `ledger verify` found an alteration."
    ),
)
new.add_to(app)
run.add_to(app)
steps.add_to(app)
inspect.add_to(app)
validation.add_to(app)
suggest.add_to(app)
app.command()(allow.allow_feature)
review.add_to(app)
backtest.add_to(app)
past.add_to(app)
export.add_to(app)
card.add_to(app)
models.add_to(app)
rollout.add_to(app)
compare.add_to(app)
lateness.add_to(app)
upkeep.add_to(app)
app.command()(metrics.metrics)
retirement.add_to(app)
app.command()(doctor.doctor)
app.command()(settings.settings)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(review_queue.app, name="review")
app.add_typer(database.app, name="db")
app.add_typer(ledger.app, name="ledger")


@app.callback()
def common(
    log_format: Annotated[
        LogFormat | None,
        typer.Option(help="How the log on standard error is written. Default: PERENNIAL_LOG_FORMAT, or text."),
    ] = None,
) -> None:
    """Score every window, notice when the world has moved, bring a better model into service."""
    logs.set_up(log_format or LogFormat(Settings.from_environment().log_format))


def main() -> None:
    """Run the command line; domain errors become one message on standard error and an exit code."""
    with about():
        _main()


def _main() -> None:
    try:
        app()
    except PerennialError as error:
        if logs.as_json():
            logging.getLogger("perennial").log(logging.ERROR, "%s: %s", type(error).__name__, error)
            sys.exit(EXIT_TRANSIENT if isinstance(error, TransientError) else EXIT_PERMANENT)
        screen = Console(stderr=True, highlight=False, soft_wrap=True)
        screen.print(type(error).__name__, style="bold red")
        screen.print(str(error), markup=False)
        sys.exit(EXIT_TRANSIENT if isinstance(error, TransientError) else EXIT_PERMANENT)
