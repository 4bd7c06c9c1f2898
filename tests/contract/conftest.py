"""Addresses of the run's real servers, as the contract suites use them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.servers import Run, new_bucket

from perennial.lake.storage import storage_options


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
