"""`perennial compare`: what is different between two windows, two models, or two revisions of a window."""

from typing import Annotated, Any

import typer

from perennial import clock
from perennial.cli.session import Session, console, one_window
from perennial.cli.steps import UseCaseName
from perennial.cli.tables import print_line
from perennial.encoding import json_bytes

Pair = tuple[str, str] | None


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(compare)


def compare(
    use_case: UseCaseName,
    windows: Annotated[
        Pair, typer.Option("--windows", help="Two windows by their starts: 2013-03-07 2013-03-08.")
    ] = None,
    models: Annotated[Pair, typer.Option("--models", help="Two versions, such as 1 2.")] = None,
    window: Annotated[str | None, typer.Option("--window", help="With --revisions: the window they are of.")] = None,
    revisions: Annotated[
        tuple[int, int] | None, typer.Option("--revisions", help="With --window: two of its revisions, such as 1 2.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object with all details.")] = False,
) -> None:
    """Tell what is different between two windows, two models or two revisions, the most important first."""
    of_revisions = window is not None and revisions is not None
    if (window is None) != (revisions is None) or sum((windows is not None, models is not None, of_revisions)) != 1:
        raise typer.BadParameter("say one of: --windows A B, --models 1 2, or --window A --revisions 1 2")
    found = _found(use_case, windows, models, window, revisions)
    if json:
        print(json_bytes(found).decode())
        return
    print_line(found.sentence)
    for position, each in enumerate(found.differences, 1):
        console.print(f"{position:>3}. {each.said}", markup=False, highlight=False, soft_wrap=True)
    for remark in () if of_revisions else found.remarks:
        print_line(remark)


def _found(use_case: str, windows: Pair, models: Pair, window: str | None, revisions: tuple[int, int] | None) -> Any:
    from perennial.review.comparison import models as of_models
    from perennial.review.comparison import revisions as of_revisions
    from perennial.review.comparison import windows as of_windows

    session = Session()
    loaded, ports = session.use_case(use_case), session.ports
    if windows is not None:
        sides = (one_window(loaded, windows[0]), one_window(loaded, windows[1]))
        return of_windows.run(loaded, *sides, clock.now(), ports)
    if models is not None:
        return of_models.run(loaded, *models, ports)
    assert window is not None
    assert revisions is not None
    return of_revisions.run(loaded, one_window(loaded, window), *revisions, ports)
