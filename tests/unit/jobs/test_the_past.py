"""Preview, history, diff, reproduce, explain: what would be done, and what was."""

import itertools
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import RECORDED, START, World

from perennial.digest import table_digest
from perennial.encoding import as_json
from perennial.errors import NotScored
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import monitor, score, validate
from perennial.ledger.entries import DeployedRole, Deployment
from perennial.records.labels import collect
from perennial.records.model_choice import ModelChoice, Resolution
from perennial.review import explain, history, preview, reproduce
from perennial.review.evidence_page import as_html, as_text, sections

AS_WAS = ModelChoice()


def deploy_again(world: World, day: int) -> Deployment:
    """The champion's bytes under a second version, in service from a day on."""
    ledger = world.ports.ledger
    current = ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    assert current is not None
    return ledger.deploy(
        Deployment(
            use_case="parcels", role=DeployedRole.CHAMPION, model_version="1", model_digest=current.model_digest,
            effective_from=world.day(day).start, supersedes=current.id, actor="test", reason="again",
            training=current.training, metrics=current.metrics, approved_by="ada", code_version="c", lock_digest="l",
            run_id="second",
        )
    )  # fmt: skip


def test_a_preview_says_what_scoring_then_does(world: World) -> None:
    first_model(world)
    predict(world, 31)
    ingest_and_validate(world, 32)
    predict(world, 33)
    world.change(33, "weight", 11.0)
    ingest_and_validate(world, 33)
    windows = [world.day(day) for day in (31, 32, 33, 34)]
    previews = preview.run(world.use_case, windows, world.ports, model=AS_WAS)
    assert [each.would_be for each in previews] == ["unchanged", "revision 1", "revision 2", "nothing yet"]
    assert [each.model for each in previews] == ["1"] * 4
    assert "NotIngested" in str(previews[3].why_not)
    for each in previews[:3]:
        scored = score.run(world.use_case, each.window, world.ports, "test", model=AS_WAS)
        assert each.would_be == (f"revision {scored.revision}" if scored.changed else "unchanged")


def test_a_preview_changes_nothing(world: World) -> None:
    first_model(world)
    ingest_and_validate(world, 31)
    before = world.ports.ledger.status("parcels")
    preview.run(world.use_case, [world.day(31)], world.ports, model=AS_WAS)
    assert world.ports.ledger.status("parcels") == before
    assert world.ports.lake.read("predictions/parcels", world.day(31).key).num_rows == 0


def test_as_known_takes_what_was_recorded_when_the_window_was_scored_first(world: World) -> None:
    first_model(world)
    predict(world, 31)
    deploy_again(world, 31)
    as_known = ModelChoice(Resolution.AS_KNOWN)
    assert as_known.resolve(world.use_case.spec, world.day(31), world.ports.ledger).champion.run_id == "test"
    assert ModelChoice.parse("as_known") == as_known


def test_history_names_model_data_and_run_of_every_revision(world: World) -> None:
    first_model(world)
    predict(world, 31, run_id="one")
    world.change(31, "weight", 11.0)
    predict(world, 31, run_id="two")
    first, second = history.run(world.use_case, world.day(31), world.ports)
    assert (first.revision, first.live, first.run_id) == (1, False, "one")
    assert (second.revision, second.live, second.run_id) == (2, True, "two")
    assert first.snapshot_digest != second.snapshot_digest
    assert (first.model, first.quarantined) == ("1", 0)
    with pytest.raises(NotScored, match="has no predictions yet"):
        history.run(world.use_case, world.day(32), world.ports)


def test_the_difference_of_two_revisions_is_named_row_by_row(world: World) -> None:
    first_model(world)
    predict(world, 31)
    table = world.parcels.table
    weights = table.column("weight").to_pylist()
    at = world.rows_of(31)
    weights[at[0]] += 3.0
    keep = [i for i in range(table.num_rows) if i != at[1]]
    table = table.set_column(table.column_names.index("weight"), "weight", pa.array(weights)).take(keep)
    world.parcels.table = table
    predict(world, 31)
    found = history.diff(world.use_case, world.day(31), 1, 2, world.ports)
    assert (found.same, found.changed, found.added, found.removed) == (len(at) - 2, 1, 0, 1)
    changed, removed = found.rows
    assert changed.entity == str(table.column("parcel")[at[0]].as_py())
    assert changed.difference == pytest.approx(changed.after - changed.before)
    assert found.greatest_difference == pytest.approx(abs(changed.difference))
    assert (removed.entity, removed.after) == (str(at[1]), None)
    with pytest.raises(NotScored, match=r"no revision 7; it has 1, 2"):
        history.diff(world.use_case, world.day(31), 1, 7, world.ports)


def evaluated(world: World, day: int) -> None:
    as_of = world.day(day).end + timedelta(days=1)
    collect_labels.run(world.use_case, as_of, world.ports, "test")
    measure.run(world.use_case, as_of, world.ports, "test")


def test_i7_what_was_recorded_can_be_made_again_byte_for_byte(world: World) -> None:
    first_model(world)
    predict(world, 31)
    evaluated(world, 31)
    world.change(31, "weight", 11.0)
    predict(world, 31)
    evaluated(world, 31)
    found = reproduce.run(world.use_case, world.day(31), world.ports)
    assert [each.what.split()[0] for each in found][:2] == ["revision", "revision"]
    assert len(found) >= 3
    assert all(each.same for each in found), found


def test_a_measurement_is_reproduced_as_it_was_known_also_when_labels_are_corrected_later(world: World) -> None:
    first_model(world)
    predict(world, 31)
    evaluated(world, 31)
    outcomes = world.outcomes.table
    other = pa.array([not late for late in outcomes.column("late").to_pylist()])
    flipped = outcomes.set_column(outcomes.column_names.index("late"), "late", other)
    world.outcomes.table = flipped  # the source rewrites history: same arrival times, other outcomes
    collect_labels.run(world.use_case, world.day(31).end + timedelta(days=1), world.ports, "later")
    _, measured = reproduce.run(world.use_case, world.day(31), world.ports)
    assert "performance" in measured.what
    assert measured.same, measured


def test_a_changed_byte_in_the_recorded_predictions_is_found(world: World) -> None:
    first_model(world)
    predict(world, 31)
    batch = world.ports.ledger.latest_batch("parcels", world.day(31))
    assert batch is not None
    world.change(31, "weight", 12.0)
    held = world.ports.lake._tables["raw/parcels"]._held[world.day(31).key]  # type: ignore[attr-defined]
    forged = held[-1]
    number = forged.column_names.index("weight")
    held[-1] = forged.set_column(number, "weight", pa.array([99.0] * forged.num_rows))
    (found,) = reproduce.run(world.use_case, world.day(31), world.ports)
    assert not found.same
    assert found.again != found.recorded == batch.digest


def test_the_evidence_goes_from_a_row_to_everything_that_made_it(world: World) -> None:
    first_model(world)
    predict(world, 31, run_id="parcels.predict/scheduled__2024-02-01T00:00:00+00:00")
    monitor.run(world.use_case, world.day(31), world.ports, "test")
    evaluated(world, 31)
    rows = world.ports.published.read("parcels", world.day(31))
    entity = str(rows.column("parcel")[0].as_py())
    as_of = START + timedelta(days=60)
    found = explain.run(world.use_case, entity, None, as_of, world.ports, airflow_url="http://airflow:8080/")
    assert found.window == world.day(31)
    assert found.prediction == rows.column("prediction")[0].as_py()
    assert found.published
    assert found.row is not None
    assert found.row["parcel"] == entity
    assert found.outcome in (True, False)
    assert found.dag_run.address == (
        "http://airflow:8080/dags/parcels.predict/runs/scheduled__2024-02-01T00%3A00%3A00%2B00%3A00"
    )
    raw = world.ports.lake.read(found.snapshot.table, world.day(31).key, version=found.snapshot.version)
    assert table_digest(raw) == found.snapshot.digest == found.validation.snapshot_digest
    assert found.batch.model_digest == found.deployment.model_digest
    assert re.fullmatch(r"0\.1\.0\+[0-9a-f]{12}", found.batch.code_version)
    assert re.fullmatch(r"[0-9a-f]{64}", found.batch.lock_digest)
    assert found.drift is not None
    assert found.performance is not None
    assert found.training is not None
    assert len(found.training.windows) > 20
    evidence = as_json(found)
    text = as_text(evidence)
    for needle in (entity, found.batch.model_digest, found.training.digest, "nobody: the policy decided alone"):
        assert needle in text
    assert json.loads(json.dumps(evidence))["format"] == 1
    row = dict(next(facts for title, facts in sections(evidence | {"row": ROW}) if title == "Row as it was scored"))
    assert row == {"ready_at": "missing", "is_heavy": "true", "weight": "1.5"}  # under the columns' own names
    assert re.search(r"^  roc_auc +0\.", text, re.MULTILINE)
    assert re.search(r"^  outcome +(true|false|1\.0|0\.0)$", text, re.MULTILINE)


def test_the_evidence_names_the_verdict_that_let_the_revision_be_made(world: World) -> None:
    """The same rules may have said the same again since, after others were tried."""
    first_model(world)
    clock = itertools.count()
    world.ports.ledger._clock = lambda: RECORDED + timedelta(minutes=next(clock))  # type: ignore[attr-defined]
    predict(world, 31, run_id="first")
    window, rules = world.day(31), world.use_case
    entity = str(world.ports.published.read("parcels", window).column("parcel")[0].as_py())
    others = replace(rules, expectations=rules.expectations[:1])
    for use_case, run_id in ((others, "others"), (rules, "again")):
        validate.run(use_case, window, world.ports, run_id)
    found = explain.run(rules, entity, window, START + timedelta(days=60), world.ports, airflow_url=None)
    assert (found.batch.revision, found.validation.number, found.validation.run_id) == (1, 0, "test")

    validate.run(others, window, world.ports, "others")
    score.run(others, window, world.ports, "others", model=ModelChoice())
    validate.run(rules, window, world.ports, "back")
    score.run(rules, window, world.ports, "back", model=ModelChoice())
    found = explain.run(rules, entity, window, START + timedelta(days=60), world.ports, airflow_url=None)
    assert (found.batch.revision, found.validation.number, found.validation.run_id) == (3, 2, "back")


ROW = {"ready_at": None, "is_heavy": True, "weight": 1.5}


def test_evidence_that_is_not_there_is_told(world: World) -> None:
    first_model(world)
    predict(world, 31)
    with pytest.raises(NotScored, match=r"no live prediction for parcel 'x' in its 1 scored windows.*quarantine list"):
        explain.run(world.use_case, "x", None, START + timedelta(days=60), world.ports, airflow_url=None)
    with pytest.raises(NotScored, match=r"in 2024-02-02"):
        explain.run(world.use_case, "1", world.day(32), START + timedelta(days=60), world.ports, airflow_url=None)


def test_the_page_shows_hostile_values_as_text(world: World) -> None:
    first_model(world)
    world.change(31, "service", "<script>alert(1)</script>")
    predict(world, 31)
    entity = str(world.ports.published.read("parcels", world.day(31)).column("parcel")[0].as_py())
    found = explain.run(world.use_case, entity, None, START + timedelta(days=60), world.ports, airflow_url=None)
    page = as_html(as_json(found))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<a " not in page


def test_the_page_leads_to_the_log_and_to_nowhere_else(world: World) -> None:
    first_model(world)
    predict(world, 31)
    entity = str(world.ports.published.read("parcels", world.day(31)).column("parcel")[0].as_py())
    found = as_json(
        explain.run(world.use_case, entity, None, START + timedelta(days=60), world.ports, airflow_url=None)
    )
    log = 'http://airflow/dags/a"b'
    page = as_html({**found, "dag_run": {"run_id": "a/b", "address": log}, "model_address": "javascript:alert(1)"})
    assert '<a href="http://airflow/dags/a&#34;b" rel="noreferrer">' in page
    assert page.count("<a ") == 1


def test_an_outcome_that_was_not_collected_is_told_from_one_that_did_not_come(world: World) -> None:
    first_model(world)
    predict(world, 31)
    entity = str(world.ports.published.read("parcels", world.day(31)).column("parcel")[0].as_py())
    as_of = START + timedelta(days=40)

    def outcome_by(moment: datetime) -> explain.PredictionEvidence:
        return explain.run(world.use_case, entity, None, moment, world.ports, airflow_url=None)

    before = outcome_by(as_of)
    assert (before.outcome, before.outcome_state, before.labels_as_of) == (
        None,
        explain.OutcomeState.NOT_COLLECTED,
        None,
    )
    assert "not collected yet: run `perennial evaluate parcels`" in as_text(as_json(before))
    known = world.outcomes.table
    world.outcomes.table = known.filter(pc.not_equal(known.column("parcel"), int(entity)))
    collect_labels.run(world.use_case, as_of, world.ports, "test")
    measure.run(world.use_case, as_of, world.ports, "test")
    after = outcome_by(as_of)
    assert (after.outcome, after.outcome_state, after.labels_as_of) == (None, explain.OutcomeState.NOT_KNOWN, as_of)
    assert "labels were last collected as of 2024-02-10" in as_text(as_json(after))
    world.outcomes.table = known
    collect(world.use_case, world.day(31), as_of, world.ports, "test")
    assert outcome_by(as_of).outcome_state is explain.OutcomeState.KNOWN
