"""What a step of predicting did with a window, in one line with its colour, for `run` and for the steps' commands."""

from typing import TYPE_CHECKING

from perennial.cli.session import start_of
from perennial.cli.tables import MARKS, console, print_line

if TYPE_CHECKING:
    from perennial.jobs.predict.ingest import Ingested
    from perennial.jobs.predict.monitor import Monitored
    from perennial.jobs.predict.score import Scored
    from perennial.jobs.predict.validate import Validated
    from perennial.window import Window

Outcome = tuple[str | None, str]


def print_outcome(window: "Window", step: str, outcome: Outcome) -> None:
    """Print the line of a step; `cut` and `awk` find tabs between its parts."""
    style, text = outcome
    gap = "  " if console.is_terminal else "\t"
    name = f"{step:<8}" if console.is_terminal else step
    print_line(gap.join((start_of(window), name, text)), style)


def of_ingest(ingested: "Ingested") -> Outcome:
    """How many rows the snapshot has."""
    unchanged = "" if ingested.changed else ", unchanged"
    return None, f"{ingested.rows:,} rows, snapshot {ingested.version} ({ingested.digest[:12]}){unchanged}"


def of_validate(validated: "Validated") -> Outcome:
    """The verdict and its reasons."""
    aside = f", {validated.rows_quarantined:,} set aside" if validated.rows_quarantined else ""
    return MARKS[validated.verdict], f"{validated.verdict}{aside}: {' '.join(validated.reasons)}"


def of_score(scored: "Scored", no_shadow: str | None = None) -> Outcome:
    """How many rows were predicted, and by which models; `no_shadow` says why a challenger in the shadow did not."""
    unchanged = "" if scored.changed else ", unchanged"
    theirs = f", {scored.challenger_rows:,} of them by {scored.challenger}" if scored.challenger_rows else ""
    said = f"{scored.rows:,} rows, revision {scored.revision} by model {scored.model_version}{theirs}{unchanged}"
    wrong = " ".join((scored.failed or no_shadow or "").split())
    return ("yellow", f"{said}; roll-out: {wrong}") if wrong else (None, said)


def of_monitor(monitored: "Monitored") -> Outcome:
    """The verdict on drift, and what was decided."""
    said = f"{monitored.verdict}, decision {monitored.decision.action}: {' '.join(monitored.decision.reasons)}"
    return MARKS[monitored.verdict], said
