"""Shadow: while a roll-out lasts, each row of a window is predicted by the model that did not serve it, too.

Then both models have said something of every row, and are judged on the same ones when the labels have come. Nothing
of it is published, and nothing waits for it: the window was scored before.
"""

import logging
from dataclasses import dataclass
from enum import StrEnum

from perennial.code_version import code_version, lock_digest
from perennial.errors import NotScored, PermanentError
from perennial.jobs.predict.score import CHUNK_ROWS
from perennial.lake.port import shadow_table, window_partition
from perennial.ledger.entries import Batch, ShadowBatch
from perennial.ordered import ordered
from perennial.ports import Ports
from perennial.records.batch import Provenance, content_digest, inputs, made_of, predicted, usable_model
from perennial.records.gate import gated
from perennial.records.leases import shadow_lease
from perennial.records.model_choice import Assignment, ModelChoice
from perennial.records.scorers import shadow_scorers
from perennial.spec.load import LoadedUseCase
from perennial.window import Window

log = logging.getLogger(__name__)


class ShadowOutcome(StrEnum):
    """What became of a window's shadow. `NO_ROLLOUT`: no challenger was in roll-out at its time.

    `OTHER_MODEL`: the window was scored by a choice of its own (`as_now`, `pinned`), not as it was.
    """

    SCORED = "scored"
    UNCHANGED = "unchanged"
    NO_ROLLOUT = "no roll-out"
    OTHER_MODEL = "other model"


@dataclass(frozen=True)
class Shadowed:
    """The shadow of a window's live revision: `rows` of it, with a challenger that has the `share` of them."""

    window: Window
    outcome: ShadowOutcome
    challenger: str | None = None
    share: int | None = None
    rows: int = 0


def run(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> Shadowed:
    """Predict the window's rows by the model that did not serve them. Made once for a revision.

    Errors: `NotScored`, `NotValidated`, `ValidationFailed`, `ChallengerFailed`, `FeaturesChanged`, `UntrustedModel`,
    `StoreUnavailable`, `WindowBusy`, `LeaseLost`.
    """
    spec = use_case.spec
    assignment = ModelChoice().resolve(spec, window, ports.ledger)
    stage = assignment.challenger
    if stage is None or stage.model_digest == assignment.champion.model_digest:
        return Shadowed(window, ShadowOutcome.NO_ROLLOUT)
    with shadow_lease(spec.name, window, ports, run_id) as lease:
        gate = gated(use_case, window, ports)
        batch = _batch(use_case, window, ports)
        if made_of(batch) != inputs(use_case, gate, assignment):
            return _of_another(batch, assignment)
        recorded = _recorded(batch, assignment, ports)
        if recorded is not None:
            return Shadowed(window, ShadowOutcome.UNCHANGED, stage.model_version, stage.share, recorded.rows)
        scorers = shadow_scorers(assignment, batch, lambda entry: usable_model(use_case, entry, gate, ports))
        origin = Provenance(gate.snapshot.digest, batch.revision, run_id)
        chunks = gate.clean_chunks(ports.lake, spec, CHUNK_ROWS)
        with ordered(predicted(spec, chunks, scorers, origin, other=True)) as rows:
            commit = ports.lake.replace(shadow_table(spec.name), window_partition(window), rows, lease)
            ports.ledger.record_shadow(
                ShadowBatch(
                    use_case=spec.name,
                    window=window,
                    revision=batch.revision,
                    champion_digest=batch.model_digest,
                    challenger_version=stage.model_version,
                    challenger_digest=stage.model_digest,
                    snapshot_digest=batch.snapshot_digest,
                    suite_digest=batch.suite_digest,
                    scoring_digest=batch.scoring_digest,
                    table=commit.table,
                    version=commit.version,
                    digest=content_digest(rows),
                    rows=rows.num_rows,
                    fencing_token=lease.fencing_token,
                    code_version=code_version(),
                    lock_digest=lock_digest(),
                    run_id=run_id,
                ),
                lease,
            )
    log.info("%s %s: %d rows in the shadow of version %s", spec.name, window, rows.num_rows, stage.model_version)
    return Shadowed(window, ShadowOutcome.SCORED, stage.model_version, stage.share, rows.num_rows)


def beside(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> str | None:
    """The same where something else must go on whatever becomes of it; what can't be done is logged and returned.

    Errors: the transient ones of `run`.
    """
    try:
        run(use_case, window, ports, run_id)
    except PermanentError as error:
        log.warning("%s %s: no shadow: %s", use_case.name, window, error)
        return f"{type(error).__name__}: {error}"
    return None


def _batch(use_case: LoadedUseCase, window: Window, ports: Ports) -> Batch:
    batch = ports.ledger.latest_batch(use_case.name, window)
    if batch is None:
        raise NotScored(
            f"{use_case.name} {window} has no predictions yet. Run `perennial score {use_case.name} "
            f"--window {window.start:%Y-%m-%dT%H:%MZ}` first."
        )
    return batch


def _of_another(batch: Batch, assignment: Assignment) -> Shadowed:
    log.warning(
        "%s %s: revision %d is not what champion %s and challenger %s make of the window, so it has no shadow.",
        batch.use_case,
        batch.window,
        batch.revision,
        assignment.champion.model_version,
        assignment.challenger.model_version if assignment.challenger else None,
    )
    return Shadowed(batch.window, ShadowOutcome.OTHER_MODEL)


def _recorded(batch: Batch, assignment: Assignment, ports: Ports) -> ShadowBatch | None:
    challenger = assignment.challenger.model_digest if assignment.challenger else None
    known = ports.ledger.shadows_between(batch.use_case, batch.window.start, batch.window.end)
    of_it = (batch.window, batch.revision, challenger)
    return next((each for each in known if (each.window, each.revision, each.challenger_digest) == of_it), None)
