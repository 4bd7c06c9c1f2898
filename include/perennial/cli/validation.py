"""The command that shows what every check of a window said."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from perennial.cli.quarantine import cells, first_keys
from perennial.cli.session import Session, one_window, show, start_of
from perennial.cli.steps import AsJson, UseCaseName
from perennial.cli.tables import MARKS, print_line, print_table
from perennial.wording import left_out

if TYPE_CHECKING:
    from perennial.review.validation import Expected, ValidationReport


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(validation)


def validation(
    use_case: UseCaseName,
    window: Annotated[str, typer.Option("--window", help="Start of the window, e.g. 2013-03-01.")],
    json: AsJson = False,
) -> None:
    """Show what the last validation of a window found: every gate, rule and expectation, and the rows set aside."""
    from perennial.review import validation as job

    session = Session()
    loaded = session.use_case(use_case)
    found = job.run(loaded, one_window(loaded, window), session.ports)
    if json:
        show([found], as_json_lines=True)
    else:
        _print(found)


def _print(found: "ValidationReport") -> None:
    print_line(f"{found.use_case} {start_of(found.window)}: {found.verdict}", MARKS[found.verdict])
    for reason in found.reasons:
        print_line(f"  {reason}")
    if found.outdated:
        print_line(f"  {found.outdated}", "yellow")
    print_line(f"  {found.rows:,} rows, {found.rows_quarantined:,} set aside; snapshot {found.snapshot_digest}")
    for remark in left_out(found.remarks):
        print_line(f"  left out: {remark}")
    print_line(f"  checked by {found.run_id}")
    print_line("")
    print_table(
        ("gate", "verdict", "reason"),
        [(each.name, Text(each.verdict, MARKS[each.verdict]), each.reason or "") for each in found.gates],
    )
    print_line("")
    print_table(
        ("rows that break", "rows", "first keys", "what was found"),
        [
            (
                each.rule,
                Text(f"{each.rows:,}", "yellow" if each.rows else ""),
                first_keys(each.keys, each.rows),
                each.error or ("accepted by hand" if each.accepted else cells(each)),
            )
            for each in found.rules
        ],
    )
    if found.expectations:
        print_line("")
        print_table(
            ("expectation", "severity", "met", "found", "failing", "unexpected values"),
            [_row(each) for each in sorted(found.expectations, key=lambda each: each.met)],
        )


def _row(each: "Expected") -> tuple[str | Text, ...]:
    mark = "green" if each.met else MARKS["fail" if each.severity == "critical" else "warn"]
    return (
        each.sentence,
        each.severity,
        Text("yes" if each.met else "no", mark),
        each.error or _observed(each),
        "" if each.share_failing is None else f"{each.share_failing:.3%}",
        _unexpected(each),
    )


def _unexpected(each: "Expected") -> str:
    if not each.values:  # validated before they were counted
        return ", ".join(map(str, each.samples))
    named = ", ".join(f"{value.value} {value.count:,}×" for value in each.values)  # noqa: RUF001 - as on the pages
    rest = each.values_different - len(each.values)
    first = f" (of the first {each.values_counted:,})" if each.values_counted < (each.unexpected or 0) else ""
    return f"{named}{f', and {rest:,} others' if rest else ''}{first}"


def _observed(each: "Expected") -> str:
    if each.unexpected is not None and each.checked is not None:
        missing = f", {each.missing:,} missing" if each.missing else ""
        return f"{each.unexpected:,} of {each.checked - (each.missing or 0):,} values{missing}"
    return f"{each.observed:.6g}" if isinstance(each.observed, float) else str(each.observed)
