"""The command about the roll-out under way: what it is in, and a person's word on it."""

from typing import Annotated

import typer

from perennial.cli.session import Session, show
from perennial.cli.steps import AsJson, UseCaseName
from perennial.cli.tables import print_line, print_table


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(rollout)


def rollout(
    use_case: UseCaseName,
    advance: Annotated[bool, typer.Option("--advance", help="Take it to its next stage.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End it: the champion predicts all rows.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the ledger.")] = "",
    json: AsJson = False,
) -> None:
    """Show the roll-out under way, its stage and evidence, and who stands by; or advance or stop it, with a reason."""
    from perennial import clock
    from perennial.jobs.evaluate import rollout_by_hand as job
    from perennial.review import going_back
    from perennial.review import rollout as report

    if advance and stop:
        raise typer.BadParameter("say --advance or --stop, not both")
    if (advance or stop) and not reason.strip():
        raise typer.BadParameter("say why: --reason TEXT")
    session = Session()
    loaded = session.use_case(use_case)
    if advance or stop:
        action = job.ByHand.ADVANCE if advance else job.ByHand.STOP
        done = job.run(loaded, action, session.ports, session.run_id, actor=session.actor, reason=reason)
        show([done], as_json_lines=json)
        return
    found = report.run(loaded.spec, session.ports)
    if json:
        show([found] if found else [], as_json_lines=True)
        return
    back = going_back.run(loaded.spec, clock.now(), session.ports.ledger)
    if found is None:
        print_line(f"{use_case} has no roll-out under way.")
    if back is not None and back.standby is not None:
        print_line(f"Version {back.standby.version} stands by, {back.standby.readiness}.")
    if found is None:
        return
    print_line(found.sentence)
    for each in found.decision.reasons if found.decision else ():
        print_line(f"  {each}")
    rows = [
        (f"{each.start:%Y-%m-%dT%H:%MZ}", *map(_number, (each.champion, each.challenger, each.gain)), f"{each.rows:,}")
        for each in found.windows
    ]
    if rows:
        headings = ("window", f"champion {found.champion}", f"challenger {found.challenger}", "gain", "rows")
        print_table(headings, rows)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
