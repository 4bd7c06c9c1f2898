"""Commands about data that comes late: looking for it, and how late it usually is."""

import json as jsonlib

import typer

from perennial.cli.session import Session, console, show, windows_of
from perennial.cli.steps import AsJson, From, To, UseCaseName, WindowStart
from perennial.cli.tables import print_table
from perennial.encoding import as_json
from perennial.window import parse_instant


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("late-data")(late_data)
    app.command()(lateness)


def late_data(
    use_case: UseCaseName, window: WindowStart = None, start: From = None, end: To = None, json: AsJson = False
) -> None:
    """Look again at the windows before these, as far back as the spec's `late_data`; score those that changed."""
    from perennial.jobs.predict import late as job

    session = Session()
    loaded = session.use_case(use_case)
    windows = windows_of(loaded, window, start, end)
    show([job.run(loaded, each, session.ports, session.run_id) for each in windows], as_json_lines=json)


def lateness(use_case: UseCaseName, start: From = None, end: To = None, json: AsJson = False) -> None:
    """Show how late rows come, by the last 100 windows, so that `schedule.delay` and `late_data` can be chosen."""
    from perennial.review import lateness as review

    session = Session()
    loaded = session.use_case(use_case)
    zone = loaded.spec.schedule.timezone
    first, last = (parse_instant(text, zone) if text else None for text in (start, end))
    found = review.run(loaded, session.ledger, first, last)
    if json:
        print(jsonlib.dumps(as_json(found)))
        return
    console.print(str(found), highlight=False, soft_wrap=True)
    if found.windows_left_out:
        console.print(
            f"{found.windows_left_out} windows are left out, because they were read too late to tell", highlight=False
        )
    if found.windows:
        print_table(
            ("windows later", "rows there", "came", "went", "changed"),
            [
                (
                    str(age.windows_later),
                    f"{age.share_there:.2%}",
                    *(f"{count:,}" for count in (age.new, age.gone, age.changed)),
                )
                for age in found.ages
            ],
        )
