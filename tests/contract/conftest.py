"""What the contract suites share: the addresses of the run's real servers, and both ledgers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.contract.commits import OpenedLake
from tests.servers import Run, new_bucket
from tests.waiting import PATIENCE

from perennial import clock
from perennial.lake.delta import DeltaLake
from perennial.lake.memory import InMemoryLake
from perennial.lake.port import Lake
from perennial.lake.storage import storage_options
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.ledger.port import Ledger
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.published.memory import InMemoryPublished
from perennial.published.port import PublishedPredictions
from perennial.published.postgres import PostgresPublished

FOLDERS = {"folder": DeltaLake, "opened": OpenedLake}


@pytest.fixture(scope="session")
def mlflow_artifacts(run: Run, mlflow_url: str) -> Path:
    """Where the run's MLflow server keeps artefacts."""
    return run.folder / "mlflow" / "artifacts"


@pytest.fixture(scope="session")
def s3_options(s3_endpoint: str) -> dict[str, str]:
    """How Delta tables and stores of bytes reach the run's S3 server."""
    return storage_options(f"aws://key:secret@/?endpoint_url={s3_endpoint}&region_name=us-east-1")


@pytest.fixture(scope="session")
def make_bucket(s3_endpoint: str) -> Callable[[str], str]:
    """Makes an empty bucket whose name begins with a word, and returns its name."""
    return lambda prefix: new_bucket(s3_endpoint, prefix)


@pytest.fixture(scope="session")
def bucket(make_bucket: Callable[[str], str]) -> str:
    """A bucket that tests share."""
    return make_bucket("shared")


@pytest.fixture(params=["memory", "folder", "opened", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """An empty lake of the test's own: in memory, of Delta tables in a folder, and of Delta tables on S3."""
    if request.param == "memory":
        return InMemoryLake()
    if request.param != "s3":
        return FOLDERS[request.param](str(tmp_path / "lake"), {})
    return DeltaLake(f"s3://{request.getfixturevalue('bucket')}/{uuid4().hex}", request.getfixturevalue("s3_options"))


@pytest.fixture(params=["folder", "opened"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> DeltaLake:
    """A lake of Delta tables in the test's folder; also one that has deltalake open them always."""
    return FOLDERS[request.param](str(tmp_path), {})


@pytest.fixture(params=["memory", "postgres"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """One in memory, and one in a real PostgreSQL."""
    if request.param == "memory":
        yield InMemoryLedger(clock.now, PATIENCE)
        return
    opened = PostgresLedger(request.getfixturevalue("shared_ledger_url"), clock.now, PATIENCE)
    yield opened
    opened.close()


@pytest.fixture(params=["memory", "postgres"])
def published(request: pytest.FixtureRequest) -> PublishedPredictions:
    """One in memory, and one in a database of the test's own."""
    if request.param == "memory":
        return InMemoryPublished()
    return PostgresPublished(request.getfixturevalue("database_url"))


@pytest.fixture
def use_case() -> str:
    """A name of the test's own: tests share the database."""
    return f"flights_{uuid4().hex[:8]}"
