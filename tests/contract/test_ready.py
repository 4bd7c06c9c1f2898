"""What says that a window is complete: a query, a file, an object; each asked of a real server."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from moto.server import ThreadedMotoServer
from tests.contract.test_sources import aws_uri, client

from perennial.errors import EmptyWindow, InvalidQuery, NotReady
from perennial.sources.connections import EnvironmentConnections
from perennial.sources.factory import source_of
from perennial.sources.ready import missing
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.spec.models import UseCase
from perennial.window import Window

START = datetime(2013, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=1))
LONG = Window(START, START + timedelta(days=2))
FILES = {"type": "files", "path": "data/%Y", "pattern": "%m-%d.csv", "format": "csv"}
S3 = {"type": "s3", "connection": "store", "bucket": "loads", "prefix": "flights/%Y/part-", "format": "csv"}
SQL = {"type": "postgres", "connection": "shop", "query": "source.sql", "ready": {"sql": "loaded.sql"}}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    client(endpoint).create_bucket(Bucket="loads")
    yield endpoint
    server.stop()


@pytest.fixture
def base(repository: Path) -> LoadedUseCase:
    return load_use_case(repository / "include" / "use_cases" / "flight_delays")


def with_source(base: LoadedUseCase, folder: Path, source: dict[str, Any], sql: str = "") -> LoadedUseCase:
    values = base.spec.model_dump(mode="json")
    values |= {"source": source, "schedule": values["schedule"] | {"deadline": "6h"}}
    return replace(
        base, spec=UseCase.model_validate(values), folder=folder, queries={"loaded.sql": sql, "source.sql": ""}
    )


def asked(use_case: LoadedUseCase, window: Window = WINDOW, **connections: str) -> str | None:
    known = EnvironmentConnections({f"AIRFLOW_CONN_{name.upper()}": url for name, url in connections.items()})
    spec = use_case.spec
    return missing(use_case, window, window.end, source_of(use_case, spec.source, known), known)


@pytest.mark.parametrize("marker", ["%m-%d.done", "%m-%d.*", "_[DS]%d"])
def test_a_marker_beside_files(base: LoadedUseCase, tmp_path: Path, marker: str) -> None:
    use_case = with_source(base, tmp_path, FILES | {"ready": {"marker": marker}})
    assert asked(use_case) == f"there is no data/2013/{START.strftime(marker)} yet"
    (tmp_path / "data" / "2013").mkdir(parents=True)
    (tmp_path / "data" / "2013" / ("_S01" if marker.startswith("_") else "03-01.done")).touch()
    assert asked(use_case) is None
    assert asked(use_case, LONG) == f"there is no data/2013/{(START + timedelta(days=1)).strftime(marker)} yet"


@pytest.mark.parametrize("marker", ["_SUCCESS", "_SUC*"])
def test_a_marker_beside_objects(base: LoadedUseCase, tmp_path: Path, s3: str, marker: str) -> None:
    year = 2013 if "*" in marker else 2014
    window = Window(START.replace(year=year), START.replace(year=year) + timedelta(days=1))
    use_case = with_source(base, tmp_path, S3 | {"ready": {"marker": marker}})
    assert asked(use_case, window, store=aws_uri(s3)) == f"there is no s3://loads/flights/{year}/{marker} yet"
    client(s3).put_object(Bucket="loads", Key=f"flights/{year}/_SUCCESS", Body=b"")
    assert asked(use_case, window, store=aws_uri(s3)) is None


def test_a_query(base: LoadedUseCase, tmp_path: Path, database_url: str) -> None:
    sql = "SELECT bool_or(done_until >= :end) FROM loads WHERE done_until <= :as_of"
    use_case = with_source(base, tmp_path, SQL, sql)
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE loads (done_until timestamptz)")
        connection.commit()
        assert asked(use_case, shop=database_url) == "loaded.sql does not answer true yet"
        cursor.execute("INSERT INTO loads VALUES (%s)", (WINDOW.start,))
        connection.commit()
        assert asked(use_case, shop=database_url) == "loaded.sql does not answer true yet"
        cursor.execute("INSERT INTO loads VALUES (%s)", (WINDOW.end,))
    connection.close()
    assert asked(use_case, shop=database_url) is None


@pytest.mark.parametrize("sql", ["SELECT 7", "SELECT true, true", "SELECT true WHERE false", "SELECT 'yes'"])
def test_a_query_that_answers_something_else_is_refused(
    base: LoadedUseCase, tmp_path: Path, database_url: str, sql: str
) -> None:
    with pytest.raises(InvalidQuery, match="one row of one column that is true or false"):
        asked(with_source(base, tmp_path, SQL, sql), shop=database_url)


def test_where_the_spec_says_nothing_nothing_is_missing(base: LoadedUseCase, tmp_path: Path) -> None:
    assert asked(with_source(base, tmp_path, FILES)) is None
    assert EmptyWindow.__base__ is NotReady.__base__
