"""The main job in a real Airflow with real PostgreSQL, MLflow and Delta tables, told as one story.

The steps that others build on are fixtures, so that each test says what it needs: a step that fails fails its own test,
and whatever does not need it runs all the same.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pyarrow.compute as pc
import pytest
from tests.browser.seeing import arrive, open_page, see
from tests.e2e.browser import administrator, browsing, inside, log_in
from tests.e2e.logins import ADMIN, NOTHING, ONE_DAG, VIEWER, fab_server
from tests.e2e.orders import ROWS, Orders, write_orders
from tests.e2e.quarantine_journey import accept_and_replay
from tests.e2e.system import DONE, EXECUTOR, WITNESSES, Backfill, System, running_system
from tests.servers import Run
from tests.waiting import PATIENCE

from perennial.digest import table_digest
from perennial.lake.port import predictions_table, raw_table
from perennial.ledger.entries import Batch, DecisionKind, DeployedRole, InterventionKind
from perennial.pages.words import window_name
from perennial.performance.maturity import Maturity
from perennial.window import Window
from perennial_airflow.pages.views import PREFIX, VIEWS

PREDICT, EVALUATE = "flight_delays.predict", "flight_delays.evaluate"
RETRAIN, ROLLBACK = "flight_delays.retrain", "flight_delays.rollback"
FLIGHTS = "Late arrivals of flights from New York"


def day(month: int, number: int) -> datetime:
    return datetime(2013, month, number, tzinfo=UTC)


def window(month: int, number: int) -> Window:
    return Window(day(month, number), day(month, number + 1))


@pytest.fixture(scope="module")
def system(run: Run) -> Iterator[System]:
    folder = run.new_folder("e2e")
    with running_system(folder, run) as running:
        yield running
    left = [
        p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or ())
    ]
    assert left == []


@pytest.fixture(scope="module")
def refused_day_begun(system: System) -> Backfill:
    """The backfill of 10 June, whose rows break a rule. It needs no model, and runs while the first one is trained."""
    system.sql(
        "flights",
        "UPDATE flights SET distance = -1 WHERE scheduled_departure >= %s AND scheduled_departure < %s",
        day(6, 10), day(6, 11),
    )  # fmt: skip
    return system.begin(PREDICT, day(6, 10), day(6, 10))


@pytest.fixture(scope="module")
def first_model(system: System, refused_day_begun: Backfill) -> str | None:
    """A first model was trained on what was known on 1 March; the version that then was the champion by its alias."""
    system.trigger(RETRAIN, "first", as_of="2013-03-01", reason="first model")
    system.succeed(RETRAIN, "first")
    return system.ports.registry.alias("flight_delays", "champion")


@pytest.fixture(scope="module")
def drifted_days(system: System, first_model: str | None) -> dict[str, Any]:
    """The first five days of June are scored; the retraining that their drift asked for has ended well."""
    system.finish_well(system.begin(PREDICT, day(6, 1), day(6, 5)))
    found = drift_runs(system)
    decisions = system.ports.ledger.decisions("flight_delays", DecisionKind.RETRAIN_ON_DRIFT)
    assert len(found) == 1, [decision.reasons for decision in decisions]
    system.succeed(RETRAIN, found[0]["dag_run_id"])
    return drift_runs(system)[0]


@pytest.fixture(scope="module")
def refused_day(system: System, refused_day_begun: Backfill) -> dict[str, Any]:
    """The run of 10 June, whose rows break a rule."""
    (run,) = system.finish(refused_day_begun)
    return run


@dataclass(frozen=True)
class Stored:
    """What the stores have of the first three days of June."""

    batches: dict[Window, Batch]
    snapshots: int

    @classmethod
    def now(cls, system: System) -> "Stored":
        ledger = system.ports.ledger
        batches = {batch.window: batch for batch in ledger.batches_between("flight_delays", day(6, 1), day(6, 4))}
        return cls(batches, len(ledger.snapshots_between("flight_delays", day(6, 1), day(6, 4))))


@pytest.fixture(scope="module")
def begun_again(system: System, drifted_days: dict[str, Any]) -> tuple[Stored, Backfill]:
    """What was stored before three days were backfilled again, and that backfill."""
    return Stored.now(system), system.begin(PREDICT, day(6, 1), day(6, 3), reprocess="completed")


@pytest.fixture(scope="module")
def evaluation_begun(system: System, begun_again: tuple[Stored, Backfill]) -> Backfill:
    """The evaluation as of 7 June, which runs beside the second backfill."""
    return system.begin(EVALUATE, day(6, 6), day(6, 6))


@pytest.fixture(scope="module")
def day_after_an_outage(system: System, first_model: str | None) -> None:
    """12 June is scored by hand, although the source was down when its run began."""

    def too_late() -> str | None:
        state = system.run_state(PREDICT, "by_hand")
        return f"the run ended with {state}" if state in DONE else None

    for dag_id in (PREDICT, EVALUATE):  # which need the source, too
        system.wait_for_backfills(dag_id)
    system.sql("postgres", "ALTER DATABASE flights ALLOW_CONNECTIONS false")
    try:
        system.trigger(PREDICT, "by_hand", window_from="2013-06-12", window_to="2013-06-13")
        system.wait_until(
            lambda: system.tasks(PREDICT, "by_hand")["ingest"]["state"] == "up_for_retry", "ingest's retry", too_late
        )
    finally:
        system.sql("postgres", "ALTER DATABASE flights ALLOW_CONNECTIONS true")
    system.succeed(PREDICT, "by_hand")


def windows_of_june(number: int) -> str:
    return f"2013-06-{number:02}"


def drift_runs(system: System) -> list[dict[str, Any]]:
    return [run for run in system.runs(RETRAIN) if run["dag_run_id"].startswith("drift__")]


def test_the_first_model_is_trained_registered_and_deployed(system: System, first_model: str | None) -> None:
    champion = system.ports.ledger.deployments("flight_delays")[0]
    assert (champion.role, champion.model_version) == (DeployedRole.CHAMPION, "1")
    assert (champion.effective_from, champion.reason) == (day(3, 1), "first model")
    assert champion.metrics["roc_auc"] > 0.6
    assert first_model == "1"
    note = system.note(RETRAIN, "first")
    assert note.startswith(f"as of 2013-03-01 00:00 UTC: {champion.training['rows']:,} rows of ")
    assert ", promoted: " in note
    said, _, link = note.partition(" [Report](")
    assert said.endswith(", v1 is champion from 2013-03-01 00:00 UTC on.")
    assert link == f"dags/{RETRAIN}/runs/first/plugin/perennial-report)"


def test_the_executor_that_was_asked_for_does_the_tasks(system: System, first_model: str | None) -> None:
    logs = {name: system.home / "logs" / f"{name}.log" for name, _ in WITNESSES.values()}
    said = {name: log.read_text(errors="replace") if log.exists() else "" for name, log in logs.items()}
    assert {executor for executor, (name, line) in WITNESSES.items() if line in said[name]} == {EXECUTOR}


def test_a_backfill_over_drifted_days_scores_every_window_and_retrains_once(
    system: System, drifted_days: dict[str, Any]
) -> None:
    assert drifted_days["state"] == "success"
    assert "alarms" in drifted_days["conf"]["evidence"]
    assert drifted_days["conf"]["reason"].startswith("drift: ")
    batches = system.ports.ledger.batches_between("flight_delays", day(6, 1), day(6, 6))
    assert len(batches) == 5
    for batch in batches:
        lake = system.ports.lake.read(predictions_table("flight_delays"), batch.window.key)
        assert lake.num_rows == batch.rows > 500
        assert table_digest(lake) == system.ports.published.digest("flight_delays", batch.window)
        assert pc.count_distinct(lake.column("model_digest")).as_py() == 1


def test_the_notes_of_runs_say_the_alarm_first_and_what_was_started(
    system: System, drifted_days: dict[str, Any]
) -> None:
    runs = [run for run in system.runs(PREDICT) if str(run["logical_date"]).startswith("2013-06-0")]
    notes = [system.note(PREDICT, run["dag_run_id"]) for run in runs]
    assert len(notes) == 5
    (started,) = [note for note in notes if "retraining started" in note]
    assert started.startswith("ALARM: drift in ")
    assert f"; retraining started ({drifted_days['dag_run_id']}): " in started
    window = next(window for window in map(windows_of_june, range(1, 6)) if f" {window}: " in started)
    assert f". {window}: " in started
    assert " in quarantine, scored by v1. [Report](dags/" in started


def test_events_of_assets_say_what_was_written_and_tasks_are_run_as_the_spec_says(
    system: System, drifted_days: dict[str, Any]
) -> None:
    run = next(run for run in system.runs(PREDICT) if str(run["logical_date"]).startswith("2013-06-01"))["dag_run_id"]
    told = {
        event["source_task_id"]: event["extra"]
        for event in system.api("GET", f"assets/events?source_dag_id={PREDICT}&source_run_id={quote(run)}")[
            "asset_events"
        ]
    }
    assert set(told) == {"ingest", "validate", "score"}
    span = {"window_start": day(6, 1).isoformat(), "window_end": day(6, 2).isoformat()}
    assert all(extra.items() >= span.items() and extra["rows"] > 0 for extra in told.values())
    assert told["score"]["verdict"] == told["validate"]["verdict"]
    assert told["score"].items() >= {"model_version": "1", "revision": 1}.items()
    tasks = system.tasks(PREDICT, run)
    assert (tasks["score"]["max_tries"], tasks["ingest"]["max_tries"]) == (3, 4)
    assert tasks["trigger_retrain"]["priority_weight"] == 5


def test_i6_the_drift_retrain_learnt_from_nothing_later_than_the_alarm(
    system: System, drifted_days: dict[str, Any]
) -> None:
    as_of = datetime.fromisoformat(drifted_days["conf"]["as_of"])
    entry = next(each for each in system.ports.ledger.deployments("flight_delays") if each.model_version == "2")
    assert Window.parse(entry.training["last_window"]).end <= as_of
    rows = system.ports.lake.read(
        entry.training["table"], entry.training["partition"], version=entry.training["version"]
    )
    assert table_digest(rows) == entry.training["digest"]
    assert pc.max(rows.column("scheduled_departure")).as_py() < as_of


def test_i4_a_second_backfill_changes_nothing(
    system: System, begun_again: tuple[Stored, Backfill], evaluation_begun: Backfill
) -> None:
    before, backfill = begun_again
    assert len(system.finish_well(backfill)) == 3
    assert Stored.now(system) == before
    assert before.snapshots == len(before.batches) == 3
    assert len(drift_runs(system)) == 1


def test_evaluation_measures_the_windows_by_the_labels_that_had_arrived(
    system: System, evaluation_begun: Backfill
) -> None:
    system.finish_well(evaluation_begun)
    measured = system.ports.ledger.performance_between("flight_delays", day(6, 1), day(6, 6))
    assert [entry.maturity for entry in measured] == [Maturity.FINAL] * 5
    assert all(entry.as_of == day(6, 7) and 0.5 < entry.metrics["roc_auc"] < 0.95 for entry in measured)
    assert all(0.9 < entry.completeness <= 1 for entry in measured)
    (run,) = system.finish(evaluation_begun)
    note = system.note(EVALUATE, run["dag_run_id"])
    assert f"2013-06-05: ROC AUC {measured[-1].metrics['roc_auc']:.3f} (" in note
    assert "), final; 5 windows measured, 5 of them final" in note


def test_i2_a_failed_validation_blocks_scoring_and_says_why(system: System, refused_day: dict[str, Any]) -> None:
    run = refused_day
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
    note = system.note(PREDICT, run["dag_run_id"])
    assert note.startswith("FAILED validate: ValidationFailed: flight_delays 2013-06-10")
    assert "distance" in note
    assert note.partition(" [Report](")[0].split(". ")[-1].startswith("2013-06-10: ")


def test_a_source_that_was_down_is_tried_again(system: System, day_after_an_outage: None) -> None:
    assert system.tasks(PREDICT, "by_hand")["ingest"]["try_number"] > 1
    batch = system.ports.ledger.latest_batch("flight_delays", window(6, 12))
    assert batch is not None
    assert batch.rows > 500


def test_rolling_back_gives_an_earlier_version_its_role_again(system: System, drifted_days: dict[str, Any]) -> None:
    scored = system.ports.ledger.batches_between("flight_delays", day(6, 1), day(7, 1))
    system.trigger(ROLLBACK, "back", version="1", reason="version 2 is worse on Mondays")
    system.succeed(ROLLBACK, "back")
    entry = system.ports.ledger.deployments("flight_delays")[-1]
    assert (entry.model_version, entry.reason) == ("1", "version 2 is worse on Mondays")
    assert entry.effective_from == max(batch.window.end for batch in scored)
    assert system.ports.registry.alias("flight_delays", "champion") == "1"


def test_a_dry_run_says_what_it_would_do_and_does_nothing(system: System, first_model: str | None) -> None:
    before = system.ports.ledger.status("flight_delays")
    system.trigger(PREDICT, "dry", window_from="2013-06-01", window_to="2013-06-02", dry_run=True, model="as_now")
    system.succeed(PREDICT, "dry")
    assert {task["state"] for task in system.tasks(PREDICT, "dry").values()} == {"skipped"}
    assert "A dry run changes nothing" in system.log(PREDICT, "dry", "ingest")
    assert system.ports.ledger.status("flight_delays") == before


def test_maintenance_puts_right_what_was_changed_by_hand(system: System, drifted_days: dict[str, Any]) -> None:
    champion = system.ports.ledger.current_deployment("flight_delays", DeployedRole.CHAMPION)
    assert champion is not None
    system.ports.registry.set_alias("flight_delays", "champion", "2" if champion.model_version == "1" else "1")
    rows = system.ports.published.read("flight_delays", window(6, 2))
    system.ports.published.publish("flight_delays", window(6, 2), rows.slice(0, 10))
    system.trigger("platform.maintenance", "by_hand")
    system.succeed("platform.maintenance", "by_hand")
    assert system.ports.registry.alias("flight_delays", "champion") == champion.model_version
    assert system.ports.published.read("flight_delays", window(6, 2)).equals(rows)
    kinds = [entry.kind for entry in system.ports.ledger.interventions("flight_delays")]
    assert sorted(kinds) == [InterventionKind.ALIAS_RESTORED, InterventionKind.PUBLISHED_RESTORED]


def test_a_shell_beside_it_finds_the_same_system(
    system: System, drifted_days: dict[str, Any], refused_day: dict[str, Any], day_after_an_outage: None
) -> None:
    status = system.start_command("status", "--json")
    refused = system.start_command("score", "flight_delays", "--window", "2013-06-10")
    out, err = status.communicate(timeout=PATIENCE)
    assert status.returncode == 0, err
    flights = next(line for line in out.splitlines() if '"flight_delays"' in line)
    assert '"windows_scored": 6' in flights
    assert '"windows_failed": 1' in flights
    _, err = refused.communicate(timeout=PATIENCE)
    assert refused.returncode == 3
    assert "failed validation" in err


def test_every_page_asks_who_is_there(system: System, first_model: str | None, refused_day: dict[str, Any]) -> None:
    printed = system.python(
        "from perennial_airflow.pages.app import create_app\n"
        "for route in create_app().routes:\n"
        "    if 'GET' in route.methods: print('route', route.path)"
    )
    routes = [line.removeprefix("route ") for line in printed.splitlines() if line.startswith("route ")]
    assert len(routes) > 4
    given = {
        "dag_id": PREDICT,
        "run_id": refused_day["dag_run_id"],
        "window": window(6, 1).key,
        "name:path": "style.css",
    }
    addresses = [PREFIX + re.sub(r"{([^}]*)}", lambda found: given[found[1]], route) for route in routes]
    for address in addresses:
        assert httpx.get(system.url + address).status_code == 401, address
        answer = system.client.get(address)
        assert answer.status_code == (422 if address.endswith("/quarantined") else 200), address  # of no row
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    for nothing in (
        f"{PREFIX}/dags/platform.maintenance",
        f"{PREFIX}/dags/other.predict",
        f"{PREFIX}/nothing",
        PREFIX + "/",
    ):
        assert system.client.get(nothing).status_code == 404, nothing
    assert system.client.get(f"{PREFIX}/dags/{PREDICT}/windows/nonsense").status_code == 422


def test_scripts_read_the_report_as_json(system: System, refused_day: dict[str, Any]) -> None:
    address = f"{PREFIX}/dags/{PREDICT}/runs/{refused_day['dag_run_id']}"
    report = system.client.get(address, headers={"Accept": "application/json"}).json()
    assert report["window"] == {"start": "2013-06-10T00:00:00Z", "end": "2013-06-11T00:00:00Z"}
    assert report["validation"]["verdict"] == "fail"
    assert report["revisions"] == []


def test_a_person_finds_out_in_the_browser_why_a_day_was_refused(
    system: System, drifted_days: dict[str, Any], refused_day: dict[str, Any]
) -> None:
    complaints: list[str] = []
    with browsing() as (_, page):
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        log_in(page, system.url, *administrator(system))
        page.goto(f"{system.url}/plugin/perennial")
        home = inside(page)
        see(home.get_by_text("1 window failed validation and was not scored."))
        see(home.get_by_role("link", name=FLIGHTS)).click()
        see(home.get_by_role("heading", name="The windows in a table"))
        see(home.get_by_role("link", name="Mon 10 Jun 2013")).first.click()
        see(home.get_by_text("so nothing was scored"))
        assert "distance" in home.locator("#validation").inner_text()
        see(home.locator("#validation a[data-airflow]")).first.click()
        arrive(page, f"/dags/{PREDICT}/runs/")
        reports = page.get_by_role("link", name="Report")
        see(reports.nth(1))
        in_note, tab = reports.all()
        with page.expect_popup() as opened:  # Airflow opens the links of notes beside
            in_note.click()
        see(inside(opened.value).get_by_role("heading", name="Mon 10 Jun 2013"))
        tab.click()
        see(inside(page).get_by_role("heading", name="Mon 10 Jun 2013"))
    assert [each for each in complaints if "perennial" in each] == []


def test_a_person_looks_at_a_backfill_and_begins_it_in_the_browser(
    system: System, drifted_days: dict[str, Any], begun_again: tuple[Stored, Backfill]
) -> None:
    system.finish(begun_again[1])
    with browsing() as (_, page):
        log_in(page, system.url, *administrator(system))
        page.goto(f"{system.url}{PREFIX}/dags/{PREDICT}/preview?from=2013-06-13&to=2013-06-14&model=as_now")
        see(page.get_by_text("2 windows: 0 new, 0 changed, 0 unchanged, 2 not ingested or not validated yet."))
        see(page.get_by_role("button", name="Backfill these windows")).click()
        see(page.get_by_role("button", name="Yes, backfill them")).click()
        see(page.get_by_text("The backfill has begun"))
    days = (window(6, 13), window(6, 14))
    ledger = system.ports.ledger
    system.wait_until(
        lambda: all(ledger.latest_batch("flight_delays", each) is not None for each in days),
        "the two days to be scored",
    )
    found = [ledger.latest_batch("flight_delays", each) for each in days]
    assert [batch.resolution for batch in found if batch is not None] == ["as_now", "as_now"]


def test_a_person_follows_drift_to_the_new_champion_in_the_browser(
    system: System, drifted_days: dict[str, Any]
) -> None:
    decisions = system.ports.ledger.decisions("flight_delays", DecisionKind.RETRAIN_ON_DRIFT)
    (alarm,) = (each.as_of for each in decisions if each.action == "retrain")
    decided = Window(alarm - timedelta(days=1), alarm)
    with browsing() as (_, page):
        log_in(page, system.url, *administrator(system))
        page.goto(f"{system.url}/dags/{PREDICT}/plugin/perennial-windows")
        shown = inside(page)
        see(shown.get_by_role("link", name=window_name(decided))).first.click()
        see(shown.locator("#drift").get_by_text("drifted"))
        see(shown.locator("#decision").get_by_text("retrain on drift"))
        see(shown.locator("#decision").get_by_role("link", name="What came of it")).click()
        see(shown.locator("#events").get_by_text("new model"))
        run_id = quote(drifted_days["dag_run_id"], safe="")
        page.goto(f"{system.url}/dags/{RETRAIN}/runs/{run_id}/plugin/perennial-report")
        see(shown.get_by_role("heading", name="Judgement"))
        see(shown.get_by_text("What asked for it"))
        see(shown.locator("#decision").get_by_text("promoted"))
    report = system.client.get(f"{PREFIX}/dags/{RETRAIN}/runs/{run_id}", headers={"Accept": "application/json"}).json()
    assert report["decision"]["action"] == "promote"
    assert [each["kind"] for each in report["asked_for"]] == ["retrain_on_drift"]


def test_each_role_sees_inside_airflow_what_it_may_read_and_nothing_else(
    system: System, run: Run, refused_day: dict[str, Any]
) -> None:
    pages = {
        "nav": "",
        "dag": f"/dags/{PREDICT}",
        "dag_run": f"/dags/{PREDICT}/runs/{refused_day['dag_run_id']}",
        "task": f"/dags/{PREDICT}/tasks/validate",
        "task_instance": f"/dags/{PREDICT}/runs/{refused_day['dag_run_id']}/tasks/validate",
    }
    tabs = {view["destination"]: f"{pages[view['destination']]}/plugin/{view['url_route']}" for view in VIEWS}
    with fab_server(system, run, PREDICT, EVALUATE) as url, browsing() as (browser, _):
        for user in (ADMIN, VIEWER, ONE_DAG, NOTHING):
            page = open_page(browser.new_context())
            log_in(page, url, user, user)
            for destination, address in tabs.items():
                page.goto(url + address)
                shown = inside(page)
                if destination == "nav":
                    see(shown.get_by_role("heading", name="Use cases"))
                    flights, air_time = shown.get_by_text(FLIGHTS), shown.get_by_text("Minutes in the air")
                    assert flights.count() == (user != NOTHING), user
                    assert air_time.count() == (user in (ADMIN, VIEWER)), user
                elif user == NOTHING:
                    see(shown.get_by_role("heading", name="You may not see this"))
                else:
                    see(shown.get_by_role("heading", name="Mon 10 Jun 2013" if "runs" in address else FLIGHTS))
            page.goto(f"{url}{PREFIX}/dags/air_time.predict")
            heading = "Minutes in the air" if user in (ADMIN, VIEWER) else "You may not see this"
            see(page.get_by_role("heading", name=heading))
            page.context.close()


@pytest.fixture(scope="module")
def orders(system: System) -> tuple[Orders, Orders]:
    """Two use cases whose days of almost a week nobody scored, although they had a model: one fills gaps, one tells."""
    today = datetime.now(UTC).date()
    folder = system.home.parent / "use_cases"
    filled, reported = (
        write_orders(folder, name, gaps, today) for name, gaps in (("orders", "fill"), ("told", "report"))
    )
    system.find_dags(f"{filled.name}.predict", f"{reported.name}.predict")
    training = [
        system.start_command("retrain", each.name, "--as-of", each.down_since.isoformat())
        for each in (filled, reported)
    ]
    for command in training:
        _, err = command.communicate(timeout=PATIENCE)
        assert command.returncode == 0, err
    return filled, reported


@pytest.fixture(scope="module")
def after_downtime(system: System, orders: tuple[Orders, Orders]) -> str:
    """The nightly maintenance after one of the two was unpaused, and its scheduled run of yesterday has ended."""
    filled, _ = orders
    predict, yesterday = f"{filled.name}.predict", filled.missing[-1]
    system.api("PATCH", f"dags/{predict}", is_paused=False)
    ledger = system.ports.ledger
    system.wait_until(lambda: ledger.latest_batch(filled.name, yesterday) is not None, "yesterday to be scored")
    assert ledger.batches_between(filled.name, filled.missing[0].start, yesterday.start) == []
    system.find_tasks("platform.maintenance", *(f"{each.name}.gaps" for each in orders))
    system.trigger("platform.maintenance", "after_downtime")
    system.succeed("platform.maintenance", "after_downtime")
    return "after_downtime"


def test_after_days_of_downtime_every_window_is_scored_by_a_run_of_its_own(
    system: System, orders: tuple[Orders, Orders], after_downtime: str
) -> None:
    filled, _ = orders
    missing = filled.missing[:-1]
    names = [f"gap__{window.start:%Y-%m-%dT%H:%MZ}" for window in missing]
    first, last = (f"{window.start:%Y-%m-%d}" for window in (missing[0], missing[-1]))
    told = f"orders: 5 of 6 windows are missing: {first} to {last} (5 windows)"
    assert told in system.log("platform.maintenance", after_downtime, "orders.gaps")
    assert told in system.note("platform.maintenance", after_downtime)
    for name in names:
        system.succeed("orders.predict", name)
    runs = [run["dag_run_id"] for run in system.runs("orders.predict") if run["run_type"] != "scheduled"]
    assert sorted(runs) == names
    batches = system.ports.ledger.batches_between("orders", filled.missing[0].start, filled.missing[-1].end)
    assert [(batch.window, batch.revision, batch.rows) for batch in batches] == [
        (window, 1, ROWS) for window in filled.missing
    ]
    for batch in batches:
        lake = system.ports.lake.read(predictions_table("orders"), batch.window.key)
        assert table_digest(lake) == system.ports.published.digest("orders", batch.window)
    note = system.note("orders.predict", names[0])
    assert note.startswith(f"{first}: {ROWS} rows, 0 in quarantine, scored by v1, drift is not known: ")


def test_where_gaps_are_only_told_every_one_is_named(
    system: System, orders: tuple[Orders, Orders], after_downtime: str
) -> None:
    _, reported = orders
    first, last = (f"{window.start:%Y-%m-%d}" for window in (reported.missing[0], reported.missing[-1]))
    told = f"told: 6 of 6 windows are missing: {first} to {last} (6 windows)"
    log = system.log("platform.maintenance", after_downtime, "told.gaps")
    assert told in log
    assert "warning" in next(line for line in log.splitlines() if told in line).lower()
    assert told in system.note("platform.maintenance", after_downtime)
    assert system.runs("told.predict") == []
    status = system.start_command("status", "--json")
    out, err = status.communicate(timeout=PATIENCE)
    assert status.returncode == 0, err
    (line,) = [found for found in map(json.loads, out.splitlines()) if found["use_case"] == "told"]
    (missing,) = line["missing"]
    ends = [datetime.fromisoformat(missing[name]) for name in ("start", "end")]
    assert ends == [reported.missing[0].start, reported.missing[-1].end]


@dataclass(frozen=True)
class Awaited:
    """An hourly use case whose last window is due in a moment, and is not there yet."""

    folder: Path
    end: datetime
    due: datetime


@pytest.fixture(scope="module")
def awaited(system: System) -> Awaited:
    now = datetime.now(UTC)
    end = now.replace(minute=0, second=0, microsecond=0)
    delay = timedelta(minutes=now.minute + 1)
    folder = system.home.parent / "use_cases" / "meters"
    (folder / "data").mkdir(parents=True)
    minutes = delay // timedelta(minutes=1)
    (folder / "use_case.yaml").write_text(METERS.format(day=now - timedelta(days=2), delay=minutes))
    (folder / "expectations.yaml").write_text(
        "expectations: [{type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}]\n"
    )
    system.find_dags(METERS_PREDICT)
    system.api("PATCH", f"dags/{METERS_PREDICT}", is_paused=False)
    return Awaited(folder, end, end + delay)


def test_a_window_is_scored_after_its_delay_and_waited_for_without_a_workers_place(
    system: System, awaited: Awaited
) -> None:
    def due() -> dict[str, Any] | None:
        found = [run for run in system.runs(METERS_PREDICT) if run["data_interval_end"]]
        return next((run for run in found if datetime.fromisoformat(run["data_interval_end"]) == awaited.end), None)

    system.wait_until(lambda: due() is not None, "the run of the window")
    run = due()
    assert run is not None
    assert datetime.fromisoformat(run["run_after"]) == awaited.due
    assert datetime.fromisoformat(run["data_interval_start"]) == awaited.end - timedelta(hours=1)

    def ingest() -> dict[str, Any]:
        return system.tasks(METERS_PREDICT, run["dag_run_id"])["ingest"]

    system.wait_until(lambda: ingest()["state"] == "deferred", "ingest to wait")
    at = awaited.end - timedelta(minutes=30)
    (awaited.folder / "data" / "rows.csv").write_text(f"meter,at,reading\n1,{at.isoformat()},2.5\n")
    (awaited.folder / "data" / "_READY").touch()
    system.wait_until(lambda: ingest()["state"] == "success", "ingest to find the rows")
    assert ingest()["try_number"] == 1
    system.api("PATCH", f"dags/{METERS_PREDICT}", is_paused=True)
    snapshot = system.ports.ledger.latest_snapshot("meters", Window(awaited.end - timedelta(hours=1), awaited.end))
    assert snapshot is not None
    assert snapshot.rows == 1
    assert "there is no data/_READY yet" in system.log(METERS_PREDICT, run["dag_run_id"], "ingest")


METERS_PREDICT = "meters.predict"
METERS = """
name: meters
title: Meters whose readings come late
owner: grid
task: regression
schedule: {{every: hour, start: {day:%Y-%m-%d}, delay: {delay}m, deadline: 10h}}
source: {{type: files, path: data, pattern: "*.csv", format: csv, ready: {{marker: _READY}}}}
columns:
  meter: {{kind: integer, role: key}}
  at: {{kind: timestamp, role: event_time}}
  reading: {{kind: numeric}}
labels:
  source: {{type: files, path: labels, pattern: "*.csv", format: csv}}
  column: used
  arrival_time: known_at
  mature_after: 1h
training:
  history: 10d
  holdout: 2d
  metric: mae
  candidates: [{{name: guess, estimator: dummy}}]
"""


def test_a_person_accepts_and_replays_a_refused_day_in_the_browser(
    system: System, first_model: str | None, refused_day: dict[str, Any]
) -> None:
    """It stands last: it changes what others count."""
    with browsing() as (_, page):
        log_in(page, system.url, *administrator(system))
        accept_and_replay(page, system, window(6, 10))
