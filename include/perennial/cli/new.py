"""The command that writes a first use case from what its data look like."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from perennial.cli.session import Session, start_of
from perennial.cli.tables import print_line
from perennial.spec.fields import NAME_PATTERN, PATTERNS_IN_WORDS
from perennial.window import Every, Grid

EXIT_VIOLATIONS = 5


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(new)


def new(
    name: Annotated[str, typer.Argument(help="Name of the use case; its folder has the same.")],
    source: Annotated[
        str,
        typer.Option("--from", help="Files (data/*.csv), postgres://connection/table, or query.sql with --connection."),
    ],
    label: Annotated[str | None, typer.Option(help="Column that holds the outcome.")] = None,
    labels_from: Annotated[
        str | None, typer.Option(help="Where outcomes are, as --from; default: in the same rows.")
    ] = None,
    arrival: Annotated[str | None, typer.Option(help="Column that says when the outcome became known.")] = None,
    key: Annotated[str | None, typer.Option(help="Column that names the entity.")] = None,
    event_time: Annotated[str | None, typer.Option(help="Column that says when it happened.")] = None,
    every: Annotated[Every, typer.Option(help="How long a window is.")] = Every.DAY,
    timezone: Annotated[str, typer.Option(help="Time zone of the windows, and of times without one.")] = "UTC",
    connection: Annotated[str | None, typer.Option(help="Airflow connection that query.sql asks.")] = None,
) -> None:
    """Write a first use case from what its data look like: spec, SQL and expectations, ready to be checked and run."""
    from perennial.scaffold.guess import Said, guess
    from perennial.scaffold.origin import origin
    from perennial.scaffold.write import Plan, write

    if not re.match(NAME_PATTERN, name):
        raise typer.BadParameter(f"{name!r} {PATTERNS_IN_WORDS[NAME_PATTERN]}")
    session = Session()
    rows = origin(source, connection)
    labels = origin(labels_from, connection) if labels_from else None
    seen = rows.peek(session.connections)
    seen_labels = labels.peek(session.connections) if labels else None
    said = Said(label, arrival, key, event_time, every, timezone)
    guessed = guess(seen, seen_labels, said)
    oddities = (*seen.oddities, *(seen_labels.oddities if seen_labels else ()))
    guessed = replace(guessed, remarks=(*guessed.remarks, *oddities))
    labels_dialect = (seen_labels or seen).dialect
    plan = Plan(name, guessed, rows, labels, seen.dialect, labels_dialect, timezone)
    folder, violations = write(session.settings.use_cases, plan)
    for file in sorted(folder.iterdir()):
        print_line(f"wrote {_short(file)}")
    kinds = ", ".join(f"{each.name} ({each.kind})" for each in guessed.columns if each.role == "feature")
    print_line(f"{seen.rows.num_rows:,} rows were looked at; features: {kinds or 'none'}")
    for remark in guessed.remarks:
        print_line(f"guess: {remark}", "yellow")
    for violation in violations:
        print_line(str(violation), "red")
    # A window that most outcomes of have come, so that the sample shows them, too.
    settled = max(guessed.first, guessed.last - guessed.mature_after - timedelta(microseconds=1))
    window = Grid(every, timezone).containing(settled)
    print_line("Next:")
    print_line(f"  perennial check {name} --sample {start_of(window)}")
    print_line(f"  perennial run {name} --window {start_of(window)}")
    if violations:
        raise typer.Exit(EXIT_VIOLATIONS)


def _short(file: Path) -> str:
    here = Path.cwd()
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)
