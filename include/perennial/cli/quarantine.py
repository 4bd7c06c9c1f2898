"""Commands about rows that a check set aside."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perennial.cli.session import Session, one_window, show, start_of, windows_of
from perennial.cli.steps import AsJson, From, Reason, To, UseCaseName, WindowStart
from perennial.cli.tables import print_line, print_table
from perennial.wording import counted

if TYPE_CHECKING:
    from perennial.review.quarantine import RuleCatch
    from perennial.review.validation import RowRule

app = typer.Typer(help="Rows that a check set aside: list, accept, replay.", no_args_is_help=True)


@app.command("list")
def list_(
    use_case: UseCaseName, window: WindowStart = None, start: From = None, end: To = None, json: AsJson = False
) -> None:
    """List the rows in quarantine by window and rule, with the values that each rule did not accept."""
    from perennial.review import quarantine as job

    session = Session()
    loaded = session.use_case(use_case)
    found = job.run(loaded, windows_of(loaded, window, start, end), session.ports)
    if json:
        show(found, as_json_lines=True)
        return
    if not found:
        print_line("No rows are in quarantine in these windows.")
        return
    headings = ("window", "rule", "rows", "first keys", "what was found")
    print_table(
        headings,
        [
            (start_of(each.window), each.rule, f"{each.rows:,}", first_keys(each.entities, each.rows), cells(each))
            for each in found
        ],
    )


@app.command()
def accept(
    use_case: UseCaseName,
    window: Annotated[str, typer.Option("--window", help="Start of the window.")],
    rule: Annotated[str, typer.Option("--rule", help="The rule's name, as `list` shows it.")],
    reason: Reason,
    json: AsJson = False,
) -> None:
    """Accept the rows that a rule caught in the window's latest snapshot. Then `replay` the window."""
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
    """Ingest, validate and score again only the windows that have rows in quarantine or rows that were accepted."""
    from perennial.jobs.upkeep import quarantine
    from perennial.jobs.upkeep import replay as job

    session = Session()
    loaded = session.use_case(use_case)
    windows = quarantine.affected(loaded, windows_of(loaded, window, start, end), session.ports)
    show([job.run(loaded, each, session.ports, session.run_id) for each in windows], as_json_lines=json)


def first_keys(keys: Sequence[Any], rows: int) -> str:
    """The keys, and whether there are more rows than those."""
    return ", ".join(map(str, keys)) + (", …" if rows > len(keys) > 0 else "")


def cells(found: "RuleCatch | RowRule") -> str:
    """The values that a rule did not accept, one a line, and what it expected."""
    return "\n".join(
        f"{each.column} {'is missing' if each.text is None else repr(each.text)}{f' {each.why}' if each.why else ''}; "
        f"expected {each.expected} ({counted(each.rows, 'row')})"
        for each in found.cells
    )
