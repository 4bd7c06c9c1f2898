"""What the judge says beside its verdict, and whom the candidates have to beat when the columns have changed.

A champion that was trained on columns which the spec no longer has can't score new windows. A candidate then has to
beat a prediction without skill, and is compared with the champion on rows of stored snapshots that still have them.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from sklearn.pipeline import Pipeline

from perennial.arrays import Floats
from perennial.errors import LibrariesChanged, RowsRemoved
from perennial.features.build import LARGEST_FEATURE, feature_frame
from perennial.jobs.retrain.train import Trained
from perennial.lake.port import raw_table, window_partition
from perennial.ledger.entries import Deployment
from perennial.modeling.artifact import load
from perennial.modeling.holdout import MIN_HOLDOUT_ROWS
from perennial.modeling.inputs import ModelInputs, model_inputs
from perennial.modeling.leakage import given_away
from perennial.modeling.predict import predict
from perennial.performance.gain import METRIC_TITLES, gain
from perennial.performance.metrics import metrics_of
from perennial.policy.promotion import CandidateScore, best_candidate, text_of
from perennial.ports import Ports
from perennial.quality.schema import canonical_schema
from perennial.records.judgement import JUDGED, STORED_ROWS
from perennial.records.kept_example import load_model
from perennial.records.training_set import LAST_WEIGHTED, WINDOW_COLUMN, TrainingManifest, outcomes
from perennial.spec.models import UseCase
from perennial.spec.names import METRICS
from perennial.window import Window
from perennial.wording import counted

log = logging.getLogger(__name__)

Numbers = dict[str, float | int | str | None]

SUSPICION = "Warning: "  # what remarks begin with that a person should look at before the model is trusted


@dataclass(frozen=True)
class Rival:
    """What the candidates are compared with: the champion's score, None where it can't score such rows any more.

    `predictions` are the champion's, of each row of the holdout.
    """

    score: CandidateScore | None
    remarks: tuple[str, ...] = ()
    numbers: Numbers = field(default_factory=dict)
    predictions: Floats | None = None


def rival_of(
    spec: UseCase,
    champion: Deployment | None,
    trained: Sequence[Trained],
    holdout: pa.Table,
    manifest: TrainingManifest,
    ports: Ports,
) -> Rival:
    """The champion, scored anew on the holdout; or how it did on stored rows, where the spec's columns don't suffice.

    One that does not predict with today's libraries as it did is no rival.

    Errors: `UntrustedModel`, `StoreUnavailable`.
    """
    if champion is None:
        return Rival(None)
    try:
        name, digest, pipeline = _champion(spec, champion, manifest, ports)
    except LibrariesChanged as error:
        log.warning("%s: the champion is not compared with: %s", spec.name, error)
        return Rival(None, (f"{error} The candidates had to beat a prediction without skill.",))
    needed = model_inputs(pipeline)
    lacking = needed.unavailable({field.name: str(field.type) for field in canonical_schema(spec)})
    if not lacking:
        said = predict(pipeline, spec.task, needed.frame(holdout))
        metrics = metrics_of(spec.task, outcomes(spec, holdout), said)
        return Rival(CandidateScore(name, digest, holdout.num_rows, metrics), predictions=said)
    gone = (
        f"The champion version {champion.model_version} can't score new windows, because the columns in use_case.yaml "
        f"have changed since its training ({'; '.join(lacking.values())}): the candidates had to beat a prediction "
        "without skill."
    )
    rows, former = _stored_rows(spec, needed, holdout, manifest, ports)
    metric, title = spec.training.metric, METRIC_TITLES[spec.training.metric]
    truth = outcomes(spec, rows)
    scores = [CandidateScore(name, digest, rows.num_rows, {})]
    if rows.num_rows >= MIN_HOLDOUT_ROWS:
        predictions = predict(pipeline, spec.task, needed.frame(former))
        scores = [CandidateScore(name, digest, rows.num_rows, metrics_of(spec.task, truth, predictions))]
    if metric not in scores[0].metrics:
        few = (
            f"Stored snapshots still have these columns for {counted(rows.num_rows, 'holdout row')}, too few to "
            "compare the two."
        )
        by_cost = "They are not compared on rows of stored snapshots, because what decides is their cost."
        return Rival(None, (gone, by_cost if METRICS[metric].of_decisions else few))
    if not trained:
        return Rival(None, (gone,))
    frame = feature_frame(spec, rows)
    for each in trained:
        predictions = predict(load(ports.artifacts.get(each.digest), each.digest), spec.task, frame)
        found = metrics_of(spec.task, truth, predictions)
        scores.append(CandidateScore(each.candidate, each.digest, rows.num_rows, found))
    best = best_candidate(spec.training, scores[1:])
    assert best is not None, "the metric is defined on these rows"
    then, now = scores[0].metrics[metric], best.metrics[metric]
    compared = (
        f"On {counted(rows.num_rows, 'holdout row')} of stored snapshots that still have these columns, {best.name} "
        f"has {title} {text_of(now)} and the {name} {text_of(then)}."
    )
    worse = () if gain(metric, now, then) >= 0 else ("The columns that are gone carried skill, which is lost.",)
    numbers: Numbers = {f"{STORED_ROWS}.{each.name}.{metric}": each.metrics[metric] for each in scores}
    return Rival(None, (gone, compared, *worse), {STORED_ROWS: rows.num_rows, **numbers})


def _champion(
    spec: UseCase, champion: Deployment, manifest: TrainingManifest, ports: Ports
) -> tuple[str, str, Pipeline]:
    """Name, digest and pipeline of the champion; where it was refitted on rows of the holdout, of what was judged then.

    A model that is judged on rows which it was trained on looks too good, and no candidate would win.
    """
    name, digest = f"champion version {champion.model_version}", champion.model_digest
    pipeline = load_model(spec, champion.model_version, digest, ports).pipeline  # which sees to its libraries
    if not _has_seen(champion, manifest.until - spec.training.holdout):
        return name, digest, pipeline
    digest = champion.training[JUDGED]
    name = f"{name} as it was judged (it has learnt rows of this holdout since)"
    return name, digest, load(ports.artifacts.get(digest), digest)


def _has_seen(champion: Deployment, holdout_start: datetime) -> bool:
    """Whether the champion was refitted on rows from the start of the holdout on."""
    known = champion.training
    if known.get(JUDGED, champion.model_digest) == champion.model_digest:
        return False
    last = known[LAST_WEIGHTED] if LAST_WEIGHTED in known else known["last_window"]
    return Window.parse(last).end > holdout_start


def left_out(manifest: TrainingManifest) -> Iterator[str]:
    """What is said about rows that no estimator could be trained on."""
    for name, rows in manifest.too_large.items():
        yield (
            f"{counted(rows, 'row')} {'was' if rows == 1 else 'were'} left out of training, because {name} is beyond "
            f"{LARGEST_FEATURE:.3g} there, which not every estimator can compute with. If it stands for a missing "
            "value, let the source write none."
        )


def suspicions(spec: UseCase, training: pa.Table, holdout: pa.Table, allowed: Mapping[str, str]) -> Iterator[str]:
    """What is said about columns that give the outcome away; `allowed` says of some who said that they may, and why."""
    known, truth = outcomes(spec, training), outcomes(spec, holdout)
    for name, skill in given_away(spec, feature_frame(spec, training), known, feature_frame(spec, holdout), truth):
        if name in allowed:
            yield f"{SUSPICION}{name} alone predicts the holdout nearly perfectly ({skill}); it was {allowed[name]}"
            continue
        yield (
            f"{SUSPICION}{name} alone predicts the holdout nearly perfectly ({skill}). Is it known before the outcome? "
            "If not, take it out of the columns: in service the model would not have it."
        )


def _stored_rows(
    spec: UseCase, needed: ModelInputs, holdout: pa.Table, manifest: TrainingManifest, ports: Ports
) -> tuple[pa.Table, pa.Table]:
    """The rows of the holdout that a stored snapshot has with all that is needed, and these rows of the snapshot."""
    kept, former = [holdout.slice(0, 0)], []
    present = set(pc.unique(holdout.column(WINDOW_COLUMN)).to_pylist())
    for window in (each.window for each in manifest.windows if each.window.key in present):
        complete = [s for s in ports.ledger.snapshots(spec.name, window) if not needed.unavailable(s.columns)]
        if not complete:
            continue
        try:
            old = ports.lake.read(raw_table(spec.name), window_partition(window), version=complete[-1].version)
        except RowsRemoved as error:
            log.warning("%s %s takes no part in the comparison on stored rows: %s", spec.name, window, error)
            continue
        own = holdout.filter(pc.equal(holdout.column(WINDOW_COLUMN), window.key))
        at = pc.index_in(own.column(spec.key), value_set=old.column(spec.key).combine_chunks())
        kept.append(own.filter(pc.is_valid(at)))
        former.append(old.take(pc.drop_null(at)))
    rows = pa.concat_tables(former, promote_options="default") if former else pa.table({})
    return pa.concat_tables(kept), rows
