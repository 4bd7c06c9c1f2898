"""The command that proposes expectations."""

import typer

from perennial.cli.progress import progress_of
from perennial.cli.session import Session, show, windows_of
from perennial.cli.steps import AsJson, From, To, UseCaseName


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("suggest-expectations")(suggest_expectations)


def suggest_expectations(use_case: UseCaseName, start: From = None, end: To = None, json: AsJson = False) -> None:
    """Propose expectations from past windows, as YAML to paste; without --from and --to from the last 30 ingested."""
    from perennial.review.suggestions import as_yaml, suggest

    session = Session()
    loaded = session.use_case(use_case)
    ports = session.ports
    windows = windows_of(loaded, None, start, end) if start or end else suggest.last_windows(loaded, ports)
    with progress_of("windows", len(windows)) as on_window:
        found = suggest.run(loaded, windows, ports, on_window=on_window)
    if json:
        show([found], as_json_lines=True)
    else:
        print(as_yaml.as_yaml(found, loaded.spec.grid), end="")
