"""Commands that keep the stores in order: reconcile, maintain."""

from typing import Annotated

import typer

from perennial import clock
from perennial.cli.session import Session, console, show
from perennial.cli.steps import AsJson, UseCaseName


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(reconcile)
    app.command()(maintain)
    app.command()(version)


def reconcile(
    use_case: UseCaseName,
    everything: Annotated[
        bool, typer.Option("--all", help="Read the rows of every window: after a restore, or when in doubt.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Compare aliases and stores with the ledger, and put right what differs.

    Every window is compared by counts, revisions and files. Rows are read of windows that differ or are new, and of a
    thirtieth of all others, another one each day; with --all, of every window.

    Ends with 3 when something is left that only you can put right; it says what to do.
    """
    from perennial.jobs.upkeep import reconcile as job

    session = Session()
    loaded = session.use_case(use_case)
    done = job.run(loaded, clock.now(), session.ports, session.run_id, actor=session.actor, everything=everything)
    show([done], as_json_lines=json)
    job.require_all(done)


def maintain(
    use_case: UseCaseName,
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it. Without this option, only say what would be removed.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Optimize the lake's tables; remove files that nobody needs any more, rows that are older than the spec keeps
    them, and what rejected retrainings left.
    """
    from perennial.jobs.upkeep import aged, rejected, samples
    from perennial.jobs.upkeep import maintain as job

    session = Session()
    loaded = session.use_case(use_case)
    show(aged.plan(loaded, clock.now(), session.ports), as_json_lines=json)
    show(samples.plan(loaded, clock.now(), session.ports), as_json_lines=json)
    show(job.plan(loaded, clock.now(), session.ports), as_json_lines=json)
    show(rejected.plan(loaded, clock.now(), session.ports), as_json_lines=json)
    if apply:
        show(aged.run(loaded, clock.now(), session.ports, session.run_id, actor=session.actor), as_json_lines=json)
        show(samples.run(loaded, clock.now(), session.ports, session.run_id, actor=session.actor), as_json_lines=json)
        done = job.run(loaded, clock.now(), session.ports, session.run_id, actor=session.actor)
        show(done, as_json_lines=json)
        show(rejected.run(loaded, clock.now(), session.ports, session.run_id, actor=session.actor), as_json_lines=json)


def version() -> None:
    """Print the version of the code and the digest of its dependencies, as the ledger records them."""
    from perennial.code_version import code_version, lock_digest

    console.print(f"{code_version()} with dependencies {lock_digest()}", highlight=False, soft_wrap=True)
