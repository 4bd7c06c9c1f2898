"""`training.immature: weighted`: the refit learns from immature windows what the whole truth would teach."""

import json
import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.jobs.test_delays_that_depend_on_the_outcome import TRAINED, champion, skewed, whole_truth  # noqa: F401
from tests.unit.jobs.test_learning_path import retrained
from tests.unit.jobs.world import ROWS, World

from perennial.digest import table_digest
from perennial.errors import InvalidSpec
from perennial.features.build import feature_frame
from perennial.jobs.retrain import assemble
from perennial.modeling.artifact import load
from perennial.modeling.predict import predict as predicted
from perennial.modeling.train import fit
from perennial.performance.interval import log_losses
from perennial.records.training_set import TrainingManifest, outcomes, read_manifest, read_rows, read_weighted_rows
from perennial.spec.load import load_use_case
from perennial.spec.training import Candidate


def weighting(world: World, immature: str = "weighted") -> World:
    spec = world.use_case.spec
    training = spec.training.model_copy(update={"immature": immature})
    return replace(world, use_case=replace(world.use_case, spec=spec.model_copy(update={"training": training})))


def assembled(world: World) -> TrainingManifest:
    found = assemble.run(world.use_case, world.day(TRAINED).start, world.ports, "test")
    return read_manifest(found.training_id, world.ports)


def days_of(world: World, manifest: TrainingManifest) -> range:
    numbers = [(each.part.window.start - world.day(0).start).days for each in manifest.weighted]
    return range(numbers[0], numbers[-1] + 1)


def test_weighted_immature_labels_say_what_the_whole_truth_says_and_unweighted_ones_do_not(skewed: World) -> None:  # noqa: F811
    world = weighting(skewed)
    spec = world.use_case.spec
    manifest = assembled(world)
    days = days_of(world, manifest)
    assert len(days) == len(manifest.weighted) >= 6
    found = read_weighted_rows(spec, manifest, world.ports)
    assert found is not None
    rows, weights = found
    known = outcomes(spec, rows)
    all_rows, truth = whole_truth(world, days)
    assert rows.num_rows < 0.9 * len(truth)
    model = fit(spec, spec.training.candidates[0], feature_frame(spec, all_rows), truth)
    losses = log_losses(truth, predicted(model, spec.task, feature_frame(spec, all_rows)))
    known_losses = log_losses(known, predicted(model, spec.task, feature_frame(spec, rows)))
    effective = weights.sum() ** 2 / (weights**2).sum()
    for said, raw, true in ((known, known, truth), (known_losses, known_losses, losses)):
        reach = 1.96 * true.std() / math.sqrt(effective)
        assert abs(np.average(said, weights=weights) - true.mean()) < reach
        if true is truth:
            assert abs(raw.mean() - true.mean()) > reach
    assert weights.sum() == pytest.approx(len(truth), rel=0.05)


def test_the_judgement_is_as_without_them(skewed: World) -> None:  # noqa: F811
    plain = retrained(skewed, TRAINED)
    found = retrained(weighting(skewed), TRAINED)
    assert {name: found.judged.scores[name] for name in ("no_skill", "logistic", "guess")} == {
        name: plain.judged.scores[name] for name in ("no_skill", "logistic", "guess")
    }
    assert found.assembled.rows == plain.assembled.rows
    assert found.assembled.digest == plain.assembled.digest


def test_the_weights_reach_the_estimator_and_are_on_record(skewed: World) -> None:  # noqa: F811
    world = weighting(skewed)
    spec, ports = world.use_case.spec, world.ports
    result = retrained(world, TRAINED)
    manifest = read_manifest(result.assembled.training_id, ports)
    found = read_weighted_rows(spec, manifest, ports)
    assert found is not None
    rows, weights = found
    assert manifest.weighted_digest == table_digest(rows)
    deployed = champion(world)
    assert deployed.training["weighted"] == len(manifest.weighted) == result.assembled.weighted
    assert deployed.training["refitted"]["rows"] == manifest.rows + rows.num_rows
    mature = read_rows(manifest, ports)
    together = pa.concat_tables([mature, rows.select(mature.column_names)])
    truth = outcomes(spec, together)
    everything = np.concatenate([np.ones(mature.num_rows), weights])
    again = fit(spec, spec.training.candidates[0], feature_frame(spec, together), truth, everything)
    kept = load(ports.artifacts.get(deployed.model_digest), deployed.model_digest)
    frame = feature_frame(spec, together)
    assert np.array_equal(predicted(kept, spec.task, frame), predicted(again, spec.task, frame))
    unweighted = fit(spec, spec.training.candidates[0], frame, truth)
    assert not np.allclose(predicted(kept, spec.task, frame), predicted(unweighted, spec.task, frame), atol=1e-3)
    told = " ".join(result.judged.reasons)
    assert f"The refit also learns from {rows.num_rows:,} labels of {len(manifest.weighted)} immature windows" in told


def test_what_is_held_out_later_counts_as_seen_by_a_champion_that_learnt_it_while_it_was_immature(
    skewed: World,  # noqa: F811
) -> None:
    world = weighting(skewed)
    retrained(world, TRAINED)
    later = retrained(world, TRAINED + 11)  # its holdout begins after the champion's last mature window
    assert any("as it was judged (it has learnt rows of this holdout since)" in name for name in later.judged.scores)


def test_windows_whose_labels_come_otherwise_than_before_stay_out_and_it_is_told(skewed: World) -> None:  # noqa: F811
    outcomes_before = skewed.outcomes.table
    at = outcomes_before.column_names.index("delivered_at")
    late = [position for day in range(29, TRAINED) for position in skewed.rows_of(day)]
    delays = np.zeros(outcomes_before.num_rows)
    delays[late] = 3.0
    arrivals = [
        moment + timedelta(days=float(each))
        for moment, each in zip(outcomes_before.column("delivered_at").to_pylist(), delays, strict=True)
    ]
    skewed.outcomes.table = outcomes_before.set_column(
        at, "delivered_at", pa.array(arrivals, pa.timestamp("us", "UTC"))
    )
    manifest = assembled(weighting(skewed))
    reasons = {each.window: each.reason for each in manifest.immature}
    changed = [reason for reason in reasons.values() if reason.startswith("labels arrive differently")]
    assert len(changed) + len(manifest.weighted) >= 6
    assert len(manifest.weighted) <= 1
    assert all(reasons.values())


def test_by_default_immature_windows_take_no_part(skewed: World) -> None:  # noqa: F811
    manifest = assembled(skewed)
    assert (manifest.weighted, manifest.weighted_partition, len(manifest.immature)) == ((), None, 10)
    assert read_weighted_rows(skewed.use_case.spec, manifest, skewed.ports) is None
    assert "weighted" not in json.dumps(manifest.summary())


def test_a_row_with_the_weight_3_teaches_what_three_such_rows_would(world: World) -> None:
    spec = world.use_case.spec
    rows, truth = whole_truth(world, range(2))
    frame = feature_frame(spec, rows)
    weights = np.where(truth == 1, 3.0, 1.0)
    guess = Candidate(name="guess", estimator="dummy", parameters={"strategy": "prior"})
    said = predicted(fit(spec, guess, frame, truth, weights), spec.task, frame)
    assert said == pytest.approx(np.full(2 * ROWS, np.average(truth, weights=weights)))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("refit: false\n  immature: weighted", "only the refit learns from immature labels"),
        ("immature: weighted", "only done for binary_classification"),
    ],
)
def test_a_spec_that_can_not_be_weighted_is_refused(world: World, keys: str, said: str) -> None:
    file = world.use_case.folder / "use_case.yaml"
    text = file.read_text().replace("holdout: 7d", f"holdout: 7d\n  {keys}")
    if "only" in said:
        text = text.replace("binary_classification", "regression").replace("metric: roc_auc", "metric: mae")
    file.write_text(text)
    with pytest.raises(InvalidSpec, match=said):
        load_use_case(world.use_case.folder)
