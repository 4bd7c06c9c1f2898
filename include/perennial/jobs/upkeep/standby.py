"""Standby: the champion before the present one is tried every night, so that going back to it will work.

It is loaded from the registry in a fresh process, predicts its input example as it did when it was deployed, to the
last bit, and scores the newest window. What was found is on record as a decision, and told where it is not ready.
"""

import logging
import os
from dataclasses import dataclass
from datetime import datetime

from perennial.errors import NotDeployable, PermanentError
from perennial.jobs.retrain.trying.fresh_process import tried_in_this_process
from perennial.ledger.entries import DecisionKind, DeployedRole, Deployment, RecordedDecision
from perennial.modeling.trial import EXAMPLE, PREDICTION, ModelTrial, from_file
from perennial.ports import Ports
from perennial.records.batch import require_features
from perennial.records.gate import Gated, gated
from perennial.records.retirement import refuse_archived
from perennial.records.rollout import NOT_READY, READY, standby_entry
from perennial.spec.load import LoadedUseCase

log = logging.getLogger(__name__)

ROWS_TRIED = 10_000  # of the newest window
WINDOWS_LOOKED_AT = 30  # for the newest that passes


@dataclass(frozen=True)
class StandbyTried:
    """What the trial found: whether `version` could take over from `champion` again, and why not.

    Without a champion before the present one, `version` and `ready` are None.
    """

    champion: str | None
    version: str | None
    ready: bool | None
    reasons: tuple[str, ...]


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str) -> StandbyTried:
    """Try the version that stands by, and put on record what was found. Errors: `StoreUnavailable`."""
    name, ledger = use_case.name, ports.ledger
    champion, entry = ledger.current_deployment(name, DeployedRole.CHAMPION), standby_entry(name, ledger)
    if champion is None or entry is None:
        text = "No champion was before the present one, so none stands by."
        return StandbyTried(champion.model_version if champion else None, None, None, (text,))
    try:
        reasons, ready = (_tried(use_case, entry, ports),), True
    except PermanentError as error:
        reasons, ready = (str(error),), False
        log.warning("%s: version %s stands by and is not ready: %s", name, entry.model_version, error)
    ledger.record_decision(
        RecordedDecision(
            use_case=name,
            kind=DecisionKind.STANDBY,
            subject=f"{champion.id}/{entry.model_version}/{as_of.isoformat()}",
            as_of=as_of,
            action=READY if ready else NOT_READY,
            reasons=reasons,
            numbers={"version": entry.model_version, "champion": champion.model_version},
            run_id=run_id,
        )
    )
    return StandbyTried(champion.model_version, entry.model_version, ready, reasons)


def _tried(use_case: LoadedUseCase, entry: Deployment, ports: Ports) -> str:
    """What the version did in its trial. Errors: `PermanentError`, saying why it is not ready."""
    spec, version = use_case.spec, entry.model_version
    refuse_archived(spec.name, version, ports.ledger)
    content = ports.registry.content(spec.name, version, entry.model_digest)
    kept = ports.registry.attached(spec.name, version, EXAMPLE)
    if kept is None:
        raise NotDeployable(
            f"Version {version} of {spec.name} has no input example with its predictions ({EXAMPLE} in the registry), "
            "so nothing proves that it still predicts the same. Versions that are deployed from now on have one."
        )
    example, gate = from_file(kept), _newest(use_case, ports)
    batch, window = example.drop_columns([PREDICTION]), ""
    if gate is not None:
        require_features(use_case, gate.snapshot, ports.registry.load(spec.name, version, entry.model_digest))
        rows = next(chunk for chunk in gate.clean_chunks(ports.lake, spec, ROWS_TRIED) if chunk.num_rows)
        batch = rows.select([each for each in spec.feature_columns if each in rows.column_names])
        window = f", and scored {batch.num_rows:,} rows of the window {spec.grid.name_of(gate.snapshot.window)}"
    trial = ModelTrial(spec.name, version, spec.task, entry.model_digest, content, example, batch, standby=True)
    done = (ports.tried or tried_in_this_process)(trial)
    afresh = " in a process of its own" if done.process != os.getpid() else ""
    return (
        f"Version {version} was loaded{afresh}, predicted the {example.num_rows} rows of its input "
        f"example as it did when it was deployed, to the last bit{window}."
    )


def _newest(use_case: LoadedUseCase, ports: Ports) -> Gated | None:
    """The newest scored window that passes today's rules; None where none of the last ones does."""
    spec = use_case.spec
    last = ports.ledger.last_ingested(spec.name)
    if last is None:
        return None
    start = spec.grid.back(last.end, WINDOWS_LOOKED_AT)
    for batch in reversed(ports.ledger.batches_between(spec.name, start, last.end)):
        try:
            gate = gated(use_case, batch.window, ports)
        except PermanentError as error:
            log.info("%s %s: not taken for the trial: %s", spec.name, batch.window, error)
            continue
        if batch.rows:
            return gate
    return None
