"""Quarantine: letting rows in by hand, asking for the replay of a window, and which windows are concerned.

A process of its own makes one such change and ends, so what is imported here costs the person who waits for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from perennial.errors import AlreadyAccepted, AlwaysHolds, NotEnoughData, SnapshotChanged
from perennial.ledger.entries import Intervention, InterventionKind, Snapshot
from perennial.ports import Ports
from perennial.quality.caught import always_holds, caught_by_rule
from perennial.records.gate import accepted_rules, is_about, quarantined_rows, snapshot_of
from perennial.records.leases import data_lease
from perennial.records.retained import quarantine_expired
from perennial.spec.load import LoadedUseCase
from perennial.window import Window


@dataclass(frozen=True)
class Accepted:
    """What was let in: it takes effect when the window is validated again."""

    window: Window
    rule: str
    rows: int
    snapshot_digest: str


@dataclass(frozen=True)
class ReplayAsked:
    """That somebody wants a window replayed is on record: `snapshot_digest` names the rows that it had then."""

    window: Window
    snapshot_digest: str


def accept(
    use_case: LoadedUseCase,
    window: Window,
    rule: str,
    ports: Ports,
    run_id: str,
    *,
    actor: str,
    reason: str,
    looked_at: str | None = None,
) -> Accepted:
    """Let in what a rule caught in the window's latest snapshot, and in no other. Of several who do it, one does.

    `looked_at` is the digest of the snapshot whose rows the person saw, None for whichever is the latest. No run
    ingests or validates the window meanwhile. Errors: `NotIngested`; `SnapshotChanged` when `looked_at` is not the
    latest; `AlreadyAccepted`; `NotEnoughData` when the rule caught nothing there, `RowsExpired` when what it caught
    went by age; `AlwaysHolds`; `WindowBusy`, `LeaseLost`, `StoreUnavailable`.
    """
    with data_lease(use_case.name, window, ports, run_id) as lease:
        snapshot = snapshot_of(use_case, window, ports)
        if looked_at not in (None, snapshot.digest):
            raise SnapshotChanged(
                f"{use_case.name} {window} was ingested again since you looked at it ({snapshot.run_id}): the rows in "
                "quarantine may be others. Look again, and then decide."
            )
        _refuse_if_accepted(snapshot, rule, ports)
        rows = _caught_by(snapshot, rule, ports)
        ports.ledger.record_intervention(
            Intervention(
                use_case=use_case.name,
                kind=InterventionKind.ROWS_ACCEPTED,
                subject=f"{snapshot.digest} {rule}",
                actor=actor,
                reason=reason,
                details={"window": window.key, "snapshot_digest": snapshot.digest, "rule": rule, "rows": rows},
                run_id=run_id,
            ),
            lease,
        )
    return Accepted(window, rule, rows, snapshot.digest)


def ask_replay(
    use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str, *, actor: str, reason: str
) -> ReplayAsked:
    """Record who wants the window replayed, and why. Whoever asks begins the run itself.

    Errors: `NotIngested`, `StoreUnavailable`.
    """
    snapshot = snapshot_of(use_case, window, ports)
    ports.ledger.record_intervention(
        Intervention(
            use_case=use_case.name,
            kind=InterventionKind.REPLAY_ASKED,
            subject=window.key,
            actor=actor,
            reason=reason,
            details={"window": window.key, "snapshot_digest": snapshot.digest},
            run_id=run_id,
        )
    )
    return ReplayAsked(window, snapshot.digest)


def affected(use_case: LoadedUseCase, windows: Iterable[Window], ports: Ports) -> list[Window]:
    """The windows whose latest snapshot has rows in quarantine, or rows that were let in since it was scored."""
    found = []
    for window in windows:
        snapshot = ports.ledger.latest_snapshot(use_case.name, window)
        if snapshot is None:
            continue
        verdict = ports.ledger.counting_verdict(use_case.name, window)
        set_aside = verdict is not None and verdict.snapshot_digest == snapshot.digest and verdict.rows_quarantined
        if set_aside or accepted_rules(snapshot, ports.ledger):
            found.append(window)
    return found


def _refuse_if_accepted(snapshot: Snapshot, rule: str, ports: Ports) -> None:
    for entry in ports.ledger.interventions_on(snapshot.use_case, InterventionKind.ROWS_ACCEPTED, [snapshot.window]):
        if is_about(snapshot.digest, entry) and entry.details.get("rule") == rule:
            raise AlreadyAccepted(
                f"{entry.actor} accepted what {rule} caught in {snapshot.use_case} {snapshot.window} on "
                f"{entry.recorded_at:%Y-%m-%d at %H:%M UTC}: {entry.reason!r}. That takes effect when the window is "
                "validated again: replay it."
            )


def _caught_by(snapshot: Snapshot, rule: str, ports: Ports) -> int:
    """How many rows of the snapshot the rule caught. Errors: `NotEnoughData` for none, `AlwaysHolds`, `RowsExpired`."""
    rows = quarantined_rows(snapshot, ports.lake)
    if (gone := quarantine_expired(snapshot, rows.num_rows, ports.ledger)) is not None:
        raise gone
    catches = {name: np.count_nonzero(mask) for name, mask in caught_by_rule(rows).items()} if rows.num_rows else {}
    if rule not in catches:
        known = ", ".join(sorted(catches)) or "none"
        raise NotEnoughData(
            f"{snapshot.use_case} {snapshot.window}: {rule!r} caught no row of the latest snapshot; "
            f"rules that did: {known}."
        )
    if always_holds(rule):
        raise AlwaysHolds(
            f"What {rule!r} catches can't be accepted: rows without a key, doubled, out of their window, with an "
            "infinite number or with unreadable cells can't be scored. Correct the source, and then replay the "
            "window."
        )
    return int(catches[rule])
