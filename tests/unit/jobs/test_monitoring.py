"""Drift that persists, performance that matures, estimates that are audited, and the overviews of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.jobs.test_learning_path import retrained
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import ROWS, SHIFT, World

from perennial.encoding import as_json
from perennial.errors import NotMonitored, ValidationFailed
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import monitor
from perennial.lake.memory import InMemoryLake
from perennial.ledger.entries import DecisionKind, DeployedRole, Performance
from perennial.modeling.reference import ModelReference
from perennial.performance.audit import Trust
from perennial.performance.delay import GRID
from perennial.performance.maturity import Maturity
from perennial.policy.evidence import RetrainingEvidence
from perennial.records.retraining import gather
from perennial.review import drift as drift_overview
from perennial.review import performance as performance_overview
from perennial.spec.monitoring import Monitoring, Season
from perennial.verdict import Verdict


def with_monitoring(world: World, **changes: object) -> World:
    spec = world.use_case.spec
    monitoring = Monitoring.model_validate(spec.monitoring.model_dump() | changes)
    changed = replace(world.use_case, spec=spec.model_copy(update={"monitoring": monitoring}))
    return replace(world, use_case=changed)


def live(world: World, days: range) -> list[monitor.Monitored]:
    """Each day is scored and monitored, and evaluated as of its end, as the DAGs would."""
    monitored = []
    for day in days:
        predict(world, day)
        monitored.append(monitor.run(world.use_case, world.day(day), world.ports, "test"))
        collect_labels.run(world.use_case, world.day(day).end, world.ports, "test")
        measure.run(world.use_case, world.day(day).end, world.ports, "test")
    return monitored


def known_at(world: World, day: int) -> RetrainingEvidence:
    """What is known at the end of the day about the present champion."""
    champion = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    return gather(world.use_case.spec, world.day(day).end, world.ports.ledger, champion)


def measurements(world: World, day: int) -> list[Performance]:
    return list(world.ports.ledger.performance_of("parcels", world.day(day)))


def test_monitoring_and_evaluating_simulate_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds are kept with the deployment; those of other numbers, as after a change of the spec, are not."""
    world = with_monitoring(world, persistence=None)
    first_model(world, 30)
    calls: list[tuple[int, float, int]] = []

    def counted(*numbers: int) -> float:
        calls.append(numbers)
        return 3.0

    monkeypatch.setattr("perennial.drift.accumulate.cusum_threshold", counted)
    live(world, range(30, 33))
    assert known_at(world, 32).drift[-1].p_value is not None
    assert calls == []
    live(with_monitoring(world, false_retrains="2 per year"), range(33, 34))
    assert {numbers[0] for numbers in calls} == {21}


def test_accumulated_evidence_calls_when_the_world_shifts_and_not_before(world: World) -> None:
    world = with_monitoring(world, persistence=None, cooldown=timedelta(days=1))
    first_model(world, 30)
    monitored = live(world, range(30, SHIFT + 4))
    actions = [each.decision.action for each in monitored]
    assert set(actions[: SHIFT - 30]) == {"hold"}
    assert "retrain" in actions[SHIFT - 30 :]
    called = monitored[actions.index("retrain")].decision
    assert called.numbers["trigger"] == "drift"
    assert "enough for an alarm" in called.reasons[0]
    assert called.numbers["alarms"] > called.numbers["alarms_expected"]


def test_windows_that_are_monitored_out_of_order_retrain_once(world: World) -> None:
    world = with_monitoring(world, cooldown=timedelta(days=3))
    first_model(world, 30)
    live(world, range(SHIFT - 4, SHIFT + 1))
    for day in (SHIFT + 1, SHIFT + 2):
        predict(world, day)
    later, sooner = (monitor.run(world.use_case, world.day(SHIFT + n), world.ports, "test") for n in (2, 1))
    assert later.decision.action == "retrain"
    assert (sooner.verdict, sooner.decision.action) == (Verdict.FAIL, "wait")
    assert sooner.decision.reasons[-1] == "A retraining as of 2024-02-13 00:00 UTC was already decided."


def test_what_each_column_says_is_kept_and_counts(world: World) -> None:
    world = with_monitoring(world, persistence=None)
    first_model(world, 30)
    live(world, range(31, 33))
    (report, _) = world.ports.ledger.drift_between("parcels", world.day(31).start, world.day(33).start)
    assert {"weight", "service", "(prediction)", "(correlation)"} <= set(report.columns)
    assert all(0 < own["p_value"] <= 1 and own["missing"] in (True, False) for own in report.columns.values())
    known = known_at(world, 32)
    assert known.drift[0].columns["weight"].p_value == report.columns["weight"]["p_value"]


def test_too_few_new_labels_block(world: World) -> None:
    world = with_monitoring(world, min_new_labels=100_000, cooldown=timedelta(hours=1))
    first_model(world, 30)
    monitored = live(world, range(SHIFT - 3, SHIFT + 4))
    last = monitored[-1].decision
    assert last.action == "wait"
    assert "100,000 are needed to learn something new" in last.reasons[-1]
    assert last.numbers["new_labels"] > 0


def test_i6_evidence_holds_nothing_that_was_learnt_later(world: World) -> None:
    first_model(world, 30)
    live(world, range(30, 38))
    then = known_at(world, 33)
    assert {point.window for point in then.drift} == {world.day(day) for day in range(30, 34)}
    # Day 33 ended just now and day 32 is a day old: final, but as of a later moment it was measured.
    assert max(point.window for point in then.performance) <= world.day(32)
    now = known_at(world, 37)
    assert len(now.performance) > len(then.performance)


def test_evidence_reaches_so_many_windows_back_and_no_further(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first_model(world, 30)
    live(world, range(30, 38))
    monkeypatch.setattr("perennial.records.retraining.LOOKED_BACK", 3)
    known = known_at(world, 37)
    assert {point.window for point in known.drift} == {world.day(day) for day in (35, 36, 37)}
    assert all(point.rows for point in known.drift)
    # Labels take a day here, so that performance reaches a day further back.
    assert min(point.window for point in known.performance) == world.day(34)
    assert known.new_labels == labels_of(world, range(28, 37))  # all that a training set could hold


def labels_of(world: World, days: range) -> int:
    return sum(measurements(world, day)[-1].labelled for day in days if day >= 30)


def test_labels_of_all_windows_are_read_in_one_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first_model(world, 30)
    live(world, range(30, 33))
    lake, held, read = world.ports.lake, [None], []

    @contextmanager
    def holding(table: str, version: int | None) -> Iterator[None]:
        held.append((table, version))
        yield
        held.append(None)

    def reading(table: str, partition: str, *, version: int | None = None) -> pa.Table:
        read.append((table, version, held[-1]))
        return InMemoryLake.read(lake, table, partition, version=version)  # type: ignore[arg-type]

    monkeypatch.setattr(lake, "holding", holding)
    monkeypatch.setattr(lake, "read", reading)
    measure.run(world.use_case, world.day(33).start, world.ports, "test")
    labels = "labels/parcels"
    assert held == [None, (labels, None), None]
    assert (labels, lake.version(labels), (labels, None)) in read  # all of one version


def test_performance_goes_from_estimated_over_partial_to_final(world: World) -> None:
    first_model(world, 30)
    late = world.outcomes.table
    hours = [at + timedelta(hours=20) for at in late.column("delivered_at").to_pylist()]
    world.outcomes.table = late.set_column(3, "delivered_at", [hours])
    predict(world, 31)
    for after in (timedelta(0), timedelta(hours=20), timedelta(hours=24)):
        as_of = world.day(31).end + after
        collect_labels.run(world.use_case, as_of, world.ports, "test")
        measure.run(world.use_case, as_of, world.ports, "test")
    estimated, partial, final = measurements(world, 31)
    assert [each.maturity for each in (estimated, partial, final)] == [
        Maturity.ESTIMATED,
        Maturity.PARTIAL,
        Maturity.FINAL,
    ]
    assert (estimated.metrics, estimated.completeness) == ({}, 0)
    assert estimated.estimates == partial.estimates == final.estimates
    said, true = final.estimates["roc_auc"], final.metrics["roc_auc"]
    assert abs(said["value"] + said["bias_correction"] - true) < 3 * (said["error_sd"] + said["standard_error"])
    assert partial.intervals["roc_auc"]["low"] < partial.metrics["roc_auc"] < partial.intervals["roc_auc"]["high"]
    assert 0 < partial.completeness < final.completeness
    assert (partial.arrivals, partial.label_drift) == ((), {})
    assert len(final.arrivals) == len(GRID)
    assert final.arrivals[0] == 0
    assert final.arrivals[-1] == final.completeness
    assert final.label_drift["verdict"] == "pass"


def test_labels_that_drift_are_told_apart_from_inputs(world: World) -> None:
    first_model(world, 30)
    world.outcomes.table = world.outcomes.table.set_column(2, "late", [[True] * world.outcomes.table.num_rows])
    live(world, range(31, 33))
    final = measurements(world, 31)[-1]
    assert final.maturity is Maturity.FINAL
    assert final.label_drift["verdict"] == "fail"
    assert final.verdict is Verdict.INSUFFICIENT  # one class only: no ROC AUC
    (report,) = world.ports.ledger.drift_of("parcels", world.day(31))
    assert report.verdict is Verdict.PASS


def test_estimates_are_trusted_until_the_relation_flips(world: World) -> None:
    first_model(world, 28)
    live(world, range(28, SHIFT + 10))
    ledger = world.ports.ledger
    assert known_at(world, SHIFT - 1).trust is Trust.TRUSTED
    assert known_at(world, SHIFT + 9).trust is Trust.OFF
    last = ledger.decisions("parcels", DecisionKind.RETRAIN_ON_PERFORMANCE)[-1]
    assert (last.numbers["estimate_trust"], last.numbers["concept_drift"]) == ("off", False)  # the inputs drifted too
    windows = [world.day(day) for day in range(28, SHIFT + 10)]
    shown = performance_overview.run(world.use_case, windows, world.ports)
    assert shown.audit.trust is Trust.OFF
    assert all(each.estimated is None for each in shown.windows)
    assert "switched off" in " ".join(shown.audit.reasons)
    assert shown.trailing is not None
    assert shown.delay is not None
    assert shown.delay.expected(timedelta(0))[1] == pytest.approx(0.5, abs=0.1)  # labels come after twelve hours
    assert shown.movement is not None
    assert abs(shown.movement.mean) < 0.1
    json.dumps(as_json(shown))


def test_a_relation_that_turns_round_on_ordinary_inputs_is_concept_drift(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first_model(world, 28)
    late = world.outcomes.table.column("late").to_pylist()
    turned = [not value if position >= 29 * ROWS else value for position, value in enumerate(late)]
    world.outcomes.table = world.outcomes.table.set_column(2, "late", [turned])
    live(world, range(29, SHIFT))
    last = world.ports.ledger.decisions("parcels", DecisionKind.RETRAIN_ON_PERFORMANCE)[-1]
    assert (last.numbers["estimate_trust"], last.numbers["concept_drift"]) == ("off", True)
    assert "concept drift: the outcome depends on them in another way" in caplog.text
    assert last.numbers["trigger"] == "performance"


def test_an_overview_of_one_window_is_what_was_recorded(world: World) -> None:
    first_model(world, 30)
    live(world, range(30, 34))
    shown = drift_overview.run(world.use_case, [world.day(33)], world.ports)
    (report,) = world.ports.ledger.drift_of("parcels", world.day(33))
    assert (shown.assessment.verdict, shown.assessment.p_value) == (report.verdict, report.p_value)
    assert (shown.windows, shown.left_out) == ((world.day(33),), ())
    assert (shown.alarms.windows, shown.alarms.expected) == (4, pytest.approx(0.2))
    assert shown.alarms.observed == 0
    assert as_json(shown)["format"] == 1


def test_an_overview_of_several_windows_merges_their_profiles(world: World) -> None:
    first_model(world, 30)
    live(world, range(30, 33))
    windows = [world.day(day) for day in range(30, 36)]
    shown = drift_overview.run(world.use_case, windows, world.ports)
    assert shown.assessment.rows == sum(
        report.report["rows"]
        for day in range(30, 33)
        for report in world.ports.ledger.drift_of("parcels", world.day(day))
    )
    assert shown.windows == tuple(windows[:3])
    assert shown.left_out == tuple(windows[3:])


def test_windows_of_another_model_are_left_out(world: World) -> None:
    first_model(world, 30)
    live(world, range(56, 58))
    retrained(world, 58)
    live(world, range(58, 60))
    windows = [world.day(day) for day in range(56, 60)]
    shown = drift_overview.run(world.use_case, windows, world.ports)
    assert (shown.model_version, shown.windows, shown.left_out) == ("2", tuple(windows[2:]), tuple(windows[:2]))


def test_an_old_window_is_seen_among_those_of_its_own_model(world: World) -> None:
    first_model(world, 30)
    live(world, range(56, 58))
    before = drift_overview.run(world.use_case, [world.day(57)], world.ports)
    retrained(world, 58)
    live(world, range(58, 60))
    assert drift_overview.run(world.use_case, [world.day(57)], world.ports) == before
    assert (before.alarms.windows, before.alarms.observed) == (2, 2)


def test_nothing_monitored_says_what_to_run(world: World) -> None:
    with pytest.raises(NotMonitored, match="perennial monitor parcels --from"):
        drift_overview.run(world.use_case, [world.day(3)], world.ports)


def test_a_season_compares_with_its_own_windows_and_says_when_there_are_too_few(world: World) -> None:
    seasonal = with_monitoring(world, season=Season.WEEKDAY)
    first_model(world, 30)
    predict(world, 31)
    monitored = monitor.run(seasonal.use_case, world.day(31), world.ports, "test")
    assert monitored.verdict is Verdict.INSUFFICIENT
    assert "20 are needed to know what is ordinary" in monitored.reasons[0]


def test_what_a_model_considers_normal_survives_storage(world: World) -> None:
    first_model(world, 30)
    (model,) = world.ports.registry.versions("parcels")
    stored = world.ports.registry.load("parcels", model.version, model.digest).reference
    reference = ModelReference.from_json(json.loads(json.dumps(stored)))
    assert reference.to_json() == stored
    assert reference.labels is not None
    assert reference.estimation is not None
    assert set(reference.estimation.bias) == {"roc_auc", "log_loss", "brier"}


def test_the_schema_of_the_report_is_the_one_in_the_repository(repository: Path) -> None:
    committed = (repository / "docs" / "drift_report.schema.json").read_text()
    hint = "run `python -m perennial.review.drift > docs/drift_report.schema.json`"
    assert committed == drift_overview.schema_text(), hint


def test_use_cases_keep_their_digest_whatever_is_monitored(world: World) -> None:
    changed = with_monitoring(world, max_retrains_per_month=9).use_case
    assert changed.scoring_digest == world.use_case.scoring_digest


def test_a_window_that_was_mended_by_putting_its_rows_back_holds_no_retraining_back(world: World) -> None:
    first_model(world)
    predict(world, 31)
    before = world.parcels.table
    world.change(31, "weight", 500.0)
    with pytest.raises(ValidationFailed):
        predict(world, 31)
    assert known_at(world, 31).failed == world.day(31)
    world.parcels.table = before
    predict(world, 31)
    assert known_at(world, 31).failed is None
