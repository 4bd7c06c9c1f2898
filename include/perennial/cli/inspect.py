"""Commands that only look."""

import json as jsonlib
from typing import Annotated

import typer
from rich.table import Table

from perennial.cli.session import Session, console, show
from perennial.cli.tables import print_table
from perennial.spec.load import check_all, load_use_case, use_case_names
from perennial.spec.schema import use_case_schema

EXIT_VIOLATIONS = 5
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(check)
    app.command()(status)
    app.command("use-cases")(use_cases)
    app.command()(schema)


def check(json: AsJson = False) -> None:
    """Report every error in all specs at once."""
    root = Session().settings.use_cases
    violations = check_all(root)
    if json:
        show(violations, as_json_lines=True)
    else:
        for violation in violations:
            console.print(str(violation), markup=False, highlight=False, soft_wrap=True)
        names = use_case_names(root)
        console.print(f"{len(names)} use cases in {root}, {len(violations)} errors", highlight=False, soft_wrap=True)
    if violations:
        raise typer.Exit(EXIT_VIOLATIONS)


def use_cases(json: AsJson = False) -> None:
    """List the use cases."""
    root = Session().settings.use_cases
    specs = [load_use_case(root / name).spec for name in use_case_names(root)]
    if json:
        for spec in specs:
            print(jsonlib.dumps({"name": spec.name, "title": spec.title, "task": spec.task, "owner": spec.owner}))
        return
    print_table(
        ("use case", "title", "task", "every", "owner"),
        [(spec.name, spec.title, str(spec.task), str(spec.schedule.every), spec.owner) for spec in specs],
    )


def status(json: AsJson = False) -> None:
    """Show every use case at a glance: windows, alarms, retrainings, the champion."""
    session = Session()
    found = [session.ledger.status(name) for name in use_case_names(session.settings.use_cases)]
    if json:
        show(found, as_json_lines=True)
        return
    table = Table(header_style="bold", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("use case", "windows", "scored", "rows", "failed", "alarms", "retrains", "last", "champion"):
        table.add_column(heading, no_wrap=True)
    for each in found:
        champion = each.champion
        table.add_row(
            each.use_case,
            *(f"{n:,}" for n in (each.windows_ingested, each.windows_scored, each.rows_scored, each.windows_failed)),
            *(f"{n:,}" for n in (each.alarms, each.retrains)),
            f"{each.last_window.start:%Y-%m-%d}" if each.last_window else "",
            champion.model_version if champion else "none",
        )
    console.print(table)


def schema() -> None:
    """Print the JSON Schema of use_case.yaml, for editors."""
    print(jsonlib.dumps(use_case_schema(), indent=2))
