"""The command that lets rival retraining policies live through the stored history."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from perennial.cli.files import picture_to_write
from perennial.cli.progress import progress_of
from perennial.cli.session import Session, console, show, windows_of
from perennial.cli.steps import AsJson, From, To, UseCaseName
from perennial.cli.tables import print_table


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(backtest)


def backtest(
    use_case: UseCaseName,
    policies: Annotated[
        Path, typer.Option(help="YAML file; each policy says what differs from the spec's `monitoring`.", exists=True)
    ],
    start: From = None,
    end: To = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write a picture there: .png, .svg or .pdf.", callback=picture_to_write)
    ] = None,
    json: AsJson = False,
) -> None:
    """Let rival retraining policies live through stored windows, and compare what became of them.

    Real models are trained, as they would have been then, in memory. What became of the policies is recorded, for the
    use case's page; besides that, nothing is written but the picture. The policy named `always` is what regret is
    counted against.
    """
    from perennial.backtest import backtest as job
    from perennial.backtest.plot import plot as draw
    from perennial.backtest.record import record
    from perennial.spec.policies import load_policies

    session = Session()
    loaded = session.use_case(use_case)
    metric = loaded.spec.training.metric
    chosen = load_policies(policies, loaded.spec)
    screen = Console(stderr=True, highlight=False, soft_wrap=True)
    windows = windows_of(loaded, None, start, end)
    with _no_warnings_of_the_past(), progress_of("windows of all policies", screen=screen) as on_window:
        results = job.run(loaded, chosen, windows, session.ports, screen.print, on_window)
    record(loaded.spec, chosen, windows, results, session.ports.ledger, session.run_id)
    if plot is not None:
        draw(
            metric,
            [
                (
                    each.policy,
                    {month: found[metric] for month, found in each.months.items() if metric in found},
                    [f"{retraining.as_of:%Y-%m}" for retraining in each.retrainings],
                )
                for each in results
            ],
            plot,
        )
    if json:
        show(results, as_json_lines=True)
        return
    names = [each.policy for each in results]
    for name in results[0].overall:
        if name not in (metric, "log_loss"):
            continue
        by_month = [
            (month, *(_value(each.months.get(month, {}).get(name)) for each in results)) for month in results[0].months
        ]
        print_table((name, *names), [*by_month, _bold("all", *(_value(each.overall.get(name)) for each in results))])
        console.print()
    print_table(
        ("", *names),
        [
            ("retrainings", *(str(len(each.retrainings)) for each in results)),
            ("of them won", *(str(sum(r.promoted for r in each.retrainings)) for each in results)),
            ("compute s", *(f"{each.compute_seconds:.0f}" for each in results)),
            _bold(f"regret ({metric})", *(f"{each.regret:+.4f}" for each in results)),
        ],
    )


def _bold(*cells: str) -> tuple[Text, ...]:
    return tuple(Text(cell, "bold") for cell in cells)


@contextmanager
def _no_warnings_of_the_past() -> Iterator[None]:
    """What jobs warn of in a backtest is about its policies' past, not about today."""
    jobs = logging.getLogger("perennial")
    level = jobs.level
    jobs.setLevel(logging.ERROR)
    try:
        yield
    finally:
        jobs.setLevel(level)


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
