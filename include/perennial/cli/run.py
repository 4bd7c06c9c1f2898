"""The command that takes windows through all steps."""

import sys
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from perennial.cli.outcomes import Outcome, of_ingest, of_monitor, of_score, of_validate, print_outcome
from perennial.cli.progress import progress
from perennial.cli.session import Session, show, windows_of
from perennial.cli.steps import AsJson, From, ModelOption, To, UseCaseName, WindowStart
from perennial.cli.tables import console, print_line

if TYPE_CHECKING:
    from perennial.jobs.predict.chain import Predicted, Step

EXIT_INCOMPLETE = 3


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(run)


def run(
    use_case: UseCaseName,
    window: WindowStart = None,
    start: From = None,
    end: To = None,
    model: ModelOption = "as_was",
    json: AsJson = False,
) -> None:
    """Take windows through all steps: ingest, validate, score, monitor. Says what to do next.

    Ends with 3 when a window did not come through.
    """
    from perennial.cli.next_steps import after_run
    from perennial.jobs.predict import chain as job
    from perennial.records.model_choice import ModelChoice

    session = Session()
    loaded = session.use_case(use_case)
    windows = windows_of(loaded, window, start, end)
    choice = ModelChoice.parse(model)
    with progress("windows", len(windows)) as advance:

        def told(step: "Step", found: "Predicted") -> None:
            if not json:
                _print_step(step, found)
            if found.stopped or found.monitored:
                advance(rows=found.ingested.rows if found.ingested else 0)

        found = job.run(loaded, windows, session.ports, session.run_id, model=choice, on_step=told)
    if json:
        show(found, as_json_lines=True)
    screen = Console(stderr=True) if json else console
    for line in after_run(loaded.spec, found, session.ports.ledger):
        print_line(line, screen=screen)
    if any(each.stopped and not each.stopped.empty for each in found):
        sys.exit(EXIT_INCOMPLETE)


def _print_step(step: "Step", found: "Predicted") -> None:
    style, text = _outcome(found)
    print_outcome(found.window, step, (style, text))
    if found.stopped is not None and not found.stopped.empty:  # what is to be pasted keeps its lines
        for line in found.stopped.reason.splitlines()[1:]:
            print_line(line, style)


def _outcome(found: "Predicted") -> Outcome:
    """What the last step that was taken found, and its colour."""
    if found.stopped is not None:
        first = found.stopped.reason.partition("\n")[0]
        return ("yellow", "no rows, which the spec allows") if found.stopped.empty else ("red", f"stopped: {first}")
    if found.monitored is not None:
        return of_monitor(found.monitored)
    if found.scored is not None:
        return of_score(found.scored, found.no_shadow)
    if found.validated is not None:
        return of_validate(found.validated)
    assert found.ingested is not None, "a step that was taken has an outcome"
    return of_ingest(found.ingested)
