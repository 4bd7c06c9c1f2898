"""`perennial doctor`: checks a deployment, and says how to mend what it finds."""

import json as jsonlib
from typing import Annotated

import typer

EXIT_FOUND = 1


def doctor(
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 1 for a warning, too.")] = False,
    only: Annotated[list[str] | None, typer.Option("--only", help="A check by its name; may be repeated.")] = None,
) -> None:
    """Check this deployment as this host sees it: settings, databases, rights, stores, MLflow, clock, keys, DAGs.

    Nothing is changed: what is written to try a store is deleted again. Exit code 1 when a check fails.
    """
    from perennial.cli.connections import no_airflow_here
    from perennial.cli.session import Session
    from perennial.cli.tables import print_line
    from perennial.doctor.deployment import Deployment
    from perennial.doctor.examine import examine, report
    from perennial.doctor.finding import Status
    from perennial.doctor.in_airflow import examine_in_airflow
    from perennial.doctor.registry import CHECKS
    from perennial.encoding import as_json

    session = Session()
    chosen = {name: check for name, check in CHECKS.items() if not only or name in only}
    deployment = Deployment(session.settings, session.connections, lambda: session.lake_options)
    findings = examine(chosen, deployment)
    environment = session.settings.environment
    if not only or set(only) - set(CHECKS):
        inside = examine_in_airflow(environment, no_airflow_here(environment))
        findings += [each for each in inside if not only or each.check in only]
    if unknown := sorted(set(only or ()) - {each.check for each in findings}):
        raise typer.BadParameter(
            f"no check is called {', '.join(unknown)}; there are: {', '.join(CHECKS)}, and in Airflow"
        )
    found = report(findings)
    if json:
        print(jsonlib.dumps(as_json(found)))
    else:
        colours = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}
        for each in found.findings:
            todo = f" → {each.todo}" if each.todo else ""
            print_line(f"{each.status:<4}  {each.check}: {each.found}{todo}", colours[each.status])
    if not found.healthy or (strict and any(each.status is not Status.OK for each in found.findings)):
        raise typer.Exit(EXIT_FOUND)
