"""What Perennial 0.1.0 left behind is taken over by today's code: see `make_stores.py` for what it left.

The stores are real, the steps are those of the command line.
"""

import json
import os
import sys
import tarfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from tests.commands import invoke
from tests.servers import Run, WatchedPostgres, mlflow_of
from tests.unit.jobs.world import START

from perennial.errors import NothingKept, NotValidated
from perennial.modeling import libraries
from perennial.modeling.trial import EXAMPLE, PREDICTION, TRIED_ROWS, from_file
from perennial.ports import Ports
from perennial.records.batch import compare_stores
from perennial.records.gate import checks_of
from perennial.records.kept_example import load_model
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.spec import versions
from perennial.spec.load import load_use_case
from perennial.window import Window
from perennial.wiring import open_ports

ARCHIVE = Path(__file__).parent / "0.1.0.tar.xz"
QUARANTINED, REPRODUCED = 30, (24, 52)  # days that 0.1.0 told of


def window(number: int) -> Window:
    return Window(START + timedelta(days=number), START + timedelta(days=number + 1))


def day(number: int) -> str:
    return f"{START + timedelta(days=number):%Y-%m-%d}"


class Upgraded:
    """The use case of 0.1.0 under today's code. `told` is what 0.1.0 said of it."""

    def __init__(self, root: Path, database: str, mlflow_url: str) -> None:
        self.root, self.database = root, database
        self.told = json.loads((root / "told.json").read_text())
        self._environment = {
            **os.environ,
            "PERENNIAL_HOME": str(root),
            "PERENNIAL_USE_CASES": str(root / "use_cases"),
            "PERENNIAL_MLFLOW_URL": mlflow_url,
            "AIRFLOW_CONN_PERENNIAL_LEDGER": database,
            "AIRFLOW_CONN_PERENNIAL_PUBLISHED": database,
        }
        self.ports = self.open()

    def open(self, **others: str) -> Ports:
        """Its stores, as a process opens them anew, with other settings."""
        settings = Settings.from_environment({**self._environment, **others})
        return open_ports(settings, EnvironmentConnections(settings.environment))

    def run(self, *arguments: str) -> str:
        """What a command printed, after it ended well."""
        result = invoke(arguments, self._environment)
        assert result.exit_code == 0, result.output
        return result.stdout

    def published(self, table: str, number: int) -> list[tuple[Any, ...]]:
        """What the published rows of a day say of their batch, each once."""
        query = f"SELECT DISTINCT model_digest, snapshot_digest, run_id FROM perennial.{table}_parcels"
        with closing(psycopg2.connect(self.database)) as session, session.cursor() as cursor:
            cursor.execute(f"{query} WHERE window_start = %s", (window(number).start,))
            return list(cursor.fetchall())

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command printed as JSON."""
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def upgraded(run: Run, postgres: WatchedPostgres) -> Upgraded:
    """The stores of 0.1.0, put back and migrated."""
    root = run.new_folder("upgraded")
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(root, filter="data")
    databases = {}
    for name in ("ledger", "mlflow"):
        databases[name] = postgres.url(postgres.new_database(f"old_{name}"))
        with closing(psycopg2.connect(databases[name])) as session, session, session.cursor() as cursor:
            cursor.execute((root / f"{name}.sql").read_text())
    registry = databases["mlflow"].replace("postgresql://", "postgresql+psycopg2://")
    run.finish("mlflow db upgrade", [sys.executable, "-m", "mlflow", "db", "upgrade", registry], os.environ)
    found = Upgraded(
        root, databases["ledger"], mlflow_of(run, postgres, "mlflow-of-0.1.0", databases["mlflow"], root / "artifacts")
    )
    found.run("db", "upgrade")
    return found


@pytest.fixture(scope="module")
def next_window(upgraded: Upgraded) -> dict[str, Any]:
    """The first window that today's code takes through all steps."""
    (told,) = upgraded.json("run", "parcels", "--window", day(53))
    return told


def test_its_windows_are_told_as_0_1_0_told_them(upgraded: Upgraded) -> None:
    for name, revisions in upgraded.told["history"].items():
        now = upgraded.json("history", "parcels", "--window", name)
        for before, after in zip(revisions, now, strict=True):
            assert {key: after[key] for key in before} == before
    assert upgraded.run("ledger", "verify")


@pytest.mark.parametrize(("number", "version"), [(24, "1"), (52, "2")])
def test_its_models_go_on_under_other_libraries_by_what_they_scored(
    upgraded: Upgraded, number: int, version: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ports = upgraded.open(PERENNIAL_HOME=str(tmp_path), PERENNIAL_LAKE_URL=str(upgraded.root / "lake"))
    spec = load_use_case(upgraded.root / "use_cases" / "parcels").spec
    digest = upgraded.told["history"][day(number)][0]["model_digest"]
    monkeypatch.setattr(libraries, "installed", lambda: {**dict.fromkeys(libraries.LIBRARIES, "99.1")})
    with pytest.raises(NothingKept, match=r"here: 99\.1"):
        ports.registry.load("parcels", version, digest)
    assert load_model(spec, version, digest, ports).version == version
    example = from_file(ports.registry.attached("parcels", version, EXAMPLE) or b"")
    assert example.column_names == ["sent_at", "weight", "service", PREDICTION]
    assert example.num_rows == TRIED_ROWS


@pytest.mark.parametrize("number", REPRODUCED)
def test_i7_its_predictions_and_measurements_come_out_the_same(upgraded: Upgraded, number: int) -> None:
    again = upgraded.json("reproduce", "parcels", "--window", day(number))
    assert [each["recorded"] for each in again] == [
        each["recorded"] for each in upgraded.told["reproduced"][day(number)]
    ]
    assert [each["same"] for each in again] == [True] * len(again)
    assert again[0]["what"].endswith("rows that passed version 1 of the checks")


def test_everything_that_reads_reads_what_it_wrote(upgraded: Upgraded) -> None:
    one, many = ("parcels", "--window", day(QUARANTINED)), ("parcels", "--from", day(24), "--to", day(33))
    for command in ("validation", "drift", "history", "preview"):
        assert upgraded.run(command, *one)
    for command in ("drift", "performance", "preview"):
        assert upgraded.run(command, *many)
    assert "version 1 of Perennial's checks" in upgraded.run("validation", *one)
    assert "2" in upgraded.run("quarantine", "list", *many)
    assert upgraded.run("status")
    assert upgraded.run("models", "parcels")
    assert upgraded.run("explain", "parcels", "--entity", "p52003")
    assert upgraded.run("metrics")
    assert upgraded.run("reconcile", "parcels")
    assert upgraded.run("maintain", "parcels")
    assert upgraded.run("rollout", "parcels")
    assert upgraded.run("suggest-expectations", "parcels", "--from", day(24), "--to", day(33))


def test_a_next_window_is_scored_by_the_model_that_0_1_0_trained(
    upgraded: Upgraded, next_window: dict[str, Any]
) -> None:
    assert next_window["scored"]["model_version"] == "2"
    batch = upgraded.ports.ledger.latest_batch("parcels", window(53))
    assert batch is not None
    assert batch.model_digest == upgraded.told["history"][day(52)][0]["model_digest"]
    for number in (24, QUARANTINED, 52):  # and nothing that was scored before has changed
        assert [each.revision for each in upgraded.ports.ledger.batches("parcels", window(number))] == [1]


@pytest.mark.usefixtures("next_window")
def test_its_published_rows_keep_what_they_say_and_the_next_ones_say_it_once(upgraded: Upgraded) -> None:
    batches = {n: upgraded.ports.ledger.latest_batch("parcels", window(n)) for n in (52, 53)}
    said = {n: (b.model_digest, b.snapshot_digest, b.run_id) for n, b in batches.items() if b}
    assert upgraded.published("predictions", 52) == [said[52]]
    assert upgraded.published("predictions", 53) == [(None, None, None)]
    assert [upgraded.published("provenance", n) for n in (52, 53)] == [[said[52]], [said[53]]]
    for number, batch in batches.items():
        assert batch is not None
        assert compare_stores(batch, upgraded.ports).published_agrees, number


def test_i2_a_window_is_validated_again_under_a_verdict_of_its_own(upgraded: Upgraded) -> None:
    chosen = ("parcels", "--window", day(QUARANTINED))
    with pytest.raises(NotValidated, match="perennial validate parcels"):
        upgraded.run("score", *chosen)
    upgraded.run("validate", *chosen)
    verdicts = upgraded.ports.ledger.validations("parcels", window(QUARANTINED))
    assert [checks_of(each) for each in verdicts] == [1, versions.CHECKS_VERSION]
    assert [each.rows_quarantined for each in verdicts] == [2, 2]
    (scored,) = upgraded.json("score", *chosen)
    assert (scored["revision"], scored["rows"], scored["model_version"]) == (2, 58, "1")
    digests = [each.digest for each in upgraded.ports.ledger.batches("parcels", window(QUARANTINED))]
    assert len(digests) == 2
    assert len(set(digests)) == 1


@pytest.mark.usefixtures("next_window")
def test_the_model_of_before_is_put_back_and_beaten_by_one_of_today(upgraded: Upgraded) -> None:
    upgraded.run("rollback", "parcels", "1", "--reason", "to see that it works")
    (scored,) = upgraded.json("run", "parcels", "--window", day(54))
    assert scored["scored"]["model_version"] == "1"
    judged, deployed = upgraded.json("retrain", "parcels", "--as-of", day(56), "--reason", "after the upgrade")
    assert judged["action"] == "promote"
    assert deployed["model_version"] == "3"
    upgraded.run("rollback", "parcels", "2", "--reason", "back to 0.1.0's")
    assert upgraded.ports.registry.alias("parcels", "champion") == "2"
    assert upgraded.run("ledger", "verify")
