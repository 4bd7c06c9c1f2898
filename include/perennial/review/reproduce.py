"""Reproduce: make recorded batches and measurements again from what they were made of, and compare. Writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isclose, isfinite

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import NotScored, RowsErased
from perennial.jobs.evaluate.measurement import measure_batch
from perennial.ledger.entries import Batch, Performance, Snapshot
from perennial.modeling.decision import with_decisions
from perennial.ports import Ports
from perennial.records.batch import (
    Provenance,
    content_digest,
    erased_from,
    ordered_live_rows,
    predicted,
    recorded_rules,
)
from perennial.records.gate import checks_of
from perennial.records.labels import ordered_settled_labels
from perennial.records.retained import batch_table, snapshot_table
from perennial.records.scorers import recorded_scorers
from perennial.spec import versions
from perennial.spec.load import LoadedUseCase
from perennial.window import Window

TOLERANCE = 1e-9  # between two values of a metric, as a share of them
ROUNDING = 1e-14  # … and what sums that cancel leave of nothing


@dataclass(frozen=True)
class Reproduced:
    """One recorded fact about `rows` rows, and what making it again gave. `why_not` says why it could not be made
    again. `erased` says which of its rows were erased since, when and by whom, where all others came out the same.
    """

    window: Window
    what: str
    recorded: str
    again: str | None
    same: bool
    why_not: str | None = None
    rows: int = 0
    erased: str | None = None


def run(use_case: LoadedUseCase, window: Window, ports: Ports) -> list[Reproduced]:
    """Every revision of the window, and every measurement of it as it was known then.

    Errors: `NotScored`, `NoModel`, `UntrustedModel`, `RowsRemoved` where retention took what is needed,
    `StoreUnavailable`.
    """
    batches = ports.ledger.batches(use_case.name, window)
    if not batches:
        raise NotScored(f"{use_case.name} {window} has no predictions, so there is nothing to make again.")
    by_revision = {batch.revision: batch for batch in batches}
    scored = [_score_again(use_case, batch, ports) for batch in batches]
    entries = ports.ledger.performance_of(use_case.name, window)
    return scored + [_measure_again(use_case, by_revision[entry.revision], entry, ports) for entry in entries]


def _score_again(use_case: LoadedUseCase, batch: Batch, ports: Ports) -> Reproduced:
    spec, window = use_case.spec, batch.window
    what = f"revision {batch.revision}, model {batch.model_version}{_checked(batch, ports)}"
    if batch.scoring_digest != use_case.scoring_digest:
        why_not = (
            f"task or columns in use_case.yaml, or how Perennial scores, have changed since (digest "
            f"{batch.scoring_digest[:12]}, now {use_case.scoring_digest[:12]}); check out the spec of "
            f"{_at(batch.recorded_at)}, and Perennial {batch.code_version}, to make it again"
        )
        return Reproduced(window, what, batch.digest, None, same=False, why_not=why_not)
    snapshot = _snapshot_of(batch, ports)
    said = batch_table(batch, ports)
    kept = said.column(spec.key)
    rows = snapshot_table(snapshot, ports)
    clean = rows.filter(pc.is_in(rows.column(spec.key), value_set=kept.combine_chunks()))
    origin = Provenance(batch.snapshot_digest, batch.revision, batch.run_id)
    if said.num_rows == 0:  # all of the window was erased
        again = content_digest(said)
    else:
        predictions = pa.concat_tables(predicted(spec, [clean], recorded_scorers(batch, ports.registry), origin))
        again = content_digest(with_decisions(predictions, spec.key, recorded_rules(batch)))
    same = again == batch.digest
    erased = None if same or again != content_digest(said) else erased_from(batch, said, ports.ledger) or None
    return Reproduced(window, what, batch.digest, again, same=same, rows=batch.rows, erased=erased)


def _measure_again(use_case: LoadedUseCase, batch: Batch, entry: Performance, ports: Ports) -> Reproduced:
    what = f"{entry.maturity} performance of revision {entry.revision} as of {_at(entry.as_of)}"
    recorded = _figures(entry.labelled, entry.metrics)
    if entry.labels_version is None and entry.labelled:
        why_not = "it was recorded before the ledger kept the version of the labels"
        return Reproduced(entry.window, what, recorded, None, same=False, why_not=why_not)
    version = entry.labels_version
    try:
        with ordered_settled_labels(use_case, batch.window, entry.as_of, ports, version=version) as labels:
            found = measure_batch(use_case.spec, batch, ordered_live_rows(batch, ports), labels)
    except RowsErased as error:
        return Reproduced(entry.window, what, recorded, None, same=False, rows=entry.rows, erased=str(error))
    again = _figures(found.labelled, found.metrics)
    same = found.labelled == entry.labelled and _are_close(found.metrics, entry.metrics)
    return Reproduced(entry.window, what, recorded, again, same=same, rows=entry.rows)


def _checked(batch: Batch, ports: Ports) -> str:
    """By which version of our checks the rows of a revision passed, where that is another one than today's."""
    verdict = ports.ledger.validation_of(batch.use_case, batch.window, batch.snapshot_digest, batch.suite_digest)
    checks = versions.CHECKS_VERSION if verdict is None else checks_of(verdict)
    return "" if checks == versions.CHECKS_VERSION else f", rows that passed version {checks} of the checks"


def _snapshot_of(batch: Batch, ports: Ports) -> Snapshot:
    found = [s for s in ports.ledger.snapshots(batch.use_case, batch.window) if s.digest == batch.snapshot_digest]
    return found[-1]


def _figures(labelled: int, metrics: dict[str, float]) -> str:
    values = ", ".join(f"{name} {value!r}" for name, value in sorted(metrics.items()) if _is_number(value))
    return f"{labelled} labels: {values or 'no metric'}"


def _are_close(some: Mapping[str, float], others: Mapping[str, float]) -> bool:
    """Whether they are the same metrics with the same values, but for the order in which a version added rows up."""
    one, other = ({name: each for name, each in found.items() if _is_number(each)} for found in (some, others))
    return one.keys() == other.keys() and all(
        isclose(value, other[name], rel_tol=TOLERANCE, abs_tol=ROUNDING) for name, value in one.items()
    )


def _is_number(value: float | None) -> bool:
    return value is not None and isfinite(value)  # the ledger keeps NaN as None


def _at(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%MZ}" if instant else "then"
