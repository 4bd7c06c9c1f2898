"""Commands about rows that a check set aside."""

from typing import Annotated

import typer

from perennial.cli.session import Session, one_window, show, windows_of
from perennial.cli.steps import AsJson, From, Reason, To, UseCaseName, WindowStart

app = typer.Typer(help="Rows that a check set aside: list, accept, replay.", no_args_is_help=True)


@app.command("list")
def list_(
    use_case: UseCaseName, window: WindowStart = None, start: From = None, end: To = None, json: AsJson = False
) -> None:
    """List the rows in quarantine, by window and rule."""
    from perennial.jobs.upkeep import quarantine as job

    session = Session()
    loaded = session.use_case(use_case)
    show(job.caught(loaded, windows_of(loaded, window, start, end), session.ports), as_json_lines=json)


@app.command()
def accept(
    use_case: UseCaseName,
    window: Annotated[str, typer.Option("--window", help="Start of the window.")],
    rule: Annotated[str, typer.Option("--rule", help="The rule's name, as `list` shows it.")],
    reason: Reason,
    json: AsJson = False,
) -> None:
    """Let in what a rule caught in the window's latest snapshot. Then `replay` the window."""
    from perennial.jobs.upkeep import quarantine as job

    session = Session()
    loaded = session.use_case(use_case)
    accepted = job.accept(
        loaded,
        one_window(loaded, window),
        rule,
        session.ports,
        session.run_id,
        actor=session.actor,
        reason=reason,
    )
    show([accepted], as_json_lines=json)


@app.command()
def replay(
    use_case: UseCaseName, window: WindowStart = None, start: From = None, end: To = None, json: AsJson = False
) -> None:
    """Ingest, validate and score again those windows, and only those, that have rows in quarantine or let in."""
    from perennial.jobs.upkeep import quarantine as job

    session = Session()
    loaded = session.use_case(use_case)
    windows = job.affected(loaded, windows_of(loaded, window, start, end), session.ports)
    show([job.replay(loaded, each, session.ports, session.run_id) for each in windows], as_json_lines=json)
