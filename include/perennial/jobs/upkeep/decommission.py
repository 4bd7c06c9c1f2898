"""Decommission: a use case ends. Nothing new is made of it, consumers are told, and its data is kept or erased.

The order is ledger, published table, lake, file: once the ledger has the end, every job refuses to make anything new,
whoever runs it. Every step may be done again, so a run that was killed is finished by the next one. The ledger keeps
all of its entries, and the models stay with what shows how they came to be.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from perennial.lake.port import (
    labels_table,
    predictions_table,
    quarantine_table,
    raw_table,
    shadow_table,
    training_table,
)
from perennial.ledger.entries import DeployedRole, Intervention, InterventionKind
from perennial.policy.archive import Kind, kind_of
from perennial.ports import Ports
from perennial.records.leases import take_back
from perennial.records.retirement import ending
from perennial.spec.ended import write_ended
from perennial.spec.load import LoadedUseCase
from perennial.wording import counted

log = logging.getLogger(__name__)


class DataClass(StrEnum):
    """What may be erased of a use case."""

    SNAPSHOTS = "snapshots"
    QUARANTINE = "quarantine"
    LABELS = "labels"
    TRAINING = "training"
    PREDICTIONS = "predictions"
    SHADOW = "shadow"
    PUBLISHED = "published"


TABLES: Mapping[DataClass, Callable[[str], str]] = {
    DataClass.SNAPSHOTS: raw_table,
    DataClass.QUARANTINE: quarantine_table,
    DataClass.LABELS: labels_table,
    DataClass.TRAINING: training_table,
    DataClass.PREDICTIONS: predictions_table,
    DataClass.SHADOW: shadow_table,
}


@dataclass(frozen=True)
class Step:
    """One thing that decommissioning is about, what becomes of it, and how much it is; `bytes` where that is known."""

    what: str
    becomes: str
    amount: str
    bytes: int | None = None


def plan(use_case: LoadedUseCase, erase: Collection[DataClass], ports: Ports) -> list[Step]:
    """What `run` would do. Errors: `StoreUnavailable`."""
    name, ended = use_case.name, ending(use_case.name, ports.ledger)
    status, versions = ports.ledger.status(name), ports.registry.versions(name)
    files = [ports.registry.files(name, each.version) for each in versions]
    examples = _examples(files) if DataClass.TRAINING in erase else 0
    published = ports.published.size(name)
    return [
        Step("the use case", _ended_words(ended), counted(status.windows_scored, "window") + " scored"),
        Step(f"DAGs {name}.*", "without a schedule, marked as ended", "4 DAGs"),
        Step(
            f"table perennial.predictions_{name}",
            f"marked as ended, its rows {_fate(DataClass.PUBLISHED, erase)}",
            counted(published.rows, "row"),
            published.bytes,
        ),
        *(_of_lake(name, each, erase, ports) for each in TABLES),
        Step(
            "models",
            f"kept, without {counted(examples, 'file')} of example rows" if examples else "kept",
            counted(len(versions), "version"),
            sum(size for each in files for size in each.values()),
        ),
        Step("ledger", "kept, and still verified", counted(len(ports.ledger.deployments(name)), "deployment")),
    ]


def run(
    use_case: LoadedUseCase,
    erase: Collection[DataClass],
    now: datetime,
    ports: Ports,
    run_id: str,
    *,
    actor: str,
    reason: str,
) -> list[Step]:
    """End the use case, or finish ending it; classes that are named later are erased then. What was done.

    Errors: `WindowBusy` while a run works on a window: nothing is ended before it is over; `InvalidSettings` when only
    `ended.yaml` could not be written; `StoreUnavailable`.
    """
    name = use_case.name
    entry = ending(name, ports.ledger)
    if entry is None:
        take_back(name, ports, run_id)
        entry = _record_end(use_case, erase, now, ports, run_id, actor, reason)
    take_back(name, ports, run_id)  # who began before the end was on record
    assert entry.recorded_at is not None, "a stored entry has the time it was recorded"
    ports.published.mark_ended(name, entry.recorded_at, entry.reason)
    done = [Step("the use case", _ended_words(entry), "")]
    for each in DataClass:
        if each in erase:
            done.append(_erase(use_case, each, ports, run_id, actor, reason))
    write_ended(use_case.folder, entry.recorded_at, entry.actor, entry.reason)
    return done


def _record_end(
    use_case: LoadedUseCase,
    erase: Collection[DataClass],
    now: datetime,
    ports: Ports,
    run_id: str,
    actor: str,
    reason: str,
) -> Intervention:
    name = use_case.name
    last, champion = ports.ledger.last_ingested(name), ports.ledger.current_deployment(name, DeployedRole.CHAMPION)
    details = {
        "erase": sorted(erase),
        "last_window": last.key if last else None,
        "champion": champion.model_version if champion else None,
        "as_of": now.isoformat(),
    }
    return ports.ledger.record_intervention(
        Intervention(name, InterventionKind.USE_CASE_ENDED, name, actor, reason, details, run_id)
    )


def _erase(use_case: LoadedUseCase, each: DataClass, ports: Ports, run_id: str, actor: str, reason: str) -> Step:
    """Say in the ledger what will be gone, and remove it."""
    name = use_case.name
    if each is DataClass.PUBLISHED:
        size = ports.published.size(name)
        table, found = f"perennial.predictions_{name}", {"rows": size.rows, "bytes": size.bytes}
    else:
        stored = ports.lake.stored(TABLES[each](name))
        table, found = TABLES[each](name), {"files": stored.files, "bytes": stored.bytes}
    if any(found.values()):
        details = {"class": each.value, **found}
        ports.ledger.record_intervention(
            Intervention(name, InterventionKind.DATA_ERASED, table, actor, reason, details, run_id)
        )
    if each is DataClass.PUBLISHED:
        ports.published.erase(name)
    else:
        ports.lake.erase(table)
    if each is DataClass.TRAINING:
        _erase_examples(name, ports)
    unit, number = next(iter(found.items()))
    log.info("%s: %s erased, %d %s", name, table, number, unit)
    return Step(f"{each.value} ({table})", "erased", counted(number, unit.removesuffix("s")), found["bytes"])


def _erase_examples(use_case: str, ports: Ports) -> None:
    """Rows of training sets lie as examples with each version, too."""
    for each in ports.registry.versions(use_case):
        paths = [path for path in ports.registry.files(use_case, each.version) if _holds_rows(path)]
        if paths:
            ports.registry.remove(use_case, each.version, paths)


def _examples(files: Collection[Mapping[str, int]]) -> int:
    return sum(_holds_rows(path) for each in files for path in each)


def _holds_rows(path: str) -> bool:
    return kind_of(path) is Kind.REMAKEABLE and not path.startswith("exports/")


def _of_lake(use_case: str, each: DataClass, erase: Collection[DataClass], ports: Ports) -> Step:
    table = TABLES[each](use_case)
    stored = ports.lake.stored(table)
    return Step(f"{each.value} ({table})", _fate(each, erase), counted(stored.files, "file"), stored.bytes)


def _fate(each: DataClass, erase: Collection[DataClass]) -> str:
    return "erased" if each in erase else "kept"


def _ended_words(entry: Intervention | None) -> str:
    if entry is None:
        return "ended: nothing new is made of it"
    return f"ended on {entry.recorded_at:%Y-%m-%d} by {entry.actor}: {entry.reason}"
