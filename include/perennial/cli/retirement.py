"""Commands that take out of service: versions of a model, or a whole use case."""

from typing import Annotated

import typer

from perennial import clock
from perennial.cli.session import Session, show
from perennial.cli.steps import AsJson, Reason, UseCaseName


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(archive)
    app.command(name="restore-version")(restore_version)


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
    reason: Reason,
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
