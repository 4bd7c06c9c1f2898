"""`perennial card`: the model card of a deployed version, and its bill of materials."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perennial import clock
from perennial.cli.files import to_write
from perennial.cli.session import Session
from perennial.cli.steps import AsJson, UseCaseName
from perennial.cli.tables import print_line, print_table

if TYPE_CHECKING:
    from perennial.card.statements import Source


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(card)


def card(
    use_case: UseCaseName,
    version: Annotated[
        str | None, typer.Option("--version", help="A version that was in service. Default: the champion.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write it there, as one file to read or print.", callback=to_write)
    ] = None,
    json: AsJson = False,
    bom: Annotated[bool, typer.Option("--bom", help="The bill of materials instead: CycloneDX, as JSON.")] = False,
    attach: Annotated[bool, typer.Option("--attach", help="Write it beside the version in the registry, too.")] = False,
) -> None:
    """Show all that is on record about a deployed version, each statement with the record that it comes from."""
    from perennial.card.as_file import as_html
    from perennial.card.make import model_card
    from perennial.encoding import json_bytes
    from perennial.jobs.retrain import card as job

    if json and bom:
        raise typer.BadParameter("say --json for the card, or --bom for its bill of materials")
    session = Session()
    spec, ports, now = session.use_case(use_case).spec, session.ports, clock.now()
    found = model_card(spec, version, now, ports)
    if attach:
        job.write(spec, found.version, now, ports)
    if html is not None:
        html.write_text(as_html(found), "utf-8")
    if bom:
        print(job.bill_of(spec, found.version, now, ports).decode())
        return
    if json:
        print(json_bytes(found).decode())
        return
    if html is not None:
        print_line(f"written to {html}")
        return
    print_line(f"{found.use_case}, version {found.version}: {found.sentence.text}")
    for section in found.sections:
        print_line("")
        print_line(section.title, "bold")
        rows = [(f"  {each.name}", each.text, _from(each.source)) for each in section.statements]
        print_table(("", "", ""), rows)
        for table in section.tables:
            print_line(f"  {table.name}: {len(table.rows):,}; --html and --json have them")


def _from(source: "Source | None") -> str:
    if source is None:
        return ""
    return f"{source.kind.value} {source.id}" if source.id is not None else source.kind.value
