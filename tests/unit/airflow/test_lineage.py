"""The names that data has in lineage, and that a task never fails for it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.openlineage.extractors import OperatorLineage
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import World, make_world

from perennial.encoding import as_json
from perennial.jobs.predict import score
from perennial.lake.memory import InMemoryLake
from perennial.records.model_choice import ModelChoice
from perennial.settings import Settings
from perennial.spec.sources import PostgresSource, S3Source
from perennial_airflow import lineage
from perennial_airflow.lineage import DataSet, Lineage, Places
from perennial_airflow.openlineage import PerennialExtractor, as_openlineage

QUERY = """
SELECT f.a, w.temp FROM flights AS f LEFT JOIN other.weather AS w ON w.at = f.at
WHERE f.at >= :start AND f.at < :end AND w.seen <= :as_of
"""
SETTINGS = Settings.from_environment({"PERENNIAL_MLFLOW_URL": "http://ann:secret@models.example:5000"})


class Connections:
    """Connections whose addresses hold passwords."""

    def url(self, name: str) -> str:
        return f"postgresql://ann:secret@db.example:6432/{name}?sslmode=require"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = make_world(tmp_path_factory.mktemp("lineage"))
    first_model(world)
    predict(world, 30)
    return world


@pytest.fixture
def places(world: World) -> Places:
    return Places(world.ports, SETTINGS, Connections())


class At(InMemoryLake):
    """A lake that says that it lies there."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def location(self, table: str) -> str:
        return f"{self._url}/{table}"


@pytest.mark.parametrize(
    ("url", "namespace", "name"),
    [
        ("/srv/lake", "file", "/srv/lake/raw/parcels"),
        ("file:///srv/lake", "file", "/srv/lake/raw/parcels"),
        ("s3://bucket/deep/lake", "s3://bucket", "deep/lake/raw/parcels"),
    ],
)
def test_tables_of_the_lake_are_named_by_their_store(world: World, url: str, namespace: str, name: str) -> None:
    found = Places(replace(world.ports, lake=At(url)), SETTINGS, Connections()).lake("raw/parcels", 7)
    assert (found.namespace, found.name, found.version) == (namespace, name, "7")


def test_no_password_is_in_a_name(world: World, places: Places) -> None:
    found = lineage.scored(world.use_case, [scored(world)], places)
    for each in (*found.inputs, *found.outputs):
        assert "secret" not in each.namespace + each.name
        assert "ann" not in each.namespace + each.name
    published = found.outputs[-1]
    assert (published.namespace, published.name) == (
        "postgres://db.example:6432",
        "perennial_published.perennial.predictions_parcels",
    )
    assert found.inputs[-1].namespace == "mlflow://models.example:5000"


def scored(world: World) -> dict[str, Any]:
    done = score.run(world.use_case, world.day(30), world.ports, "r", model=ModelChoice.parse("as_was"))
    found: dict[str, Any] = as_json(done)
    return found


def test_a_window_is_scored_from_its_snapshot(world: World, places: Places) -> None:
    found = lineage.scored(world.use_case, [scored(world)], places)
    snapshot = world.ports.ledger.latest_snapshot("parcels", world.day(30))
    batch = world.ports.ledger.latest_batch("parcels", world.day(30))
    assert snapshot
    assert batch
    raw, model = found.inputs
    assert (raw.version, raw.digest, raw.windows) == (str(snapshot.version), snapshot.digest, (world.day(30).key,))
    assert (model.version, model.digest) == ("1", batch.model_digest)
    predictions = found.outputs[0]
    assert (predictions.version, predictions.digest, predictions.rows) == (str(batch.version), batch.digest, 180)


def test_the_tables_of_a_query_are_what_is_read(world: World, places: Places) -> None:
    asked = PostgresSource(type="postgres", connection="shop", query="source.sql")
    use_case = replace(world.use_case, queries={"source.sql": QUERY})
    source = places.source(use_case, asked)
    told = as_openlineage(Lineage((source,), ()))
    assert [(each.namespace, each.name) for each in told.inputs] == [
        ("postgres://db.example:6432", "shop.other.weather"),
        ("postgres://db.example:6432", "shop.public.flights"),
    ]


def test_a_query_that_nobody_understands_is_named_by_its_file(world: World, places: Places) -> None:
    use_case = replace(world.use_case, queries={"source.sql": "SELECT FROM WHERE (("})
    source = places.source(use_case, PostgresSource(type="postgres", connection="shop", query="source.sql"))
    (told,) = as_openlineage(Lineage((source,), ())).inputs
    assert told.name == "shop.source.sql"


def test_other_sources_have_their_places(world: World, places: Places) -> None:
    bucket = S3Source(type="s3", connection="aws", bucket="b", prefix="day=%Y", format="parquet")
    assert places.source(world.use_case, bucket) == DataSet("s3://b", "day=%Y")
    assert places.source(world.use_case, world.use_case.spec.source) == DataSet("file", "data/*")


def test_nothing_is_looked_up_unless_the_provider_asks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perennial.wiring.open_ports", lambda *_: pytest.fail("it was looked up"))
    lineage.leave("score", world.use_case, [scored(world)])
    assert lineage.take() is None


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__EXTRACTORS", f"others.Extractor;{lineage.EXTRACTOR}")


def test_what_a_task_leaves_is_told_once(
    world: World, places: Places, monkeypatch: pytest.MonkeyPatch, asked_for: None
) -> None:
    monkeypatch.setattr("perennial.wiring.open_ports", lambda *_: world.ports)
    monkeypatch.setenv("PERENNIAL_MLFLOW_URL", "http://models.example:5000")
    monkeypatch.setattr("perennial_airflow.connections.AirflowConnections.url", lambda _, name: Connections().url(name))
    lineage.leave("score", world.use_case, [scored(world)])
    extractor = PerennialExtractor(SimpleNamespace(task_id="score"))
    assert extractor.extract() == OperatorLineage()  # before the task has run
    assert len(extractor.extract_on_complete(None).outputs) == 2
    assert extractor.extract_on_complete(None) == OperatorLineage()  # a task of somebody else


def test_what_an_earlier_task_left_is_not_told_of_a_later_one(world: World, asked_for: None) -> None:
    lineage._left.append(Lineage((), ()))
    lineage.leave("show", world.use_case, {})  # has no lineage of its own
    assert lineage.take() is None


def test_a_task_does_not_fail_for_its_lineage(
    world: World, monkeypatch: pytest.MonkeyPatch, asked_for: None, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise OSError("no such host")

    monkeypatch.setattr("perennial.wiring.open_ports", broken)
    lineage.leave("score", world.use_case, [scored(world)])
    assert lineage.take() is None
    assert "The lineage of score will be missing" in caplog.text
