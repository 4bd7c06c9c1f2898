"""What the gauges say of a world is what the ledger has of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.contract.test_ledger_approvals import answered, asked
from tests.unit.jobs.world import World, make_world
from tests.unit.telemetry.everything import asking, with_everything
from tests.unit.telemetry.read import NOW, Read, names, parsed, read, value

from perennial.errors import StoreUnavailable
from perennial.ledger.entries import DeployedRole
from perennial.review import portfolio
from perennial.review.airflow_state import DagState, FailedRun
from perennial.spec.alerts import Severity
from perennial.telemetry import gauges
from perennial.telemetry.catalogue import GAUGES, Origin
from perennial.telemetry.samples import Sample, as_text
from perennial.verdict import ApprovalAnswer, Verdict


def test_windows_are_counted_by_what_became_of_them(lived: World, told: Read) -> None:
    (page,) = portfolio.run([lived.use_case.spec], NOW, lived.ports.ledger, {}).use_cases
    assert value(told, "windows_missing") == page.missing == 12
    states = {state: value(told, "recent_windows", state=state) for state in
              ("scored", "scored_late", "refused", "empty", "missing", "not_scored")}  # fmt: skip
    assert sum(states.values()) == len(page.windows)
    assert states["refused"] == page.refused == 1
    assert states["missing"] == 12
    scored = sum(each.scored for each in page.windows)
    assert states["scored_late"] == scored > 0  # the world's clock says that all was recorded long after
    assert value(told, "recent_windows_drifted") == page.drifted == 1
    aside = value(told, "recent_rows", fate="quarantined")
    assert aside == page.quarantined == 181
    assert value(told, "recent_rows", fate="clean") == sum(each.rows or 0 for each in page.windows) - aside


def test_a_window_scored_within_a_quarter_of_an_hour_is_in_time(lived: World) -> None:
    spec = lived.use_case.spec
    first = {
        each.window: each.recorded_at
        for each in lived.ports.ledger.batches_between("parcels", NOW.replace(year=2000), NOW)
    }
    late = max(at - window.end for window, at in first.items() if at)
    slow = spec.schedule.model_copy(update={"delay": late - timedelta(minutes=15)})
    world = replace(lived, use_case=replace(lived.use_case, spec=spec.model_copy(update={"schedule": slow})))
    told = read(world)
    assert value(told, "recent_windows", state="scored_late") == 0
    assert value(told, "recent_windows", state="scored") == len(first)


def test_the_last_window_has_its_rows_times_and_columns(lived: World, told: Read) -> None:
    ledger = lived.ports.ledger
    last = ledger.last_scored_of(["parcels"])["parcels"]
    assert value(told, "last_scored_window_end_timestamp_seconds") == last.window.end.timestamp()
    assert value(told, "last_scored_timestamp_seconds") == last.recorded["batches"].timestamp()
    delay = last.recorded["batches"] - lived.use_case.spec.due(last.window)
    assert value(told, "last_scored_delay_seconds") == delay.total_seconds() > 0
    assert value(told, "last_scored_rows") == last.rows > 0
    report = ledger.drift_between("parcels", last.window.start, last.window.end)[-1]
    assert value(told, "drift_p_value") == report.p_value
    for column in ("weight", "service"):
        assert value(told, "drift_column_p_value", column=column) == report.columns[column]["p_value"]


def test_steps_take_from_one_record_to_the_next(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = make_world(tmp_path_factory.mktemp("steps"))
    ledger = world.ports.ledger
    moments = {"snapshot": 0, "validation": 7, "batch": 27, "drift": 28.5}
    from tests.contract import test_ledger as entries

    window = world.day(30)
    now = NOW
    ledger._clock = lambda: now  # type: ignore[attr-defined]
    for kind, seconds in moments.items():
        now = NOW + timedelta(seconds=seconds)
        record, make = entries.RECORDINGS[kind]
        record(ledger, make("parcels", window=window))
    told = read(world)
    found = [value(told, "last_scored_step_seconds", step=step) for step in ("validate", "score", "monitor")]
    assert found == [7.0, 20.0, 1.5]


def test_steps_of_several_runs_are_not_taken_for_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = make_world(tmp_path_factory.mktemp("runs"))
    from tests.contract import test_ledger as entries

    for kind, run_id in (("snapshot", "by hand"), ("validation", "r"), ("batch", "r")):
        record, make = entries.RECORDINGS[kind]
        record(world.ports.ledger, make("parcels", window=world.day(30), run_id=run_id))
    told = read(world)
    assert {dict(labels)["step"] for name, labels in told if name.endswith("step_seconds")} == {"score"}


def test_one_verdict_of_each_check_holds(told: Read) -> None:
    for check in ("validation", "drift", "performance"):
        found = {verdict: value(told, "last_verdict", check=check, verdict=verdict) for verdict in Verdict}
        assert sorted(found.values()) == [0, 0, 0, 1], check


def test_performance_has_its_interval_and_what_was_promised(lived: World, told: Read) -> None:
    ledger = lived.ports.ledger
    (last,) = ledger.last_final("parcels", NOW, 1)
    labels = {"metric": "roc_auc", "model_version": last.model_version}
    assert value(told, "performance_value", **labels) == last.metrics["roc_auc"]
    low, high = (value(told, f"performance_{end}", **labels) for end in ("low", "high"))
    assert (low, high) == (last.intervals["roc_auc"]["low"], last.intervals["roc_auc"]["high"])
    champion = ledger.champions_of(["parcels"])["parcels"]
    assert value(told, "performance_expected", **labels) == champion.metrics[last.model_version]["roc_auc"]
    assert value(told, "performance_window_end_timestamp_seconds") == last.window.end.timestamp()


def test_the_champion_and_the_decisions(lived: World, told: Read) -> None:
    champion = lived.ports.ledger.champions_of(["parcels"])["parcels"]
    assert value(told, "champion_info", model_version=champion.version) == 1
    assert value(told, "champion_effective_timestamp_seconds") == champion.effective_from.timestamp()
    assert value(told, "champion_deployed_timestamp_seconds") == champion.recorded_at.timestamp()
    decided = lived.ports.ledger.recent_decisions_of(["parcels"])["parcels"]
    assert decided
    for each in decided:
        labels = {"kind": each.kind, "action": each.action}
        assert value(told, "recent_decisions", **labels) == each.count
        assert value(told, "last_decision_timestamp_seconds", **labels) == each.last_recorded_at.timestamp()


def test_a_rollout_is_in_one_stage(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = make_world(tmp_path_factory.mktemp("rollout"))
    from tests.contract.test_ledger import deployment

    def stages() -> dict[str, float]:
        return {stage: value(read(world), "rollout_stage", stage=stage) for stage in ("none", "shadow", "canary")}

    assert stages() == {"none": 1, "shadow": 0, "canary": 0}
    assert "rollout_share_ratio" not in names(read(world))
    role = {"role": DeployedRole.CHALLENGER, "salt": "x"}
    shadow = world.ports.ledger.deploy(deployment("parcels", 2, share=0, **role))
    assert stages() == {"none": 0, "shadow": 1, "canary": 0}
    assert value(read(world), "rollout_share_ratio", model_version="2") == 0
    world.ports.ledger.deploy(deployment("parcels", 2, shadow, day=2, share=5, run_id="r", **role))
    assert stages() == {"none": 0, "shadow": 0, "canary": 1}
    assert value(read(world), "rollout_share_ratio", model_version="2") == 0.05


def test_an_approval_is_open_until_it_is_answered(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = make_world(tmp_path_factory.mktemp("approval"))
    assert value(read(world), "approvals_open") == 0
    request = world.ports.ledger.record_approval_request(asked("parcels"))
    told = read(world)
    assert value(told, "approvals_open") == 1
    assert request.recorded_at
    assert value(told, "approval_asked_timestamp_seconds") == request.recorded_at.timestamp()
    world.ports.ledger.record_approval(replace(answered("parcels", "ben"), answer=ApprovalAnswer.REJECTED))
    told = read(world)
    assert value(told, "approvals_open") == 0
    assert "approval_asked_timestamp_seconds" not in names(told)


def test_questions_to_people_and_messages_that_wait(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = make_world(tmp_path_factory.mktemp("people"))
    assert not {"review_questions_open", "alert_messages_waiting"} & names(read(world))
    world = asking(world)
    assert value(read(world), "review_questions_open") == 0
    assert value(read(world), "alert_messages_waiting") == 0
    told = read(with_everything(tmp_path_factory.mktemp("everything")))
    assert value(told, "review_questions_open") == 2  # of three, one was answered
    assert value(told, "alert_messages_waiting") == 1


def test_alerts_are_those_of_the_page(lived: World, told: Read) -> None:
    (page,) = portfolio.run([lived.use_case.spec], NOW, lived.ports.ledger, {}).use_cases
    open_now = {
        dict(labels)["concern"]: dict(labels)["severity"]
        for (name, labels), open_ in told.items()
        if name == "perennial_alerts_open" and open_ == 1
    }
    assert set(open_now) == {matter.concern for matter in page.matters}
    assert open_now["windows_refused"] == Severity.CRITICAL
    assert open_now["drift"] == Severity.WARNING


def test_what_airflow_says_is_told_where_it_was_asked(lived: World, told: Read) -> None:
    failed = (FailedRun("manual__1", NOW),)
    dags = {
        "parcels.predict": DagState("parcels.predict", paused=True),
        "parcels.retrain": DagState("parcels.retrain", paused=False, waiting=2, failures=3, failed=failed),
        "others.retrain": DagState("others.retrain", paused=False, waiting=9),
    }
    asked_airflow = read(lived, dags=dags)
    assert value(asked_airflow, "airflow_dag_paused", dag="predict") == 1
    assert value(asked_airflow, "airflow_dag_paused", dag="retrain") == 0
    assert value(asked_airflow, "airflow_questions_open", dag="retrain") == 2
    assert value(asked_airflow, "airflow_runs_failed", dag="retrain") == 3
    assert value(asked_airflow, "alerts_open", concern="run_failed", severity="critical") == 1
    of_airflow = {name for name, gauge in GAUGES.items() if gauge.origin is Origin.AIRFLOW}
    assert of_airflow <= names(asked_airflow)
    assert not of_airflow & names(told)
    assert ("perennial_airflow_questions_open", frozenset({("use_case", "others")})) not in asked_airflow


def test_a_use_case_that_nobody_began_has_zeros_and_no_inventions(tmp_path_factory: pytest.TempPathFactory) -> None:
    told = read(make_world(tmp_path_factory.mktemp("new")))
    assert value(told, "windows_missing") == 0
    assert value(told, "alerts_open", concern="no_model", severity="info") == 1
    assert not {name for name in names(told) if name.startswith(("last_scored", "drift_", "performance_", "champion"))}


def test_specs_that_are_wrong_are_counted() -> None:
    class Nothing:
        """A ledger that is asked about no use case."""

        def __getattr__(self, name: str) -> object:
            return lambda *_: {}

    found = parsed(as_text(gauges.run([], NOW, Nothing(), broken=2)))  # type: ignore[arg-type]
    assert found["perennial_specs_broken", frozenset()] == 2
    assert len(found) == 2  # and which version answers


def test_a_ledger_that_is_away_is_an_error_and_not_an_empty_answer(lived: World) -> None:
    class Away:
        """A ledger that does not answer."""

        def __getattr__(self, name: str) -> object:
            def refuse(*_: object) -> None:
                raise StoreUnavailable("the ledger does not answer")

            return refuse

    with pytest.raises(StoreUnavailable):
        gauges.run([lived.use_case.spec], NOW, Away())  # type: ignore[arg-type]


def test_samples_that_the_catalogue_does_not_have_are_refused() -> None:
    with pytest.raises(KeyError):
        as_text([Sample("windows_scored", ("parcels",), 1)])
    with pytest.raises(ValueError, match="needs values of the labels"):
        as_text([Sample("windows_missing", (), 1)])


def test_labels_with_odd_characters_are_read_back_as_they_were() -> None:
    odd = 'a "quoted" back\\slash\nand a line, {braces}, ünïcode'
    told = parsed(as_text([Sample("drift_column_p_value", ("parcels", odd), 0.5)]))
    assert told == {("perennial_drift_column_p_value", frozenset({("use_case", "parcels"), ("column", odd)})): 0.5}


def test_no_number_is_not_told() -> None:
    assert as_text([Sample("drift_p_value", ("parcels",), float("nan"))]) == b""
