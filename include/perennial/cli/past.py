"""Commands about what was done and what would be done: preview, history, diff, reproduce, explain."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from perennial import clock
from perennial.cli.files import to_write
from perennial.cli.progress import progress
from perennial.cli.session import Session, console, one_window, show, start_of, windows_of
from perennial.cli.steps import AsJson, From, ModelOption, To, UseCaseName, WindowStart
from perennial.cli.tables import print_line, print_table
from perennial.encoding import as_json
from perennial.window import parse_instant
from perennial.wording import left_out

AIRFLOW_URL = "AIRFLOW__API__BASE_URL"
SHOWN_ROWS = 10
EXIT_DIFFERENT = 6


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (preview, history, diff, reproduce, explain):
        app.command()(command)


def preview(
    use_case: UseCaseName,
    window: WindowStart = None,
    start: From = None,
    end: To = None,
    model: ModelOption = "as_was",
    json: AsJson = False,
) -> None:
    """Say what scoring windows would do, with which model, and change nothing."""
    from perennial.records.model_choice import ModelChoice
    from perennial.review import preview as job

    session = Session()
    loaded = session.use_case(use_case)
    windows = windows_of(loaded, window, start, end)
    found = job.run(loaded, windows, session.ports, model=ModelChoice.parse(model))
    if json:
        show(found, as_json_lines=True)
        return
    rows = []
    for each in found:
        live = f"revision {each.live_revision}, model {each.live_model}" if each.live_revision else "none"
        snapshot = f"{each.snapshot} ({each.snapshot_digest})" if each.snapshot_digest else "none"
        rows.append((start_of(each.window), snapshot, live, each.model or "none", each.would_be))
    print_table(("window", "snapshot", "live", "model", "would be"), rows)
    for reason in sorted({each.why_not.split(":")[0] for each in found if each.why_not}):
        first = next(each for each in found if each.why_not and each.why_not.startswith(reason))
        console.print(first.why_not, markup=False, highlight=False, soft_wrap=True)


def history(use_case: UseCaseName, window: Annotated[str, typer.Option("--window")], json: AsJson = False) -> None:
    """Show every revision of a window: when, which model, which data, by which run."""
    from perennial.review import history as job

    session = Session()
    loaded = session.use_case(use_case)
    found = job.run(loaded, one_window(loaded, window), session.ports)
    if json:
        show(found, as_json_lines=True)
        return
    for each in found:
        recorded = f", recorded {each.recorded_at:%Y-%m-%d %H:%MZ}" if each.recorded_at else ""
        console.print(f"revision {each.revision}{' (live)' if each.live else ''}{recorded}", style="bold")
        aside = "?" if each.quarantined is None else f"{each.quarantined:,}"
        print_line(f"  model     {each.model} ({each.model_digest}), {each.resolution}")
        if each.predicted_by != f"version {each.model}":
            print_line(f"  rows by   {each.predicted_by}")
        print_line(f"  snapshot  {each.snapshot} ({each.snapshot_digest}): {each.rows:,} rows, {aside} set aside")
        for remark in left_out(each.remarks):
            print_line(f"  left out  {remark}")
        console.print(f"  run       {each.run_id}", highlight=False, soft_wrap=True)


def diff(
    use_case: UseCaseName,
    window: Annotated[str, typer.Option("--window")],
    revisions: Annotated[tuple[int, int], typer.Option("--revisions", help="Two of them, such as 1 2.")],
    json: AsJson = False,
) -> None:
    """Show which rows changed between two revisions, and by how much."""
    from perennial.review import history as job

    session = Session()
    loaded = session.use_case(use_case)
    found = job.diff(loaded, one_window(loaded, window), *revisions, session.ports)
    if json:
        print(jsonlib.dumps(as_json(found), default=str))
        return
    console.print(
        f"{found.same:,} rows the same, {found.changed:,} changed, {found.added:,} added, {found.removed:,} removed",
        highlight=False,
    )
    if found.greatest_difference is not None and found.mean_absolute_difference is not None:
        console.print(
            f"changed by {found.mean_absolute_difference:.6g} on average, at most {found.greatest_difference:.6g}",
            highlight=False,
        )
    for erased in found.erased:
        print_line(erased)
    headings = (loaded.spec.key, f"revision {found.before}", f"revision {found.after}", "by")
    rows = [
        (str(row.entity), *("" if n is None else f"{n:.6g}" for n in (row.before, row.after, row.difference)))
        for row in found.rows[:SHOWN_ROWS]
    ]
    print_table(headings, rows)
    if len(found.rows) > SHOWN_ROWS:
        console.print(f"… and {len(found.rows) - SHOWN_ROWS:,} more; --json has all of them", highlight=False)


def reproduce(
    use_case: UseCaseName, window: WindowStart = None, start: From = None, end: To = None, json: AsJson = False
) -> None:
    """Make recorded predictions and measurements again and compare them, digest by digest; write nothing."""
    from perennial.review import reproduce as job

    session = Session()
    loaded = session.use_case(use_case)
    windows = windows_of(loaded, window, start, end)
    found: list[job.Reproduced] = []
    with progress("windows", len(windows)) as advance:
        for one in windows:
            made = job.run(loaded, one, session.ports)
            found += made
            advance(rows=sum(each.rows for each in made))
    if json:
        show(found, as_json_lines=True)
    else:
        rows = []
        for each in found:
            again = each.why_not or ("the same" if each.same else f"DIFFERENT: {each.again}")
            if each.erased:
                again = f"erased: {each.erased}"
            rows.append((start_of(each.window), each.what, each.recorded, again))
        print_table(("window", "what", "recorded", "again"), rows)
    if not all(each.same or each.erased for each in found):
        raise typer.Exit(EXIT_DIFFERENT)


def explain(
    use_case: UseCaseName,
    entity: Annotated[str, typer.Option("--entity", help="Key of the row.")],
    window: WindowStart = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write one HTML file there.", callback=to_write)] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Show what was known at this time. Default: now.")
    ] = None,
) -> None:
    """Go from one prediction back to model, training set, data, checks, code, run and approver."""
    from perennial.review import explain as job
    from perennial.review.evidence_page import as_html, as_text

    session = Session()
    loaded = session.use_case(use_case)
    moment = parse_instant(as_of, loaded.spec.schedule.timezone) if as_of else clock.now()
    evidence = as_json(
        job.run(
            loaded,
            entity,
            one_window(loaded, window) if window else None,
            moment,
            session.ports,
            airflow_url=session.settings.environment.get(AIRFLOW_URL),
        )
    )
    if html is not None:
        html.write_text(as_html(evidence), "utf-8")
        print_line(f"written to {html}")
    elif json:
        print(jsonlib.dumps(evidence, default=str))
    else:
        console.print(as_text(evidence), markup=False, highlight=False, soft_wrap=True)
