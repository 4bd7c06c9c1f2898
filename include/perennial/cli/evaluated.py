"""What came of an evaluation and of a rollback, as people read it."""

from typing import TYPE_CHECKING

from perennial.cli.retrained import in_service
from perennial.cli.session import start_of
from perennial.cli.tables import print_line
from perennial.verdict import RETRAIN
from perennial.window import stamp
from perennial.wording import counted

if TYPE_CHECKING:
    from perennial.jobs.evaluate.measure import Measured, NewestWindow
    from perennial.jobs.evaluate.rescore import Rescored
    from perennial.jobs.evaluate.rollout import RolledOut
    from perennial.jobs.retrain.deploy import Deployed


def print_measured(measured: "Measured") -> None:
    """How many windows were measured, the metric of the newest of them, and what was decided."""
    print_line(f"As of {stamp(measured.as_of)}: {measured.outcome}.")
    if measured.drifted_labels:
        print_line(f"The labels of {counted(measured.drifted_labels, 'final window')} have drifted.", "yellow")
    if measured.newest is not None:
        print_line(_newest(measured.newest))
    decision = measured.decision
    said = f"Decision on retraining: {decision.action}. {' '.join(decision.reasons)}"
    print_line(said, "yellow" if decision.action == RETRAIN else None)


def print_rolled_out(decided: "RolledOut") -> None:
    """What became of the stage of a roll-out, and why."""
    print_line(f"Roll-out: {decided.outcome}.")
    for reason in decided.reasons:
        print_line(f"  {reason}")
    if decided.rescored is not None:
        print_rescored(decided.rescored)


def print_rolled_back(deployed: "Deployed") -> None:
    """Which version is in service now, and its digest."""
    print_line(in_service(deployed))


def print_rescored(again: "Rescored") -> None:
    """How many windows of a rollback were scored again, and which could not be."""
    took = "" if again.seconds is None else f", {again.seconds:.0f} s after the decision"
    print_line(f"Rollback: {counted(again.windows, 'window')} scored again{took}.")
    for each in again.failed:
        print_line(f"  not scored again: {each}", "yellow")


def _newest(newest: "NewestWindow") -> str:
    known = newest.low is not None and newest.high is not None
    interval = f" (95% interval {newest.low:.4f} to {newest.high:.4f})" if known else ""
    labels = f"{newest.maturity.value.replace('_', ' ')} labels"
    return f"Newest window {start_of(newest.window)}: {newest.metric} {newest.value:.4f}{interval}, {labels}."
