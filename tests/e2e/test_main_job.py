"""The main job in a real Airflow with real PostgreSQL, MLflow and Delta tables, told as one story.

The tests run in the order of the file and build on each other, as a user's days do.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import psutil
import pyarrow.compute as pc
import pytest
from tests.e2e.system import System, running_system, wait_until

from perennial.digest import table_digest
from perennial.lake.port import predictions_table, raw_table
from perennial.ledger.entries import DecisionKind, DeployedRole, InterventionKind, Maturity
from perennial.window import Window

PREDICT, EVALUATE = "flight_delays.predict", "flight_delays.evaluate"
RETRAIN, ROLLBACK = "flight_delays.retrain", "flight_delays.rollback"


def day(month: int, number: int) -> datetime:
    return datetime(2013, month, number, tzinfo=UTC)


def window(month: int, number: int) -> Window:
    return Window(day(month, number), day(month, number + 1))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("e2e")
    with running_system(folder) as running:
        yield running
    left = [
        p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or ())
    ]
    assert left == []


def test_the_first_model_is_trained_registered_and_deployed(system: System) -> None:
    system.trigger(RETRAIN, "first", as_of="2013-03-01", reason="first model")
    assert system.wait_for_run(RETRAIN, "first") == "success"
    champion = system.ports.ledger.current_deployment("flight_delays", DeployedRole.CHAMPION)
    assert champion is not None
    assert (champion.model_version, champion.effective_from) == ("1", day(3, 1))
    assert champion.reason == "first model"
    assert champion.metrics["roc_auc"] > 0.6
    assert system.ports.registry.alias("flight_delays", "champion") == "1"


def test_a_backfill_over_drifted_weeks_scores_every_window_and_retrains_once(system: System) -> None:
    runs = system.backfill(PREDICT, day(6, 1), day(6, 5))
    assert [run["state"] for run in runs] == ["success"] * 5
    drift_runs = [run for run in system.runs(RETRAIN) if run["dag_run_id"].startswith("drift__")]
    decisions = system.ports.ledger.decisions("flight_delays", DecisionKind.RETRAIN_ON_DRIFT)
    assert len(drift_runs) == 1, [decision.reasons for decision in decisions]
    assert drift_runs[0]["state"] == "success"
    assert "alarms" in drift_runs[0]["conf"]["evidence"]
    assert drift_runs[0]["conf"]["reason"].startswith("drift: ")
    batches = system.ports.ledger.batches_between("flight_delays", day(6, 1), day(6, 6))
    assert len(batches) == 5
    for batch in batches:
        lake = system.ports.lake.read(predictions_table("flight_delays"), batch.window.key)
        assert lake.num_rows == batch.rows > 500
        assert table_digest(lake) == system.ports.published.digest("flight_delays", batch.window)
        assert pc.count_distinct(lake.column("model_digest")).as_py() == 1


def test_i6_the_drift_retrain_learnt_from_nothing_later_than_the_alarm(system: System) -> None:
    (run,) = [run for run in system.runs(RETRAIN) if run["dag_run_id"].startswith("drift__")]
    as_of = datetime.fromisoformat(run["conf"]["as_of"])
    entry = system.ports.ledger.deployments("flight_delays")[-1]
    assert entry.model_version == "2"
    assert Window.parse(entry.training["last_window"]).end <= as_of
    rows = system.ports.lake.read(
        entry.training["table"], entry.training["partition"], version=entry.training["version"]
    )
    assert table_digest(rows) == entry.training["digest"]
    assert pc.max(rows.column("scheduled_departure")).as_py() < as_of


def test_i4_a_second_backfill_changes_nothing(system: System) -> None:
    before = {
        batch.window: batch for batch in system.ports.ledger.batches_between("flight_delays", day(6, 1), day(6, 4))
    }
    raw = len(system.ports.ledger.snapshots_between("flight_delays", day(6, 1), day(6, 4)))
    runs = system.backfill(PREDICT, day(6, 1), day(6, 3), reprocess="completed")
    assert [run["state"] for run in runs] == ["success"] * 3
    after = {
        batch.window: batch for batch in system.ports.ledger.batches_between("flight_delays", day(6, 1), day(6, 4))
    }
    assert after == before
    assert len(system.ports.ledger.snapshots_between("flight_delays", day(6, 1), day(6, 4))) == raw == 3
    assert len([run for run in system.runs(RETRAIN) if run["dag_run_id"].startswith("drift__")]) == 1


def test_i2_a_failed_validation_blocks_scoring_and_says_why(system: System) -> None:
    system.sql(
        "flights",
        "UPDATE flights SET distance = -1 WHERE scheduled_departure >= %s AND scheduled_departure < %s",
        day(6, 10), day(6, 11),
    )  # fmt: skip
    (run,) = system.backfill(PREDICT, day(6, 10), day(6, 10))
    assert run["state"] == "failed"
    tasks = system.tasks(PREDICT, run["dag_run_id"])
    states = {name: task["state"] for name, task in tasks.items()}
    assert states["ingest"] == "success"
    assert states["validate"] == "failed"
    assert states["score"] == states["monitor"] == "upstream_failed"
    assert tasks["validate"]["try_number"] == 1
    assert system.ports.ledger.latest_batch("flight_delays", window(6, 10)) is None
    assert system.ports.lake.read(raw_table("flight_delays"), window(6, 10).key).num_rows > 0
    assert "distance" in system.log(PREDICT, run["dag_run_id"], "validate")


def test_a_source_that_was_down_is_tried_again(system: System) -> None:
    system.sql("postgres", "ALTER DATABASE flights ALLOW_CONNECTIONS false")
    try:
        system.trigger(PREDICT, "by_hand", window_from="2013-06-12", window_to="2013-06-13")
        wait_until(
            lambda: system.tasks(PREDICT, "by_hand")["ingest"]["state"] == "up_for_retry", 90, "ingest to be retried"
        )
    finally:
        system.sql("postgres", "ALTER DATABASE flights ALLOW_CONNECTIONS true")
    assert system.wait_for_run(PREDICT, "by_hand") == "success"
    assert system.tasks(PREDICT, "by_hand")["ingest"]["try_number"] == 2
    batch = system.ports.ledger.latest_batch("flight_delays", window(6, 12))
    assert batch is not None
    assert batch.rows > 500


def test_evaluation_measures_the_windows_by_the_labels_that_had_arrived(system: System) -> None:
    (run,) = system.backfill(EVALUATE, day(6, 6), day(6, 6))
    assert run["state"] == "success"
    measured = system.ports.ledger.performance_between("flight_delays", day(6, 1), day(6, 6))
    assert [entry.maturity for entry in measured] == [Maturity.FINAL] * 5
    assert all(entry.as_of == day(6, 7) and 0.5 < entry.metrics["roc_auc"] < 0.95 for entry in measured)
    assert all(0.9 < entry.completeness <= 1 for entry in measured)


def test_rolling_back_gives_an_earlier_version_its_role_again(system: System) -> None:
    system.trigger(ROLLBACK, "back", version="1", reason="version 2 is worse on Mondays")
    assert system.wait_for_run(ROLLBACK, "back") == "success"
    entry = system.ports.ledger.deployments("flight_delays")[-1]
    assert (entry.model_version, entry.reason) == ("1", "version 2 is worse on Mondays")
    assert entry.effective_from == day(6, 13)
    assert system.ports.registry.alias("flight_delays", "champion") == "1"


def test_a_dry_run_says_what_it_would_do_and_does_nothing(system: System) -> None:
    before = system.ports.ledger.status("flight_delays")
    system.trigger(PREDICT, "dry", window_from="2013-06-01", window_to="2013-06-02", dry_run=True, model="as_now")
    assert system.wait_for_run(PREDICT, "dry") == "success"
    assert {task["state"] for task in system.tasks(PREDICT, "dry").values()} == {"skipped"}
    assert "A dry run changes nothing" in system.log(PREDICT, "dry", "ingest")
    assert system.ports.ledger.status("flight_delays") == before


def test_maintenance_puts_right_what_was_changed_by_hand(system: System) -> None:
    champion = system.ports.ledger.current_deployment("flight_delays", DeployedRole.CHAMPION)
    assert champion is not None
    system.ports.registry.set_alias("flight_delays", "champion", "2" if champion.model_version == "1" else "1")
    rows = system.ports.published.read("flight_delays", window(6, 2))
    system.ports.published.publish("flight_delays", window(6, 2), rows.slice(0, 10))
    system.trigger("platform.maintenance", "by_hand")
    assert system.wait_for_run("platform.maintenance", "by_hand") == "success"
    assert system.ports.registry.alias("flight_delays", "champion") == champion.model_version
    assert system.ports.published.read("flight_delays", window(6, 2)).equals(rows)
    kinds = [entry.kind for entry in system.ports.ledger.interventions("flight_delays")]
    assert sorted(kinds) == [InterventionKind.ALIAS_RESTORED, InterventionKind.PUBLISHED_RESTORED]


def test_a_shell_beside_it_finds_the_same_system(system: System) -> None:
    shown = system.command("status", "--json")
    assert shown.returncode == 0, shown.stderr
    flights = next(line for line in shown.stdout.splitlines() if '"flight_delays"' in line)
    assert '"windows_scored": 6' in flights
    assert '"windows_failed": 1' in flights
    refused = system.command("score", "flight_delays", "--window", "2013-06-10")
    assert refused.returncode == 3
    assert "failed validation" in refused.stderr
