"""Roll-out: how champion and challenger did on the same rows, and what becomes of the stage.

Every window that is final, and that both models predicted, says once by how much the challenger was better. A decision
is taken after each evaluation; the test allows for that. What it says is done at once, for windows that come.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import numpy as np
import pyarrow.compute as pc

from perennial.jobs.evaluate import rescore
from perennial.jobs.evaluate.rescore import Rescored
from perennial.judgement.window_gains import WindowGain
from perennial.lake.port import window_partition
from perennial.ledger.entries import (
    Batch,
    DecisionKind,
    DeployedRole,
    Deployment,
    PairedGain,
    Performance,
    RecordedDecision,
    ShadowBatch,
)
from perennial.performance.gain import gain
from perennial.performance.labels import join_labels, truth_of, with_outcome
from perennial.performance.maturity import Maturity
from perennial.performance.metrics import metric_of
from perennial.policy.rollout import ADVANCE, ROLL_BACK, STOP, StageEvidence, decide_stage
from perennial.ports import Ports
from perennial.records.labels import settled_labels
from perennial.records.rollout import current_stage, ended, moved_on, stage_name
from perennial.spec.load import LoadedUseCase
from perennial.verdict import HOLD, Decision

log = logging.getLogger(__name__)

_PUBLISHED, _OTHER = "published", "other"
_NOTHING: dict[str, float | int | str | None] = {"next_share": None, "overdue": 0, "windows": 0}


@dataclass(frozen=True)
class RolledOut:
    """What became of the stage of a roll-out; `outcome` says it in words.

    `challenger` is None where no roll-out is under way: then nothing was decided. `windows` have gains that count.
    `rescored` says what became of the windows of a canary that was rolled back.
    """

    as_of: datetime
    outcome: str
    challenger: str | None = None
    share: int | None = None
    action: str | None = None
    windows: int = 0
    reasons: tuple[str, ...] = ()
    rescored: Rescored | None = None


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, *, actor: str) -> RolledOut:
    """Compare both models in windows that became final, decide about the stage, and do what was decided.

    The first decision about a stage as of a moment stands; one that was not carried out, because the run was killed, is
    carried out when it is asked again. A stage that the spec has no roll-out for any more is stopped: nobody would ever
    decide about it. What a roll-back left to do is done whatever is under way by then, and after the decision, which
    others wait for. Errors: `DeploymentConflict`, `StoreUnavailable`.
    """
    done = _decided(use_case, as_of, ports, run_id, actor)
    return replace(done, rescored=rescore.run(use_case, ports, run_id, actor=actor))


def _decided(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, actor: str) -> RolledOut:
    spec = use_case.spec
    with ports.ledger.deciding(spec.name):
        stage = current_stage(spec.name, ports.ledger)
        champion = ports.ledger.current_deployment(spec.name, DeployedRole.CHAMPION)
        if stage is None or champion is None:
            return RolledOut(as_of, "no roll-out is under way")
        subject = f"{stage.id}/{stage.share}/{as_of.isoformat()}"
        if spec.rollout is None or not spec.rollout.shares:
            subject, decided = f"{stage.id}/{stage.share}/without a rollout", _given_up(stage, champion)
        elif stage.effective_from >= as_of:
            text = f"version {stage.model_version} begins {stage_name(stage.share)} later"
            return RolledOut(as_of, text, stage.model_version, stage.share)
        elif stage.model_digest == champion.model_digest:
            decided = Decision(STOP, ("The challenger is the champion already.",), _NOTHING)
        else:
            found = _evidence(use_case, stage, champion, as_of, ports, run_id)
            decided = decide_stage(spec.rollout, spec.training, found)
        recorded = ports.ledger.record_decision(
            RecordedDecision(
                use_case=spec.name,
                kind=DecisionKind.ROLLOUT,
                subject=subject,
                as_of=as_of,
                action=decided.action,
                reasons=decided.reasons,
                numbers={**decided.numbers, "challenger": stage.model_version, "champion": champion.model_version},
                run_id=run_id,
            )
        )
        _do(recorded, stage, ports, run_id, actor)
    return _told(recorded, stage)


def _given_up(stage: Deployment, champion: Deployment) -> Decision:
    """What is decided of a stage whose roll-out was taken out of the spec while it was under way."""
    text = (
        "The spec has no stages of a roll-out any more, so nobody would decide about version "
        f"{stage.model_version}: it leaves {stage_name(stage.share)}, and the champion, version "
        f"{champion.model_version}, predicts all rows of the windows that come."
    )
    again = f"To try it again, put the key rollout back and run {stage.use_case}.retrain."
    return Decision(STOP, (text, again), {**_NOTHING, "share": stage.share})


def _do(decision: RecordedDecision, stage: Deployment, ports: Ports, run_id: str, actor: str) -> None:
    reason = " ".join(decision.reasons)
    if decision.action == ADVANCE:
        share = decision.numbers["next_share"]
        moved_on(stage, share, decision.as_of, ports, run_id, actor=actor, reason=reason)
    elif decision.action in (STOP, ROLL_BACK):
        withdraw = decision.action == ROLL_BACK
        ended(stage, decision.as_of, ports, run_id, actor=actor, reason=reason, withdraw=withdraw)


def _told(decision: RecordedDecision, stage: Deployment) -> RolledOut:
    numbers = decision.numbers
    level = logging.WARNING if decision.action != HOLD or numbers["overdue"] else logging.INFO
    log.log(level, "%s: %s: %s", decision.use_case, decision.action, " ".join(decision.reasons))
    next_stage = stage_name(numbers["next_share"])
    said = {
        ADVANCE: f"leaves {stage_name(stage.share)} for {next_stage}",
        STOP: f"leaves {stage_name(stage.share)}; the champion stays",
        ROLL_BACK: f"is rolled back from {stage_name(stage.share)}",
        HOLD: f"stays in {stage_name(stage.share)}" + (": not enough evidence" if numbers["overdue"] else ""),
    }[decision.action]
    return RolledOut(
        as_of=decision.as_of,
        outcome=f"version {stage.model_version} {said}",
        challenger=stage.model_version,
        share=stage.share,
        action=decision.action,
        windows=numbers["windows"],
        reasons=decision.reasons,
    )


def _evidence(
    use_case: LoadedUseCase, stage: Deployment, champion: Deployment, as_of: datetime, ports: Ports, run_id: str
) -> StageEvidence:
    """The gains of the stage's windows, those that are missing computed first; only what was known by `as_of`."""
    name, since = use_case.name, stage.effective_from
    gains_between = partial(
        ports.ledger.gains_between, name, since, as_of, champion=champion.model_digest, challenger=stage.model_digest
    )
    batches = ports.ledger.batches_between(name, since, as_of)
    shadows = {
        (each.window, each.revision): each
        for each in ports.ledger.shadows_between(name, since, as_of)
        if (each.champion_digest, each.challenger_digest) == (champion.model_digest, stage.model_digest)
    }
    pairs = {
        batch.window: (batch, shadows[key]) for batch in batches if (key := (batch.window, batch.revision)) in shadows
    }
    measured = ports.ledger.performance_between(name, since, as_of, as_of=as_of)
    known = {(each.window, each.as_of) for each in gains_between()}
    for entry in measured:
        pair = pairs.get(entry.window)
        if pair is None or entry.maturity is not Maturity.FINAL or (entry.window, entry.as_of) in known:
            continue
        if entry.revision == pair[0].revision:
            ports.ledger.record_gain(paired_gain(use_case, *pair, entry, ports, run_id))
    gains = [each for each in gains_between() if each.as_of <= as_of]
    return StageEvidence(
        share=stage.share or 0,
        since=since,
        as_of=as_of,
        gains=tuple(WindowGain(each.window, each.as_of, each.gain, each.rows) for each in gains),
        scored=len(batches),
        shadowed=len(pairs),
    )


def paired_gain(
    use_case: LoadedUseCase, batch: Batch, shadow: ShadowBatch, entry: Performance, ports: Ports, run_id: str
) -> PairedGain:
    """By how much the challenger was better on the rows of one window, by the labels of its final measurement.

    Errors: `RowsRemoved`, `StoreUnavailable`.
    """
    spec, window = use_case.spec, batch.window
    partition, names = window_partition(window), [spec.key, "prediction", "model_digest"]
    served = ports.lake.read(batch.table, partition, version=batch.version).select(names)
    others = ports.lake.read(shadow.table, partition, version=shadow.version).select([spec.key, "prediction"])
    labels = settled_labels(use_case, window, entry.as_of, ports, version=entry.labels_version)
    rows = with_outcome(join_labels(served, labels, spec.key), spec.labels.column).rename_columns(
        {"prediction": _PUBLISHED}
    )
    rows = join_labels(rows, others.rename_columns({"prediction": _OTHER}), spec.key)
    published, other = (rows.column(column).to_numpy() for column in (_PUBLISHED, _OTHER))
    is_champions = pc.equal(rows.column("model_digest"), batch.model_digest).to_numpy()
    finite = np.isfinite(published) & np.isfinite(other)
    truth = truth_of(spec.task, rows.column(spec.labels.column))[finite]
    metric = spec.training.metric
    champion, challenger = (
        metric_of(metric, spec.task, truth, values[finite])
        for values in (np.where(is_champions, published, other), np.where(is_champions, other, published))
    )
    return PairedGain(
        use_case=spec.name,
        window=window,
        revision=batch.revision,
        champion_digest=batch.model_digest,
        challenger_digest=shadow.challenger_digest,
        metric=metric,
        as_of=entry.as_of,
        gain=None if champion is None or challenger is None else gain(metric, challenger, champion),
        champion=champion,
        challenger=challenger,
        rows=int(finite.sum()),
        run_id=run_id,
    )
