"""A person's word on what a check would stop."""

from typing import Annotated

import typer

from perennial.cli.session import Session, show
from perennial.cli.steps import AsJson, UseCaseName


def allow_feature(
    use_case: UseCaseName,
    column: Annotated[str, typer.Argument(help="The column that alone predicts the outcome nearly perfectly.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it is known before the outcome; kept in the ledger.")],
    json: AsJson = False,
) -> None:
    """Let retrainings use a column that alone predicts the outcome nearly perfectly."""
    from perennial.jobs.retrain import allow_feature as job

    session = Session()
    loaded = session.use_case(use_case)
    done = job.run(loaded, column, session.ports, session.run_id, actor=session.actor, reason=reason)
    show([done], as_json_lines=json)
