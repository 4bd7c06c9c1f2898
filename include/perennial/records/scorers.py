"""Who predicts which rows of a window: the champion, or champion and challenger, each its own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.arrays import Bools, Floats
from perennial.errors import ChallengerFailed, PermanentError, TransientError
from perennial.ledger.entries import Batch, DeployedRole, Deployment, Json, Part
from perennial.modeling.decision import DECISION
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.ordered import OrderedRows
from perennial.policy.assignment import challengers_rows
from perennial.records.model_choice import Assignment
from perennial.registry.port import LoadedModel, ModelRegistry
from perennial.spec.models import UseCase

Load = Callable[[Deployment], LoadedModel]


@dataclass(frozen=True)
class Stage:
    """A challenger that was to predict `share` percent of the rows, chosen by `salt`, and the id of its deployment.

    `decision` is the rule by which its rows are decided for.
    """

    model_version: str
    model_digest: str
    share: int
    salt: str
    deployment: int | None
    decision: Json | None


@dataclass(frozen=True)
class Scorers:
    """Loaded models, and the challenger's share of the rows in percent; `failed` says why it is not there."""

    champion: LoadedModel
    challenger: LoadedModel | None = None
    stage: Stage | None = None
    failed: str = ""

    def without_challenger(self, failed: str) -> "Scorers":
        """The champion alone, because the challenger failed."""
        return Scorers(self.champion, None, self.stage, failed)

    def challengers(self, spec: UseCase, rows: pa.Table) -> Bools:
        """Which rows are the challenger's."""
        if self.challenger is None or self.stage is None:
            return np.zeros(rows.num_rows, dtype=np.bool_)
        return challengers_rows(self.stage.salt, spec.name, texts(rows.column(spec.key)), self.stage.share)

    def parts(self, predictions: OrderedRows) -> tuple[Part, ...]:
        """What the ledger says of who predicted these; empty where all rows are the champion's and were to be."""
        stage = self.stage
        if stage is None:
            return ()
        digests = (chunk.column("model_digest") for chunk in predictions.chunks(["model_digest"]))
        theirs = sum(pc.sum(pc.equal(digest, stage.model_digest)).as_py() for digest in digests)
        return (
            Part(DeployedRole.CHAMPION, self.champion.version, self.champion.digest, predictions.num_rows - theirs),
            Part(
                role=DeployedRole.CHALLENGER,
                model_version=stage.model_version,
                model_digest=stage.model_digest,
                rows=theirs,
                share=stage.share,
                salt=stage.salt,
                deployment=stage.deployment,
                failed=self.failed,
                decision=stage.decision,
            ),
        )


def loaded(assignment: Assignment, load: Load) -> Scorers:
    """The models that an assignment needs; a challenger that can't be used is left out, with the reason.

    `load` makes a model of a deployment, and refuses one that can't score the window's rows. Errors: those of `load`
    for the champion, and transient ones.
    """
    champion = load(assignment.champion)
    canary = assignment.canary
    if canary is None:
        return Scorers(champion)
    stage = Stage(
        canary.model_version,
        canary.model_digest,
        canary.share or 0,
        canary.salt,
        canary.id,
        canary.training.get(DECISION),
    )
    try:
        return Scorers(champion, load(canary), stage)
    except PermanentError as error:
        return Scorers(champion, None, stage, f"{type(error).__name__}: {error}")


def shadow_scorers(assignment: Assignment, batch: Batch, load: Load) -> Scorers:
    """Champion and challenger, with the share of rows that the challenger predicted of a batch; 0 in the shadow.

    Errors: those of `load`; `ChallengerFailed` when the challenger could not predict its part of the batch.
    """
    challenger, part = assignment.challenger, challengers_part(batch)
    assert challenger is not None, "there is a shadow only beside a challenger"
    if part is not None and part.failed:
        raise ChallengerFailed(
            f"Version {part.model_version} could not predict its part of {batch.window}, so it has no shadow there: "
            f"{part.failed}"
        )
    share, salt = (part.share or 0, part.salt) if part else (0, "")
    decision = challenger.training.get(DECISION)
    stage = Stage(challenger.model_version, challenger.model_digest, share, salt, challenger.id, decision)
    return Scorers(load(assignment.champion), load(challenger), stage)


def recorded_scorers(batch: Batch, registry: ModelRegistry) -> Scorers:
    """The models that predicted a recorded batch.

    Errors: `NoModel`, `LibrariesChanged`, `UntrustedModel`, `StoreUnavailable`.
    """
    champion = registry.load(batch.use_case, batch.model_version, batch.model_digest)
    part = challengers_part(batch)
    if part is None or part.failed:
        return Scorers(champion)
    stage = Stage(part.model_version, part.model_digest, part.share or 0, part.salt, part.deployment, part.decision)
    return Scorers(champion, registry.load(batch.use_case, part.model_version, part.model_digest), stage)


def predictions_of(spec: UseCase, rows: pa.Table, scorers: Scorers, *, other: bool = False) -> dict[str, pa.Array]:
    """The columns `prediction`, `model_version` and `model_digest` of the rows, each by its own model; with `other`,
    each by the other one.

    Errors: `SchemaMismatch` when the rows lack features of the champion; `ChallengerFailed`.
    """
    theirs = scorers.challengers(spec, rows) ^ other
    if scorers.challenger is None or not theirs.any():
        return _columns(pa.array(predictions(spec, rows, scorers.champion)), scorers.champion)
    values = np.empty(rows.num_rows, dtype=np.float64)
    values[theirs] = challengers_predictions(spec, rows.filter(pa.array(theirs)), scorers.challenger)
    values[~theirs] = predictions(spec, rows.filter(pa.array(~theirs)), scorers.champion)
    own, others = (_columns(pa.array(values), model) for model in (scorers.champion, scorers.challenger))
    return {name: pc.if_else(pa.array(theirs), others[name], own[name]) for name in own}


def _columns(values: pa.Array, model: LoadedModel) -> dict[str, pa.Array]:
    """The columns of predictions by one model."""
    said = {"model_version": model.version, "model_digest": model.digest}
    return {"prediction": values, **{name: pa.repeat(text, len(values)) for name, text in said.items()}}


def predictions(spec: UseCase, rows: pa.Table, model: LoadedModel) -> Floats:
    """What one model says of rows. Errors: `SchemaMismatch` when they lack its features."""
    return predict(model.pipeline, spec.task, model_inputs(model.pipeline).frame(rows))


def challengers_predictions(spec: UseCase, rows: pa.Table, model: LoadedModel) -> Floats:
    """The same of a challenger, which may not keep the champion from predicting. Errors: `ChallengerFailed`."""
    try:
        found = predictions(spec, rows, model)
    except TransientError:
        raise
    except Exception as error:  # whatever a pipeline may raise
        raise ChallengerFailed(
            f"Version {model.version} could not predict its {rows.num_rows:,} rows: {type(error).__name__}: {error}"
        ) from error
    broken = int(np.count_nonzero(~np.isfinite(found)))
    if broken:
        raise ChallengerFailed(
            f"{broken:,} of version {model.version}'s {rows.num_rows:,} predictions would be infinite or NaN."
        )
    return found


def texts(keys: pa.ChunkedArray) -> Iterable[str]:
    """Keys as text, by which rows are assigned."""
    written: list[str] = keys.cast(pa.string()).to_pylist()
    return written


def parts_of(batch: Batch) -> tuple[Part, ...]:
    """Who predicted a batch's rows: its parts, or the one model of a whole batch."""
    if not batch.parts:
        return (Part(DeployedRole.CHAMPION, batch.model_version, batch.model_digest, batch.rows),)
    return tuple(Part(**each) for each in batch.parts)


def challengers_part(batch: Batch) -> Part | None:
    """The challenger's part of a batch; None where none was to predict rows."""
    return next((each for each in parts_of(batch) if each.role == DeployedRole.CHALLENGER), None)


def champions_rows(batch: Batch, rows: pa.Table) -> pa.Table:
    """Of a batch's predictions those by its champion, all of them where no challenger predicted any.

    What is measured against what the champion was trained on, or expected of it, is measured on these. The hash that
    chose them knows nothing of their values, so they are as good as a random sample of the window.
    """
    return rows.filter(pc.equal(rows.column("model_digest"), batch.model_digest)) if batch.parts else rows


def told(batch: Batch) -> str:
    """Who predicted the batch's rows, in words."""
    part = challengers_part(batch)
    if part is None:
        return f"version {batch.model_version}"
    if part.failed:
        return f"version {batch.model_version}, all of them because version {part.model_version} in roll-out failed"
    return (
        f"version {batch.model_version}, {part.rows:,} of them by version {part.model_version} (canary {part.share}%)"
    )
