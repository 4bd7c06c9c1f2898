"""Score: the clean rows of a window become one revision of its predictions.

The order is lake, ledger, published table. A revision is live once the ledger has it, and nothing is published that the
ledger does not have, so that every published row can be explained. A run killed in between is repeated: the lake adopts
rows that are already there, and what the ledger has is published without scoring again.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.code_version import code_version, lock_digest
from perennial.errors import ChallengerFailed, NotValidated, PredictionsNotFinite, RowsRemoved
from perennial.jobs.predict import validate
from perennial.lake.port import predictions_table, window_partition
from perennial.lease import Lease
from perennial.ledger.entries import Batch
from perennial.log_context import also
from perennial.modeling.decision import DECISION, Rules, takes_the_highest, with_decisions, with_the_highest
from perennial.ordered import OrderedRows
from perennial.ports import Ports
from perennial.records.batch import (
    Provenance,
    content_digest,
    inputs,
    made_of,
    ordered_batch_rows,
    predicted,
    restore_stores,
    rules_of,
    usable_model,
)
from perennial.records.gate import Gated, gated
from perennial.records.leases import data_lease
from perennial.records.model_choice import ModelChoice, Resolution
from perennial.records.retained import saying_what_expired
from perennial.records.scorers import Scorers, challengers_part, loaded, parts_of
from perennial.spec.columns import Kind
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.window import Window
from perennial.wording import WITHHELD, counted

log = logging.getLogger(__name__)

CHUNK_ROWS = 100_000
MOST_SHOWN = 3


@dataclass(frozen=True)
class Scored:
    """The live revision of the window; `changed` is false when there was nothing new to score.

    `challenger` is the version in roll-out that predicted `challenger_rows` of the rows, or was to and `failed`: then
    this says why. It is None where the champion was to predict all.
    """

    window: Window
    revision: int
    rows: int
    model_version: str
    model_digest: str
    digest: str
    changed: bool
    challenger: str | None = None
    challenger_rows: int = 0
    failed: str = ""


def run(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str, *, model: ModelChoice) -> Scored:
    """Score the window with the chosen model, in the lake and in the published table.

    Same snapshot, same rules, same model and same decision make no new revision, unless the lake has lost the last one.
    Errors: `NotIngested`, `NotValidated`, `ValidationFailed`, `NoModel`, `UntrustedModel`, `FeaturesChanged`,
    `PredictionsNotFinite`, `DeploymentMoved`, `RowsExpired`, `RowsLost`, `StoreUnavailable`, `WindowBusy`, `LeaseLost`.
    """
    spec = use_case.spec
    with data_lease(spec.name, window, ports, run_id) as lease:
        gate = gated(use_case, window, ports)
        assignment = model.resolve(spec, window, ports.ledger)
        also(model=assignment.champion.model_version)
        latest = ports.ledger.latest_batch(spec.name, window)
        made = latest is not None and made_of(latest) == inputs(use_case, gate, assignment)
        if latest is not None and made and _in_all_stores(latest, ports, lease, run_id):
            log.info("%s %s: unchanged, revision %d", spec.name, window, latest.revision)
            return _scored(latest, changed=False)
        scorers = loaded(assignment, lambda entry: usable_model(use_case, entry, gate, ports))
        revision = latest.revision + 1 if latest else 1
        origin = Provenance(gate.snapshot.digest, revision, run_id)
        with saying_what_expired(gate.snapshot, ports.ledger), ExitStack() as stack:
            scorers, predictions = _predicted(use_case, gate, scorers, origin, rules_of(assignment), ports, stack)
            with ThreadPoolExecutor(1) as thread:
                digest = thread.submit(content_digest, predictions)  # while they are written
                commit = ports.lake.replace(predictions_table(spec.name), window_partition(window), predictions, lease)
            batch = ports.ledger.record_batch(
                Batch(
                    use_case=spec.name,
                    window=window,
                    revision=revision,
                    snapshot_digest=gate.snapshot.digest,
                    suite_digest=gate.validation.suite_digest,
                    scoring_digest=use_case.scoring_digest,
                    model_version=assignment.champion.model_version,
                    model_digest=assignment.champion.model_digest,
                    table=commit.table,
                    version=commit.version,
                    digest=digest.result(),
                    rows=predictions.num_rows,
                    resolution=str(model),
                    fencing_token=lease.fencing_token,
                    code_version=code_version(),
                    lock_digest=lock_digest(),
                    run_id=run_id,
                    parts=tuple(part.to_json() for part in scorers.parts(predictions)),
                    decision=assignment.champion.training.get(DECISION),
                ),
                lease,
                expected=assignment.champion if model.resolution is Resolution.AS_WAS else None,
                challenger=assignment.challenger,
            )
            ports.published.publish(spec.name, window, predictions, lease)
    for part in parts_of(batch):
        log.info("%s %s: %d rows by model version %s", spec.name, window, part.rows, part.model_version)
    return _scored(batch, changed=True)


def run_again(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str, *, model: ModelChoice) -> Scored:
    """The same for a window that was scored before: where its verdict is by other rules or checks than today's, it is
    validated first. Errors: as `run`.
    """
    try:
        return run(use_case, window, ports, run_id, model=model)
    except NotValidated:
        validate.run(use_case, window, ports, run_id)
        return run(use_case, window, ports, run_id, model=model)


def _in_all_stores(batch: Batch, ports: Ports, lease: Lease, run_id: str) -> bool:
    """Whether the stores hold the live revision, now that they were brought back to it; not if the lake has lost it."""
    try:
        restore_stores(batch, ports, lease, run_id, actor=run_id)
    except RowsRemoved as error:
        log.warning("%s It is scored again, as a new revision.", error)
        return False
    return True


def _predicted(
    use_case: LoadedUseCase,
    gate: Gated,
    scorers: Scorers,
    origin: Provenance,
    rules: Rules,
    ports: Ports,
    stack: ExitStack,
) -> tuple[Scorers, OrderedRows]:
    """The predictions with their decisions, and who made them: a challenger that fails leaves its rows to the champion.

    They are there until the stack is closed. Errors: `PredictionsNotFinite`.
    """
    spec, window = use_case.spec, gate.snapshot.window

    def by(scorers: Scorers) -> OrderedRows:
        chunks = predicted(spec, gate.clean_chunks(ports.lake, spec, CHUNK_ROWS), scorers, origin)
        decided = _decided(_finite(use_case, gate, chunks, ports), spec, rules)
        return stack.enter_context(ordered_batch_rows(decided, scorers, origin))

    try:
        predictions = by(scorers)
    except ChallengerFailed as error:
        scorers = scorers.without_challenger(f"{type(error).__name__}: {error}")
        predictions = by(scorers)
    if scorers.failed:
        log.warning("%s %s: the champion predicts all rows: %s", spec.name, window, scorers.failed)
    if takes_the_highest(rules):
        decided = with_the_highest(predictions, spec.key, rules)
        predictions = stack.enter_context(ordered_batch_rows(decided, scorers, origin))
    return scorers, predictions


def _decided(chunks: Iterable[pa.Table], spec: UseCase, rules: Rules) -> Iterable[pa.Table]:
    """The chunks with their decisions, where a row's own prediction is all that is asked."""
    return chunks if takes_the_highest(rules) else (with_decisions(rows, spec.key, rules) for rows in chunks)


def _finite(use_case: LoadedUseCase, gate: Gated, chunks: Iterable[pa.Table], ports: Ports) -> Iterator[pa.Table]:
    """The chunks. Nothing is committed from a window in which a prediction is infinite or NaN.

    Errors: `PredictionsNotFinite`, after the last chunk.
    """
    rows, broken = 0, 0
    keys: list[pa.Array] = []
    for chunk in chunks:
        finite = np.isfinite(chunk.column("prediction").to_numpy())
        rows += len(finite)
        if not finite.all():
            broken += int(np.count_nonzero(~finite))
            keys += chunk.column(use_case.spec.key).filter(pa.array(~finite)).slice(0, MOST_SHOWN).to_pylist()
        yield chunk
    if broken:
        _refuse(use_case, gate, broken, rows, keys[:MOST_SHOWN], ports)


def _refuse(
    use_case: LoadedUseCase, gate: Gated, broken: int, rows: int, keys: Sequence[object], ports: Ports
) -> NoReturn:
    """Errors: `PredictionsNotFinite`, with a few of the rows."""
    spec, window = use_case.spec, gate.snapshot.window
    chunks = gate.clean_chunks(ports.lake, spec, CHUNK_ROWS)
    found = pa.concat_tables([chunk.filter(pc.is_in(chunk.column(spec.key), pa.array(keys))) for chunk in chunks])
    numeric = [name for name, column in spec.feature_columns.items() if column.kind in (Kind.NUMERIC, Kind.INTEGER)]
    shown, columns = [], []
    for row in found.select([spec.key, *numeric]).to_pylist():
        known = {name: row[name] for name in numeric if row[name] is not None}
        largest = max(known, key=lambda name: abs(known[name]), default=None)
        columns += [largest] if largest else []
        shown.append(f"{spec.key} {spec.shown_entity(row[spec.key])}")
        if largest:
            number = WITHHELD if largest in spec.personal_columns else f"{known[largest]:.4g}"
            shown[-1] += f" with {largest} {number}"
    column = columns[0] if columns else "…"
    more = f" and {broken - len(shown):,} more" if broken > len(shown) else ""
    name, start = spec.name, f"{window.start:%Y-%m-%dT%H:%MZ}"
    raise PredictionsNotFinite(
        f"{name} {window}: {counted(broken, 'prediction')} of {rows:,} would be infinite or NaN "
        f"({'; '.join(shown)}{more}): the model can't compute with numbers of that size. Nothing was published. "
        f"Correct the source and run `perennial ingest {name} --window {start}`; or let validation set such rows "
        "aside, with bounds in expectations.yaml that the column can have:\n"
        "  - type: expect_column_values_to_be_between\n"
        f"    kwargs: {{column: {column}, min_value: …, max_value: …}}\n"
        "    quarantine: true\n"
        f"Then run `perennial validate {name} --window {start}` and `perennial score {name} --window {start}`."
    )


def _scored(batch: Batch, *, changed: bool) -> Scored:
    part = challengers_part(batch)
    return Scored(
        window=batch.window,
        revision=batch.revision,
        rows=batch.rows,
        model_version=batch.model_version,
        model_digest=batch.model_digest,
        digest=batch.digest,
        changed=changed,
        challenger=part.model_version if part else None,
        challenger_rows=part.rows if part else 0,
        failed=part.failed if part else "",
    )
