"""The training set is checked before anything is trained: what is refused is on record, and a person may allow it."""

import pyarrow as pa
import pytest
from tests.unit.jobs.test_judging import last_decision, with_training
from tests.unit.jobs.test_learning_path import retrained
from tests.unit.jobs.test_predict_path import first_model
from tests.unit.jobs.world import World

from perennial.errors import InvalidSpec, TrainingSetRefused
from perennial.jobs.retrain import allow_feature, assemble, check
from perennial.ledger.entries import DecisionKind, DeployedRole, InterventionKind
from perennial.review import retraining_report


def leak(world: World) -> None:
    late = world.outcomes.table.column("late").cast(pa.float64())
    world.parcels.table = world.parcels.table.set_column(2, "weight", late)


def test_a_feature_that_gives_the_outcome_away_blocks_and_the_report_says_so(world: World) -> None:
    leak(world)
    with pytest.raises(TrainingSetRefused, match=r"weight alone predicts the holdout nearly perfectly \(ROC AUC 1.000"):
        retrained(world, 30)
    assert world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION) is None
    recorded = last_decision(world)
    assert (recorded.action, recorded.numbers["refused_for"]) == ("reject", "leakage")
    assert "perennial allow-feature parcels weight --reason" in recorded.reasons[0]
    report = retraining_report.run(world.use_case, "test", world.ports)
    assert report.decision == recorded
    assert report.sentence == "Nothing was trained: the training set was refused for leakage."
    assert report.training is not None


def test_a_persons_word_lets_the_same_run_go_on(world: World) -> None:
    leak(world)
    with pytest.raises(TrainingSetRefused):
        retrained(world, 30)
    allow_feature.run(
        world.use_case, "weight", world.ports, "by hand", actor="ada", reason="it is written on the parcel"
    )
    (said,) = world.ports.ledger.interventions("parcels", InterventionKind.FEATURE_ALLOWED)
    assert (said.subject, said.actor) == ("weight", "ada")
    done = retrained(world, 30)
    assert done.deployed is not None
    warned = [each for each in done.judged.reasons if each.startswith("Warning: ")]
    told = "weight alone predicts the holdout nearly perfectly (ROC AUC 1.000)"
    assert warned == [f"Warning: {told}; it was allowed by ada: it is written on the parcel"]
    made = assemble.run(world.use_case, world.day(30).start, world.ports, "test")
    checked = check.run(world.use_case, made.training_id, world.ports, "test")
    assert checked.leaking == {"weight": "ROC AUC 1.000; allowed by ada: it is written on the parcel"}
    assert [each.action for each in world.ports.ledger.decisions("parcels", DecisionKind.PROMOTE)] == [
        "reject",
        "promote",
    ]


def test_the_champion_stays_where_labels_are_not_believed(world: World) -> None:
    first_model(world, 25)
    before = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    with_training(world, "  checks: {label_rate: [0.01, 0.1]}\n")
    with pytest.raises(TrainingSetRefused, match=r"training.checks.label_rate allows 1.0% to 10.0%"):
        retrained(world, 30)
    assert last_decision(world).numbers["refused_for"] == "label rate"
    assert world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION) == before


def test_another_reason_to_refuse_the_same_rows_is_on_record_too(world: World) -> None:
    for checks, share in (("[0.01, 0.1]", "1.0% to 10.0%"), ("[0.01, 0.2]", "1.0% to 20.0%")):
        with_training(world, f"  checks: {{label_rate: {checks}}}\n")
        for _ in range(2):  # a retry is about the same
            with pytest.raises(TrainingSetRefused):
                retrained(world, 30)
        assert share in last_decision(world).reasons[0]
    refused = world.ports.ledger.decisions("parcels", DecisionKind.PROMOTE)
    assert (len(refused), len({each.subject.partition(" ")[0] for each in refused})) == (2, 1)


@pytest.mark.parametrize(
    ("column", "reason", "told"),
    [("wieght", "known", "Did you mean 'weight'"), ("parcel", "known", "no feature"), ("weight", " ", "say why")],
)
def test_only_a_feature_can_be_allowed_and_only_with_a_reason(
    world: World, column: str, reason: str, told: str
) -> None:
    with pytest.raises(InvalidSpec, match=told):
        allow_feature.run(world.use_case, column, world.ports, "by hand", actor="ada", reason=reason)
    assert not world.ports.ledger.interventions("parcels")
