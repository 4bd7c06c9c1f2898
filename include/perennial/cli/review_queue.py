"""Commands about the review queue: what people are asked, their answers, and the hand-over to Label Studio."""

from pathlib import Path
from typing import Annotated

import typer

from perennial import clock
from perennial.cli.files import to_write
from perennial.cli.session import Session, one_window, show, start_of, windows_of
from perennial.cli.steps import AsJson, From, To, UseCaseName, WindowStart
from perennial.cli.tables import print_line, print_table
from perennial.wording import counted

ORIGIN = "command line"

app = typer.Typer(help="Rows that people are asked about: list, answer, hand over.", no_args_is_help=True)

Entity = Annotated[str, typer.Option("--entity", help="The row's key, as `list` shows it.")]
OfWindow = Annotated[str, typer.Option("--window", help="Start of the window.")]
Connection = Annotated[str, typer.Option(help="The connection to Label Studio: its address, with the token.")]
Project = Annotated[int, typer.Option(help="The number of the project in Label Studio.")]


@app.command("list")
def list_(
    use_case: UseCaseName,
    until: Annotated[
        str | None, typer.Option(help="Only windows that had ended by then. Default: up to the newest.")
    ] = None,
    json: AsJson = False,
) -> None:
    """List the rows that wait for an answer, the newest window first, and how people's answers compare."""
    from perennial.review import open_questions
    from perennial.window import parse_instant

    session = Session()
    loaded = session.use_case(use_case)
    moment = parse_instant(until, loaded.spec.schedule.timezone) if until else None
    found = open_questions.run(loaded, clock.now(), session.ports, moment)
    if json:
        show([found], as_json_lines=True)
        return
    if not found.asks and not found.windows:
        print_line(f"Nobody is asked about {use_case}: its use_case.yaml has no `review`.")
        return
    columns = open_questions.seen_columns(loaded.spec)
    rows = [
        (start_of(each.window), each.entity, *("" if (v := each.values.get(c)) is None else str(v) for c in columns))
        for each in found.questions
    ]
    if rows:
        print_table(("window", found.key, *columns), rows)
    print_line(
        f"Of {counted(found.windows, 'window')}: {found.waiting:,} rows wait for an answer, {found.answered:,} have "
        f"one; {found.decided:,} have their outcome by now."
        + (f" Earlier windows: --until {found.earlier:%Y-%m-%dT%H:%MZ}" if found.earlier else "")
    )
    if found.measured is not None:
        from perennial.review.by_people import sentences

        for line in sentences(found.measured):
            print_line(line)


@app.command()
def answer(
    use_case: UseCaseName,
    window: OfWindow,
    entity: Entity,
    value: Annotated[str, typer.Option("--answer", help="yes or no; for a regression, the number.")],
    json: AsJson = False,
) -> None:
    """Say what the outcome of a row is. A later answer takes the place of an earlier one."""
    _record(use_case, window, entity, value, json)


@app.command()
def withdraw(use_case: UseCaseName, window: OfWindow, entity: Entity, json: AsJson = False) -> None:
    """Take your answer back: the row is asked about again."""
    _record(use_case, window, entity, None, json)


@app.command()
def export(
    use_case: UseCaseName,
    label_studio: Annotated[
        Path, typer.Option("--label-studio", help="The file to write, as Label Studio imports it.", callback=to_write)
    ],
) -> None:
    """Write the rows that wait for an answer into a file that Label Studio imports."""
    import json as json_

    from perennial.handover import label_studio as form
    from perennial.review import open_questions

    session = Session()
    loaded = session.use_case(use_case)
    found = open_questions.run(loaded, clock.now(), session.ports, most=form.MOST, windows_read=form.MOST)
    label_studio.write_text(json_.dumps(form.tasks(found), indent=1, default=str))
    earlier = f" Windows before {found.earlier:%Y-%m-%dT%H:%MZ} were not looked at." if found.earlier else ""
    print_line(f"{len(found.questions):,} rows written to {label_studio}.{earlier} The project's labelling interface:")
    print_line(form.interface(loaded.spec))


@app.command("import")
def import_(
    use_case: UseCaseName,
    label_studio: Annotated[
        Path,
        typer.Option(
            "--label-studio", help="What Label Studio exported as JSON.", exists=True, dir_okay=False, readable=True
        ),
    ],
    json: AsJson = False,
) -> None:
    """Take the answers of a file that Label Studio exported as JSON. Answers that were taken before are skipped."""
    from perennial.handover import label_studio as form

    session = Session()
    loaded = session.use_case(use_case)
    exported = form.read(label_studio.read_bytes())
    taken = form.take(loaded, exported, {}, session.ports, session.run_id, clock.now())
    show([taken], as_json_lines=json)


@app.command()
def push(
    use_case: UseCaseName, project: Project, connection: Connection = "label_studio", json: AsJson = False
) -> None:
    """Send the rows that wait for an answer to a project of Label Studio, except those that it already has."""
    from perennial.handover import label_studio as form
    from perennial.handover.label_studio_api import LabelStudio
    from perennial.review import open_questions

    session = Session()
    loaded = session.use_case(use_case)
    found = open_questions.run(loaded, clock.now(), session.ports, most=form.MOST, windows_read=form.MOST)
    server = LabelStudio.at(session.connections.url(connection))
    show([form.push(found, server, project)], as_json_lines=json)


@app.command()
def pull(
    use_case: UseCaseName, project: Project, connection: Connection = "label_studio", json: AsJson = False
) -> None:
    """Take the answers from a project of Label Studio. Answers that were taken before are skipped."""
    from perennial.handover import label_studio as form
    from perennial.handover.label_studio_api import LabelStudio

    session = Session()
    loaded = session.use_case(use_case)
    server = LabelStudio.at(session.connections.url(connection))
    exported, people = form.read(server.exported(project)), server.people()
    taken = form.take(loaded, exported, people, session.ports, session.run_id, clock.now())
    show([taken], as_json_lines=json)


@app.command()
def select(
    use_case: UseCaseName, window: WindowStart = None, start: From = None, end: To = None, json: AsJson = False
) -> None:
    """Choose the rows of scored windows that people are asked about, as the DAG does after scoring."""
    from perennial.jobs.predict import select_for_review as job

    session = Session()
    loaded = session.use_case(use_case)
    windows = windows_of(loaded, window, start, end)
    show([job.run(loaded, each, session.ports, session.run_id) for each in windows], as_json_lines=json)


def _record(use_case: str, window: str, entity: str, value: str | None, json: bool) -> None:
    from perennial.records import human_labels

    session = Session()
    loaded = session.use_case(use_case)
    said = human_labels.answer(
        loaded,
        one_window(loaded, window),
        entity,
        None if value is None else human_labels.outcome_of(loaded.spec, value),
        session.ports,
        session.run_id,
        author=session.actor,
        answered_at=clock.now(),
        origin=ORIGIN,
    )
    show([said], as_json_lines=json)
