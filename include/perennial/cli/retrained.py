"""What came of a retraining, as people read it: the decision with its reasons, the scores, and what is in service."""

from typing import TYPE_CHECKING

from perennial.cli.tables import print_line, print_table
from perennial.ledger.entries import DeployedRole

if TYPE_CHECKING:
    from perennial.jobs.retrain.deploy import Deployed
    from perennial.jobs.retrain.judge import Judged


def print_retrained(judged: "Judged", deployed: "Deployed | None", awaits: str | None) -> None:
    """Print it all; `awaits` says why a winner was not deployed."""
    first, *others = judged.reasons
    print_line(f"{judged.action}: {first}", "green" if judged.winner else "yellow")
    for reason in others:
        print_line(f"  {reason}")
    _print_scores(judged)
    if judged.winner is not None and judged.refitted is not None:
        print_line(
            f"{judged.winner.candidate} was judged after {judged.winner.rows:,} rows, and fitted again on all "
            f"{judged.refitted.rows:,}."
        )
    if awaits:
        print_line(awaits, "yellow")
    elif deployed is not None:
        print_line(in_service(deployed))
    else:
        print_line("The champion stays." if judged.champion_id is not None else "No model is in service.")


def _print_scores(judged: "Judged") -> None:
    names = list(dict.fromkeys(name for scores in judged.scores.values() for name in scores))
    rows = [
        (model, *(f"{scores[name]:.4f}" if name in scores else "" for name in names))
        for model, scores in judged.scores.items()
    ]
    print_table(("on the holdout", *names), rows)


def in_service(deployed: "Deployed") -> str:
    """Which version serves, in which role, from when on, and its digest."""
    version, since = f"Version {deployed.model_version}", f"from {deployed.effective_from:%Y-%m-%dT%H:%MZ} on"
    role = f"is a challenger in the shadow {since}"
    if deployed.role == DeployedRole.CHAMPION:
        role = f"is the champion {since}"
    elif deployed.share:
        role = f"predicts {deployed.share}% of the rows as challenger {since}"
    return f"{version} {role}. Its digest is {deployed.model_digest}."
