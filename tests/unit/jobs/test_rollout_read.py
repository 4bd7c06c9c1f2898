"""What is read of windows that two models predicted: by part where a number is about one model."""

from pathlib import Path

import numpy as np
import pytest
from tests.unit.jobs.rollout_world import ROWS, RolloutWorld, make
from tests.unit.jobs.test_rollout import play

from perennial.encoding import as_json
from perennial.jobs.predict import monitor, shadow
from perennial.jobs.upkeep import maintain
from perennial.ledger.entries import Deployment
from perennial.performance.metrics import metrics_of
from perennial.records.model_choice import ModelChoice
from perennial.review import explain, history, models, reproduce
from perennial.review.comparison import revisions
from perennial.review.evidence_page import as_text
from perennial.spec.names import Task


@pytest.fixture
def rolling(tmp_path: Path) -> RolloutWorld:
    made = make(tmp_path, 10)
    made.champion("fair")
    made.stage("true", 25, 1)
    made.scored(1)
    return made


def test_explain_names_the_model_of_the_row_and_why_it_was_that_one(rolling: RolloutWorld) -> None:
    window = rolling.world.day(1)
    rows = rolling.predictions(1)
    for version, role, side in (("1", "challenger", "below."), ("3", "champion", "not below.")):
        key = next(key for key, (by, _) in rows.items() if by == version)
        found = explain.run(rolling.world.use_case, str(key), window, window.end, rolling.ports, airflow_url=None)
        by = found.predicted_by
        assert by is not None
        assert (by.version, by.role, by.share) == (version, role, 25)
        assert by.place is not None
        assert (by.place < 2_500) == (version == "1")
        assert by.why.startswith(
            "Version 1 was in roll-out at 25% of the rows: it predicts keys whose place among 10,000"
        )
        assert by.why.endswith(f"This key's is {by.place:,}, {side}")
        assert (found.deployment.model_version, found.deployment.share) == (version, 25 if version == "1" else None)
        assert by.why in as_text(as_json(found))
    rolling.scored(0)
    day = rolling.world.day(0)
    whole = explain.run(rolling.world.use_case, "5", day, day.end, rolling.ports, airflow_url=None)
    assert whole.predicted_by is not None
    assert whole.predicted_by.why == "All rows of the window were predicted by version 3 (as_was)."


def test_history_and_comparison_say_who_predicted_how_many_rows(rolling: RolloutWorld) -> None:
    theirs = sum(version == "1" for version, _ in rolling.predictions(1).values())
    (only,) = history.run(rolling.world.use_case, rolling.world.day(1), rolling.ports)
    assert only.predicted_by == f"version 3, {theirs} of them by version 1 (canary 25%)"
    rolling.scored(1, ModelChoice.parse("pinned:3"))
    found = revisions.run(rolling.world.use_case, rolling.world.day(1), 1, 2, rolling.ports)
    (part,) = [each for each in found.made_of if each.name == "challenger in roll-out"]
    assert (part.before, part.after) == ("version 1 at 25%", "none")


def test_performance_is_of_the_rows_that_the_champion_predicted_and_made_again_the_same(rolling: RolloutWorld) -> None:
    rolling.measured(3)
    (entry,) = rolling.ports.ledger.performance_of("parcels", rolling.world.day(1))
    own = [(key, value) for key, (version, value) in rolling.predictions(1).items() if version == "3"]
    late = rolling.world.outcomes.table.column("late").to_pylist()
    truth = np.array([late[key] for key, _ in own], dtype=float)
    expected = metrics_of(Task.BINARY_CLASSIFICATION, truth, np.array([value for _, value in own]))["roc_auc"]
    assert (entry.rows, entry.labelled, entry.model_version) == (ROWS, ROWS, "3")
    assert entry.metrics["roc_auc"] == pytest.approx(expected)
    assert all(each.same for each in reproduce.run(rolling.world.use_case, rolling.world.day(1), rolling.ports))


def test_drift_is_measured_on_the_rows_that_the_champion_predicted(rolling: RolloutWorld) -> None:
    monitor.run(rolling.world.use_case, rolling.world.day(1), rolling.ports, "test")
    (report,) = rolling.ports.ledger.drift_of("parcels", rolling.world.day(1))
    own = sum(version == "3" for version, _ in rolling.predictions(1).values())
    assert report.profile["numeric"]["weight"]["moments"]["count"] == own


def test_the_shadow_of_a_live_revision_is_kept_and_that_of_a_replaced_one_is_not(rolling: RolloutWorld) -> None:
    run = shadow.run(rolling.world.use_case, rolling.world.day(1), rolling.ports, "test")
    assert run.rows == ROWS
    rolling.world.change(1, "weight", 11.0)
    rolling.scored(1)
    shadow.run(rolling.world.use_case, rolling.world.day(1), rolling.ports, "test")
    first, second = rolling.ports.ledger.shadows_between(
        "parcels", rolling.world.day(0).start, rolling.world.day(3).end
    )
    assert (first.revision, second.revision) == (1, 2)
    needed = maintain.needed(rolling.world.use_case, rolling.world.day(9).end, rolling.ports)
    assert needed["shadow/parcels"](lambda _: True) == {rolling.world.day(1).key: {second.version}}


def test_the_family_of_models_shows_stages_and_no_entry_that_only_ends_one(tmp_path: Path) -> None:
    rolling = make(tmp_path, 30)
    first = rolling.champion("true")
    stage: Deployment = rolling.stage("bad", 5, 0)
    second = rolling.stage("bad", 25, 0, stage)
    play(rolling, range(14))
    last = rolling.ports.ledger.deployments("parcels")[-1]
    assert last.ends
    family = models.run(rolling.world.use_case.spec, rolling.ports)
    bad = next(each for each in family.versions if each.version == stage.model_version)
    assert bad.parent == first.model_version
    assert [(each.share, each.again, each.until) for each in bad.services] == [
        (5, False, second.effective_from), (25, False, last.effective_from)
    ]  # fmt: skip
