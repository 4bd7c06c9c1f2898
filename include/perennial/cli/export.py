"""The command that exports a model version to another format."""

from pathlib import Path
from typing import Annotated

import typer

from perennial.cli.files import to_write
from perennial.cli.session import Session, show
from perennial.cli.steps import AsJson, UseCaseName
from perennial.cli.tables import print_line

EXIT_REFUSED = 3


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(export)


def export(
    use_case: UseCaseName,
    version: Annotated[str, typer.Option("--version", help="A model version that was in service.")],
    to: Annotated[str, typer.Option("--to", help="The format: onnx or pmml.")],
    file: Annotated[Path | None, typer.Option("--file", help="Write it there, too.", callback=to_write)] = None,
    json: AsJson = False,
) -> None:
    """Export a model version, with a certificate of how far it predicts the same on the judged rows.

    The file is attached to the version in the registry. Ends with 3 when the export is refused.
    """
    from perennial.jobs.retrain import export as job

    session = Session()
    loaded = session.use_case(use_case)
    done = job.run(loaded, version, to, session.ports, session.run_id)
    show([done], as_json_lines=json)
    if done.digest is None:
        raise typer.Exit(EXIT_REFUSED)
    if file is not None:
        file.write_bytes(session.ports.artifacts.get(done.digest))
        if not json:
            print_line(f"written to {file}")
