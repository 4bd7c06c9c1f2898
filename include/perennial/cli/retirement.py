"""Commands that take out of service: versions of a model, a whole use case, or all that is about an entity."""

from typing import Annotated

import typer

from perennial import clock
from perennial.cli.session import Session, show
from perennial.cli.steps import AsJson, UseCaseName
from perennial.cli.tables import print_line
from perennial.spec.ended import ENDED_FILE


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(archive)
    app.command(name="restore-version")(restore_version)
    app.command()(decommission)
    app.command()(erase)


def archive(
    use_case: UseCaseName,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    json: AsJson = False,
) -> None:
    """Archive the model versions that were superseded long ago, and say of the others why they stay."""
    from perennial.jobs.upkeep import archive as job

    session = Session()
    loaded = session.use_case(use_case)
    now = clock.now()
    show(job.plan(loaded, now, session.ports), as_json_lines=json)
    if not dry_run:
        done = job.run(loaded, now, session.ports, session.archive, session.run_id, actor=session.actor)
        show(done, as_json_lines=json)


def restore_version(
    use_case: UseCaseName,
    version: Annotated[str, typer.Argument(help="A version that was archived.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the ledger.")],
    json: AsJson = False,
) -> None:
    """Bring an archived model version back, so that it may serve again."""
    from perennial.jobs.upkeep import archive as job

    session = Session()
    loaded = session.use_case(use_case)
    done = job.restore(
        loaded, version, session.ports, session.archive, session.run_id, actor=session.actor, reason=reason
    )
    show([done], as_json_lines=json)


def decommission(
    use_case: UseCaseName,
    execute: Annotated[
        bool, typer.Option("--execute", help="Do it. Without this option, only say what would be done.")
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", help="Why; it is kept in the ledger. Required with --execute.")
    ] = "",
    erase: Annotated[
        str, typer.Option("--erase", help="Data to erase, e.g. snapshots,quarantine,labels. The rest is kept.")
    ] = "",
    json: AsJson = False,
) -> None:
    """End a use case: no more runs, its published table marked, its data kept or erased. First says what would be done.

    Erasing can't be undone. The ledger and the models are kept.
    """
    from perennial.jobs.upkeep import decommission as job

    wanted = [each.strip() for each in erase.split(",") if each.strip()]
    known = [each.value for each in job.DataClass]
    if unknown := [each for each in wanted if each not in known]:
        raise typer.BadParameter(f"{', '.join(unknown)}: no such data; there are {', '.join(known)}")
    if execute and not reason.strip():
        raise typer.BadParameter("say with --reason why the use case ends")
    classes = [job.DataClass(each) for each in wanted]
    session = Session()
    loaded = session.use_case(use_case)
    show(job.plan(loaded, classes, session.ports), as_json_lines=json)
    if not execute:
        if not json:
            print_line("Nothing was changed. To do it, add --execute --reason ….")
        return
    done = job.run(
        loaded, classes, clock.now(), session.ports, session.run_id, actor=session.actor, reason=reason.strip()
    )
    show(done, as_json_lines=json)
    if not json:
        print_line(
            f"{loaded.folder / ENDED_FILE} says so, too. If Airflow reads its DAGs from a copy of that folder, put "
            "the file there."
        )


def erase(
    use_case: UseCaseName,
    entity: Annotated[str, typer.Option("--entity", help="Key of the rows, as `explain` takes it.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it. Without this option, only say what would be done.")
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", help="Why; it is kept in the ledger, so name nobody in it. Required with --yes.")
    ] = "",
    json: AsJson = False,
) -> None:
    """Erase an entity from all rows, in the lake's history too. First says what would be done.

    It can't be undone. The ledger keeps who asked and what was rewritten, and a digest in the place of the key.
    """
    from perennial.jobs.erase import run as job

    if yes and not reason.strip():
        raise typer.BadParameter("say with --reason why the entity is erased")
    session = Session()
    loaded = session.use_case(use_case)
    found = job.plan(loaded, entity, session.ports)
    if not found:
        if not json:
            print_line("No store has anything about that entity.")
        return
    show(found, as_json_lines=json)
    if not yes:
        if not json:
            print_line("Nothing was changed. To do it, add --yes --reason ….")
        return
    done = job.run(loaded, entity, session.ports, session.run_id, actor=session.actor, reason=reason.strip())
    show([done], as_json_lines=json)
