"""Erase: an entity is removed from every store, from the lake's past too, and the ledger says so without naming it.

The order is: tombstone; window by window what is live, with the ledger's entries; then the past of every table. So a
live revision is true at every moment, and a run that was killed is finished by the next one, which finds what is left.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perennial.errors import ErasureUnfinished
from perennial.jobs.erase import find, rewrite
from perennial.jobs.erase.find import Whereabouts
from perennial.jobs.erase.window import Erasing, erase_from
from perennial.jobs.upkeep.decommission import TABLES, DataClass
from perennial.lake.port import Forgotten
from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ports import Ports
from perennial.records import erasure
from perennial.records.leases import take_back
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial.wording import counted

log = logging.getLogger(__name__)

MOST_NAMED = 5
PASSES = 3  # rows that come back while they are erased are looked for that often


@dataclass(frozen=True)
class Step:
    """One place, what becomes of it, and how much it is."""

    what: str
    becomes: str
    amount: str


@dataclass(frozen=True)
class Erased:
    """What was done: `tombstone` is the entry that stands for the entity, None where there was nothing to do.

    `rows` and `files` were removed from all versions of the lake's tables together; `unread` files could not be looked
    into, and of the windows `lost` the lake did not have what is live.
    """

    use_case: str
    tombstone: int | None
    windows: int
    rows: int
    files: int
    unread: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def plan(use_case: LoadedUseCase, entity: str, ports: Ports) -> list[Step]:
    """What `run` would do; nothing where the entity is nowhere. Errors: `StoreUnavailable`."""
    found, name = find.run(use_case, entity, ports), use_case.name
    subject, _ = erasure.named(entity, name, ports.ledger)
    begun = erasure.unfinished(subject, name, ports.ledger)
    lost = _lost_step(find.lost(use_case, ports))
    if not found.found and begun is None:
        return lost
    steps = [
        Step(f"{each} ({_table(name, each)})", "removed", counted(found.rows(each), "row"))
        for each in DataClass
        if found.rows(each)
    ]
    if found.windows:
        keys = [each.window.key for each in found.windows]
        span = keys[0] if len(keys) == 1 else f"{keys[0]} to {keys[-1]}"
        steps.append(Step(f"windows {span}", "written again, as new revisions", counted(len(keys), "window")))
    older = sum(each.older for each in found.windows)
    amount = f"{counted(older, 'row')} of older snapshots and revisions" if older else ""
    steps.append(Step("every version of the lake's tables", "rewritten without them", amount))
    if entries := sum(each.entries for each in found.windows):
        steps.append(Step("questions to people and their answers", "removed", str(entries)))
    if begun is not None:
        steps.append(Step("an erasure that was interrupted", "finished", f"begun on {begun.recorded_at:%Y-%m-%d}"))
    return steps + lost + _left_alone(use_case, found)


def run(use_case: LoadedUseCase, entity: str, ports: Ports, run_id: str, *, actor: str, reason: str) -> Erased:
    """Erase the entity, or finish erasing it.

    Errors: `WindowBusy` while a run works on a window of the use case, before anything is changed; `ErasureUnfinished`
    when its rows come back meanwhile; `LeaseLost`, `StoreUnavailable`. After any of them, run it again.
    """
    name = use_case.name
    take_back(name, ports, run_id)
    subject, made = erasure.named(entity, name, ports.ledger)
    erasing = Erasing(use_case, entity, subject, ports, run_id)
    entry = erasure.unfinished(subject, name, ports.ledger)
    removed: list[Forgotten] = []
    windows: set[Window] = set()
    found = find.run(use_case, entity, ports)
    lost = tuple(each.key for each in find.lost(use_case, ports))
    if entry is None and not found.found:
        return Erased(name, None, 0, 0, 0, lost=lost)
    if entry is None or _lacks(entry, found):
        entry = _record_begin(erasing, made, found, actor, reason)
    for _ in range(PASSES):
        for each in found.windows:
            erase_from(each.window, erasing)
            windows.add(each.window)
        removed += [ports.lake.forget(table(name), use_case.spec.key, entity) for table in TABLES.values()]
        found = find.run(use_case, entity, ports)
        if not found.found or _lacks(entry, found):
            break
    _refuse_what_came_back(found, name)
    return _record_end(erasing, entry, windows, removed, lost, actor)


def _record_begin(
    erasing: Erasing, made: Mapping[str, Any], found: Whereabouts, actor: str, reason: str
) -> Intervention:
    """The tombstone, before anything is removed: who asked, why, and what will be rewritten."""
    details = {
        erasure.ENTITY: dict(made),
        erasure.WINDOWS: [_planned(each, erasing) for each in found.windows],
        "training": dict(found.training),
        "models": list(found.models),
        "rows": {each.value: found.rows(each) for each in DataClass if found.rows(each)},
    }
    subject = erasing.subject
    recorded = erasing.ports.ledger.record_intervention(
        Intervention(erasing.name, InterventionKind.ENTITY_ERASED, subject, actor, reason, details, erasing.run_id)
    )
    log.info("%s: an entity is erased from %s", erasing.name, counted(len(found.windows), "window"))
    return recorded


def _planned(each: find.InWindow, erasing: Erasing) -> dict[str, Any]:
    """A window of the tombstone: rows by what holds them, and the digests of before and after."""
    use_case, ports, entity = erasing.use_case, erasing.ports, erasing.entity
    snapshots = [s for s in rewrite.snapshots_without(use_case, each.window, entity, ports) if s.gone]
    digests = {s.before.digest: s.digest for s in snapshots}
    batch = rewrite.batch_without(use_case, each.window, entity, digests, ports, erasing.run_id)
    planned: dict[str, Any] = {
        "window": each.window.key,
        "rows": {kind.value: number for kind, number in each.rows.items()},
        "older_rows": each.older,
        erasure.REVISIONS: {str(revision): number for revision, number in each.revisions.items()},
        "entries": each.entries,
        "snapshots": [{"before": before, "after": after} for before, after in digests.items()],
    }
    if batch is not None:
        planned["revision"] = {
            "before": batch.before.revision, "digest_before": batch.before.digest,
            "after": batch.after.revision, "digest_after": batch.after.digest,
        }  # fmt: skip
    return planned


def _lacks(entry: Intervention, found: Whereabouts) -> bool:
    """Whether a tombstone that was begun does not name all windows in which the entity is now."""
    named = {each["window"] for each in entry.details[erasure.WINDOWS]}
    return any(each.window.key not in named for each in found.windows)


def _record_end(
    erasing: Erasing,
    entry: Intervention,
    windows: set[Window],
    removed: list[Forgotten],
    lost: tuple[str, ...],
    actor: str,
) -> Erased:
    rows, files = sum(each.rows for each in removed), sum(each.files for each in removed)
    unread = tuple(dict.fromkeys(path for each in removed for path in each.unread))
    ledger = erasing.ports.ledger
    details = {
        erasure.TOMBSTONE: entry.id, "windows": len(windows), "rows": rows, "files": files, "unread": list(unread),
        "lost": list(lost),
    }  # fmt: skip
    reason = "no store has a row about the entity any more"
    if unread:
        reason += f", unless in {counted(len(unread), 'file')} that could not be read"
    if lost:
        reason += f"; the lake has lost the live rows of {counted(len(lost), 'window')}, so these could not be searched"
    ledger.record_intervention(
        Intervention(
            erasing.name, InterventionKind.ERASURE_FINISHED, entry.subject, actor, reason, details, erasing.run_id
        )
    )
    log.info(
        "%s: erased; %s of %s were removed in the lake", erasing.name, counted(rows, "row"), counted(files, "file")
    )
    return Erased(erasing.name, entry.id, len(windows), rows, files, unread, lost)


def _refuse_what_came_back(found: Whereabouts, use_case: str) -> None:
    if not found.found:
        return
    places = [each.window.key for each in found.windows] + [f"training set {each}" for each in found.training]
    raise ErasureUnfinished(
        f"{use_case}: rows about the entity were written again while they were erased: {_first(places)}. Wait until "
        "the runs that write them have ended, remove the entity from the source, and run this again."
    )


def _lost_step(lost: list[Window]) -> list[Step]:
    if not lost:
        return []
    return [
        Step(
            f"windows whose rows the lake has lost: {_first([each.key for each in lost])}",
            "not searched: bring their rows back with `perennial run`, or from a backup, and erase again",
            counted(len(lost), "window"),
        )
    ]


def _first(names: list[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")


def _left_alone(use_case: LoadedUseCase, found: Whereabouts) -> list[Step]:
    """What is not removed, and what a person has to do about it."""
    steps = [
        Step(
            "the source",
            "not changed: if it still delivers the entity, the next ingest, late data or backfill brings the entity "
            "back",
            "remove it there first",
        )
    ]
    steps += [
        Step(f"model version {each}", "was trained on it, and stays: retrain to leave it out", "")
        for each in found.models
    ]
    steps.append(Step("sums over rows: profiles, drift reports, metrics", "stay as they were measured", ""))
    if use_case.spec.review is not None:
        steps.append(Step("tasks in Label Studio", "not changed: delete them there", ""))
    steps.append(Step("logs, backups, old versions of a bucket, copies that others made", "not changed", ""))
    return steps


def _table(use_case: str, each: DataClass) -> str:
    return TABLES[each](use_case) if each in TABLES else f"perennial.predictions_{use_case}"
