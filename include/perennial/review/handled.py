"""What people did about the quarantine of a window: what they accepted, which replays they asked for, and why."""

from dataclasses import dataclass
from datetime import datetime

from perennial.ledger.entries import Intervention, InterventionKind, ValidationResult
from perennial.ports import Ports
from perennial.records.gate import is_about
from perennial.verdict import Verdict
from perennial.window import Window

BY_HAND = (InterventionKind.ROWS_ACCEPTED, InterventionKind.REPLAY_ASKED)


@dataclass(frozen=True)
class NewVerdict:
    """A verdict on the window that was recorded after somebody did something about it."""

    verdict: Verdict
    run_id: str
    recorded_at: datetime


@dataclass(frozen=True)
class Handled:
    """One thing that the person `actor` did. `rule` and `rows` say what was accepted; for a replay they are None.

    `snapshot_digest` names the rows that it was about, "" where that is not on record. `of_latest` says whether
    it was about the rows that the window has now. `since` is the window's last verdict if it is newer, else None: then
    no run has validated the window since, or it came to the verdict that was there.
    """

    kind: InterventionKind
    rule: str | None
    rows: int | None
    actor: str
    reason: str
    run_id: str
    recorded_at: datetime
    snapshot_digest: str
    of_latest: bool
    since: NewVerdict | None


def run(use_case: str, window: Window, ports: Ports) -> tuple[Handled, ...]:
    """What people did about the window, in the order they did it. Errors: `StoreUnavailable`."""
    ledger = ports.ledger
    entries = [entry for kind in BY_HAND for entry in ledger.interventions_on(use_case, kind, [window])]
    if not entries:
        return ()
    snapshot = ledger.latest_snapshot(use_case, window)
    verdicts = ledger.validations_between(use_case, window.start, window.end)
    last = next((verdict for verdict in verdicts if verdict.window == window), None)
    latest = snapshot.digest if snapshot else ""
    return tuple(_handled(entry, latest, last) for entry in sorted(entries, key=lambda entry: entry.id or 0))


def _handled(entry: Intervention, latest: str, last: ValidationResult | None) -> Handled:
    assert entry.recorded_at is not None, "the ledger stamps every entry"
    return Handled(
        kind=entry.kind,
        rule=entry.details.get("rule"),
        rows=entry.details.get("rows"),
        actor=entry.actor,
        reason=entry.reason,
        run_id=entry.run_id,
        recorded_at=entry.recorded_at,
        snapshot_digest=entry.details.get("snapshot_digest", ""),
        of_latest=is_about(latest, entry),
        since=_newer(last, entry.recorded_at),
    )


def _newer(verdict: ValidationResult | None, moment: datetime) -> NewVerdict | None:
    if verdict is None or verdict.recorded_at is None or verdict.recorded_at <= moment:
        return None
    return NewVerdict(verdict.verdict, verdict.run_id, verdict.recorded_at)
