"""The jobs on real stores, for a use case that is not in this repository: a folder of CSV files, as a user has it.

The memory twins serve the unit tests of the jobs; here the same steps run on Delta tables, PostgreSQL and MLflow,
through the command line, in processes of their own.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pytest
from tests.commands import invoke
from tests.contract.forked_steps import fork_context, start
from tests.servers import WatchedPostgres
from tests.unit.jobs.world import EXPECTATIONS, ROWS, SPEC, START, tables
from tests.waiting import PATIENCE

from perennial.digest import table_digest
from perennial.jobs.retrain import card
from perennial.ledger.entries import DecisionKind
from perennial.modeling.trial import EXAMPLE
from perennial.ports import Ports
from perennial.records.judgement import read as read_evidence
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.window import Window
from perennial.wiring import open_ports

DAILY_CSV = "pattern: '%Y-%m-%d.csv', format: csv"


@dataclass
class Shop:
    """A user's own use case beside real stores."""

    folder: Path
    environment: dict[str, str]
    ports: Ports

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "perennial.cli", *arguments],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def window(self, number: int) -> Window:
        return Window(START + timedelta(days=number), START + timedelta(days=number + 1))

    def published_rows(self, window: Window) -> int:
        connection = psycopg2.connect(self.environment["AIRFLOW_CONN_PERENNIAL_PUBLISHED"])
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM perennial.predictions_parcels WHERE window_start = %s", (window.start,)
            )
            (count,) = cursor.fetchone()
        connection.close()
        return int(count)


def days_to_csv(table: pa.Table, folder: Path) -> None:
    folder.mkdir()
    days = pc.strftime(table.column("sent_at"), "%Y-%m-%d")
    times = [name for name in table.column_names if pa.types.is_timestamp(table.schema.field(name).type)]
    for name in times:
        text = pc.strftime(table.column(name), "%Y-%m-%dT%H:%M:%SZ")
        table = table.set_column(table.column_names.index(name), name, text)
    for day in days.unique().to_pylist():
        pa.csv.write_csv(table.filter(pc.equal(days, day)), folder / f"{day}.csv")


@pytest.fixture(scope="module")
def shop(postgres: WatchedPostgres, mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return open_shop(tmp_path_factory.mktemp("shop"), postgres.url(postgres.new_database("shop")), mlflow_url)


def open_shop(root: Path, database: str, mlflow_url: str, spec: str = SPEC, **variables: str) -> Shop:
    """The use case in a folder, its stores there or where the variables say, and an empty ledger."""
    folder = root / "use_cases" / "parcels"
    folder.mkdir(parents=True)
    (folder / "use_case.yaml").write_text(spec.replace("format: parquet", DAILY_CSV))
    (folder / "expectations.yaml").write_text(EXPECTATIONS)
    parcels, outcomes = tables()
    days_to_csv(parcels, folder / "data")
    days_to_csv(outcomes, folder / "labels")
    environment = {
        **os.environ,
        "PERENNIAL_HOME": str(root / "home"),
        "PERENNIAL_USE_CASES": str(root / "use_cases"),
        "PERENNIAL_MLFLOW_URL": mlflow_url,
        "AIRFLOW_CONN_PERENNIAL_LEDGER": database,
        "AIRFLOW_CONN_PERENNIAL_PUBLISHED": database,
        **variables,
    }
    settings = Settings.from_environment(environment)
    shop = Shop(folder, environment, open_ports(settings, EnvironmentConnections(settings.environment)))
    upgrade = shop.start("db", "upgrade")
    assert upgrade.wait(PATIENCE) == 0
    upgrade.communicate()
    return shop


@pytest.fixture(scope="module")
def command(shop: Shop) -> Callable[..., str]:
    """The command line in this process: what it printed, after it ended well."""

    def run(*arguments: str, code: int = 0) -> str:
        result = invoke(arguments, shop.environment)
        assert result.exit_code == code, result.output
        return result.stdout

    return run


@pytest.fixture(scope="module")
def first_model(command: Callable[..., str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What judging and deploying the first model said."""
    judged, deployed = command(
        "retrain", "parcels", "--as-of", "2024-01-31", "--reason", "first", "--json"
    ).splitlines()
    return json.loads(judged), json.loads(deployed)


@pytest.fixture(scope="module")
def two_days(command: Callable[..., str], first_model: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Two windows went through all steps; what the evaluation said about them."""
    for step in ("ingest", "validate", "score", "monitor"):
        results = command(step, "parcels", "--from", "2024-01-31", "--to", "2024-02-02", "--json")
        assert len(results.splitlines()) == 2
    return dict(json.loads(command("evaluate", "parcels", "--as-of", "2024-02-03", "--json")))


def test_a_use_case_of_ones_own_goes_from_files_to_predictions(
    shop: Shop, first_model: tuple[dict[str, Any], ...], two_days: dict[str, Any]
) -> None:
    judged, deployed = first_model
    assert (judged["action"], judged["verdict"]) == ("promote", "better")
    (decision,) = shop.ports.ledger.decisions("parcels", DecisionKind.PROMOTE)
    evidence = read_evidence(decision, shop.ports)
    assert evidence is not None
    assert evidence.gains[evidence.tested].comparison.gain == decision.numbers["gain"]
    assert deployed["model_version"] == "1"
    assert two_days["final"] == 2
    assert shop.published_rows(shop.window(30)) == ROWS


def test_a_use_case_of_ones_own_is_checked_in_a_shell(shop: Shop) -> None:
    checked = shop.start("check")
    out, _ = checked.communicate(timeout=PATIENCE)
    assert (checked.returncode, "0 errors" in out) == (0, True), out


@pytest.mark.usefixtures("two_days")
def test_one_command_takes_windows_through_all_steps(shop: Shop, command: Callable[..., str]) -> None:
    told = command("run", "parcels", "--from", "2024-01-31", "--to", "2024-02-02", "--json")
    found = [json.loads(line) for line in told.splitlines()]
    assert [(each["ingested"]["changed"], each["scored"]["changed"]) for each in found] == [(False, False)] * 2
    assert [each["monitored"]["window"] for each in found] == [each["window"] for each in found]
    assert command("validation", "parcels", "--window", "2024-01-31").startswith("parcels 2024-01-31T00:00Z: pass")


@pytest.mark.usefixtures("two_days")
def test_i3_the_stores_hold_the_same_rows(shop: Shop) -> None:
    for number in (30, 31):
        lake = shop.ports.lake.read("predictions/parcels", shop.window(number).key)
        assert table_digest(lake) == shop.ports.published.digest("parcels", shop.window(number))


@pytest.mark.usefixtures("first_model")
def test_i4_the_same_window_four_times_at_once_ends_in_one_revision(shop: Shop) -> None:
    context = fork_context()
    rivals = [start(context, shop.environment, shop.window(33), f"rival {number}") for number in range(4)]
    for rival in rivals:
        rival.join(PATIENCE)
    assert [rival.exitcode for rival in rivals] == [0] * 4
    (batch,) = shop.ports.ledger.batches("parcels", shop.window(33))
    assert (batch.revision, batch.rows) == (1, ROWS)
    assert shop.published_rows(shop.window(33)) == ROWS


@pytest.mark.usefixtures("first_model")
def test_i4_what_was_killed_anywhere_is_taken_up_by_the_next_run(shop: Shop) -> None:
    context = fork_context()
    window = shop.window(34)
    killed = 0
    for number in range(24):
        victim = start(context, shop.environment, window, f"victim {number}")
        victim.join(0.04 + 0.03 * number)
        killed += victim.exitcode is None
        victim.kill()
        victim.join()
    assert killed > 5
    last = start(context, shop.environment, window, "last")
    last.join(PATIENCE)
    assert last.exitcode == 0
    (batch,) = shop.ports.ledger.batches("parcels", window)
    lake = shop.ports.lake.read("predictions/parcels", window.key)
    assert lake.num_rows == batch.rows == shop.published_rows(window) == ROWS
    assert table_digest(lake) == shop.ports.published.digest("parcels", window)


def test_a_broken_file_is_refused_by_name_and_nothing_changes(shop: Shop, command: Callable[..., str]) -> None:
    file = shop.folder / "data" / "2024-02-05.csv"
    whole = file.read_bytes()
    file.write_bytes(whole + b"\xff\xfe broken")
    refused = shop.start("ingest", "parcels", "--window", "2024-02-05")
    _, err = refused.communicate(timeout=PATIENCE)
    assert refused.returncode == 3
    assert "2024-02-05.csv" in err
    assert shop.ports.ledger.latest_snapshot("parcels", shop.window(35)) is None
    assert shop.ports.lake.read("raw/parcels", shop.window(35).key).num_rows == 0
    file.write_bytes(whole)
    assert json.loads(command("ingest", "parcels", "--window", "2024-02-05", "--json"))["rows"] == ROWS


@pytest.mark.usefixtures("two_days")
def test_the_past_of_a_window_is_told_and_made_again(shop: Shop, command: Callable[..., str]) -> None:
    file = shop.folder / "data" / "2024-02-01.csv"
    whole = file.read_text()
    file.write_text(whole.replace("road", "rail"))
    days = ("parcels", "--window", "2024-02-01")
    before = json.loads(command("preview", *days, "--json"))
    assert (before["would_be"], before["live_revision"]) == ("unchanged", 1)
    command("ingest", *days)
    command("validate", *days)
    assert "revision 2" in command("preview", *days)
    command("score", *days)
    first, second = (json.loads(line) for line in command("history", *days, "--json").splitlines())
    assert (first["live"], second["live"]) == (False, True)
    assert first["snapshot_digest"] != second["snapshot_digest"]
    assert "(live)" in command("history", *days)
    difference = json.loads(command("diff", *days, "--revisions", "1", "2", "--json"))
    assert (difference["added"], difference["removed"]) == (0, 0)
    assert 0 < difference["changed"] == len(difference["rows"]) < ROWS
    assert f"{difference['changed']} changed" in command("diff", *days, "--revisions", "1", "2")
    made_again = [json.loads(line) for line in command("reproduce", *days, "--json").splitlines()]
    assert len(made_again) >= 3
    assert all(each["same"] for each in made_again)
    assert "DIFFERENT" not in command("reproduce", *days)
    file.write_text(whole)


@pytest.mark.usefixtures("two_days")
def test_drift_and_performance_are_shown_as_table_and_json(
    shop: Shop, command: Callable[..., str], repository: Path
) -> None:
    days = ("parcels", "--from", "2024-01-31", "--to", "2024-02-02")
    report = json.loads(command("drift", *days, "--json"))
    jsonschema.validate(report, json.loads((repository / "docs" / "drift_report.schema.json").read_text()))
    assert report["assessment"]["rows"] == 2 * ROWS
    assert len(report["windows"]) == 2
    shown = command("drift", *days)
    for told in ("against model 1", "weight", "█", "alarms in 2 windows", "would be expected if all were ordinary"):
        assert told in shown, shown
    one = json.loads(command("drift", "parcels", "--window", "2024-02-01", "--json"))
    (recorded,) = shop.ports.ledger.drift_of("parcels", shop.window(31))
    assert (one["assessment"]["p_value"], one["run_id"]) == (recorded.p_value, recorded.run_id)
    measured = json.loads(command("performance", *days, "--json"))
    assert [each["maturity"] for each in measured["windows"]] == ["final", "final"]
    first = measured["windows"][0]
    assert first["measured"]["low"] < first["measured"]["value"] < first["measured"]["high"]
    assert first["label_drift"]["verdict"] in ("pass", "insufficient")
    assert "final, 100%" in command("performance", *days)
    nothing = invoke(["drift", "parcels", "--window", "2024-02-20"], shop.environment, failing=True)
    assert "No window of parcels" in str(nothing.exception)


@pytest.mark.usefixtures("two_days")
def test_policies_are_backtested_from_the_command_line(shop: Shop, command: Callable[..., str], tmp_path: Path) -> None:
    policies, picture = tmp_path / "policies.yaml", tmp_path / "rivals.png"
    policies.write_text("always: {triggers: [age], max_age: 30d}\nnever: {triggers: []}\n")
    days = ("parcels", "--policies", str(policies), "--from", "2024-01-31", "--to", "2024-02-02")
    before = shop.ports.ledger.status("parcels")
    shown = command("backtest", *days, "--plot", str(picture))
    assert logging.getLogger("perennial").level == logging.NOTSET
    for told in ("always", "never", "2024-01", "2024-02", "regret (roc_auc)", "compute s"):
        assert told in shown, shown
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert shop.ports.ledger.status("parcels") == before
    kept = shop.ports.ledger.last_backtest("parcels")
    assert kept is not None
    assert [each["policy"] for each in kept.results] == ["always", "never"]
    assert kept.run_id.startswith("cli__")


@pytest.mark.usefixtures("two_days")
def test_a_prediction_is_explained_as_text_json_and_page(
    shop: Shop, command: Callable[..., str], tmp_path: Path
) -> None:
    rows = shop.ports.published.read("parcels", shop.window(31))
    entity = str(rows.column("parcel")[0].as_py())
    evidence = json.loads(command("explain", "parcels", "--entity", entity, "--json"))
    assert evidence["prediction"] == rows.column("prediction")[0].as_py()
    assert evidence["published"] is True
    assert evidence["deployment"]["actor"]
    assert evidence["model_address"].endswith("/versions/1")
    text = command("explain", "parcels", "--entity", entity, "--window", "2024-02-01")
    assert evidence["batch"]["model_digest"] in text
    page = tmp_path / "evidence.html"
    command("explain", "parcels", "--entity", entity, "--html", str(page))
    assert evidence["batch"]["model_digest"] in page.read_text()


def test_a_version_is_exported_and_attached_in_mlflow(
    shop: Shop, command: Callable[..., str], first_model: tuple[dict[str, Any], ...], tmp_path: Path
) -> None:
    file = tmp_path / "model.onnx"
    for _ in range(2):
        text = command("export", "parcels", "--version", "1", "--to", "onnx", "--file", str(file), "--json")
        found = json.loads(text.splitlines()[-1])
        assert (found["action"], found["certificate"]["problems"]) == ("exported", [])
        assert found["certificate"]["largest_difference"] < 1e-12
    registry = shop.ports.registry
    assert registry.attached("parcels", "1", "exports/model.onnx") == file.read_bytes()
    assert json.loads(registry.attached("parcels", "1", "exports/onnx.certificate.json") or b"") == found["certificate"]
    assert registry.attached("parcels", "1", EXAMPLE) is not None  # the trial before the deployment kept it
    assert len(shop.ports.ledger.decisions("parcels", DecisionKind.EXPORT)) == 1


@pytest.mark.usefixtures("first_model")
def test_a_deployed_version_has_its_card_and_bill_in_mlflow_and_its_records_are_in_the_chain(
    shop: Shop, command: Callable[..., str]
) -> None:
    attached = {path: shop.ports.registry.attached("parcels", "1", path) for path in (card.CARD, card.PAGE, card.BILL)}
    kept = json.loads(attached[card.CARD] or b"")
    shown = json.loads(command("card", "parcels", "--version", "1", "--json").splitlines()[-1])
    of_the_deployment = ("purpose", "risk", "judgement", "metrics", "data", "drift")
    assert [each for each in shown["sections"] if each["key"] in of_the_deployment] == [
        each for each in kept["sections"] if each["key"] in of_the_deployment
    ]
    assert b"<h1>Model card: " in (attached[card.PAGE] or b"")
    assert command("card", "parcels", "--version", "1", "--bom").strip().encode() == attached[card.BILL]
    link = shop.ports.ledger.link_with("parcels", content=kept["sentence"]["source"]["digest"])
    assert link is not None
    assert (link.kind, link.entry_id) == ("decision", kept["sentence"]["source"]["id"])


@pytest.mark.usefixtures("first_model")
def test_quarantine_makes_a_round_trip(shop: Shop, command: Callable[..., str]) -> None:
    days = ("parcels", "--window", "2024-02-08")
    file = shop.folder / "data" / "2024-02-08.csv"
    head, *lines = file.read_text().splitlines()
    at = head.replace('"', "").split(",").index("weight")
    for number in (0, 1):
        cells = lines[number].split(",")
        lines[number] = ",".join([*cells[:at], "-60", *cells[at + 1 :]])
    file.write_text("\n".join([head, *lines, ""]))
    for step in ("ingest", "validate", "score"):
        command(step, *days)
    caught = json.loads(command("quarantine", "list", *days, "--json"))
    assert caught["rows"] == 2
    command("quarantine", "accept", *days, "--rule", caught["rule"], "--reason", "balloons")
    replayed = json.loads(command("quarantine", "replay", *days, "--json"))
    assert (replayed["quarantined_before"], replayed["quarantined_after"]) == (2, 0)
    assert (replayed["revision_before"], replayed["revision_after"]) == (1, 2)
    assert shop.published_rows(shop.window(38)) == ROWS
    assert shop.ports.ledger.interventions("parcels")[-1].reason == "balloons"


@pytest.mark.usefixtures("two_days")
def test_an_alias_moved_by_hand_and_a_changed_table_are_put_right(shop: Shop, command: Callable[..., str]) -> None:
    shop.ports.registry.set_alias("parcels", "challenger", "1")
    connection = psycopg2.connect(shop.environment["AIRFLOW_CONN_PERENNIAL_PUBLISHED"])
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM perennial.predictions_parcels WHERE window_start = %s", (shop.window(30).start,))
    connection.close()
    done = json.loads(command("reconcile", "parcels", "--json"))
    assert len(done["restored"]) == 2
    assert shop.ports.registry.alias("parcels", "challenger") is None
    assert shop.published_rows(shop.window(30)) == ROWS
    again = json.loads(command("reconcile", "parcels", "--all", "--json"))
    assert (again["restored"], again["read"]) == ([], again["windows"])


@pytest.mark.usefixtures("two_days")
def test_maintenance_says_what_it_would_remove_and_keeps_what_is_needed(
    shop: Shop, command: Callable[..., str]
) -> None:
    spec = shop.folder / "use_case.yaml"
    whole = spec.read_text()
    assert "files" in command("maintain", "parcels", "--json")
    spec.write_text(whole + "retention: 1m\n")  # rounded up to an hour, so nothing is old enough
    plans = [json.loads(line) for line in command("maintain", "parcels", "--json").splitlines()]
    assert [plan["files"] for plan in plans] == [[]] * 5
    command("maintain", "parcels", "--apply")
    assert "DIFFERENT" not in command("reproduce", "parcels", "--window", "2024-02-01")
    spec.write_text(whole)
