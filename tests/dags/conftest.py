"""The DAGs of the repository, with the plugins that they need loaded."""

import warnings
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.plugins_manager import ensure_plugins_loaded
from airflow.sdk import DAG

with warnings.catch_warnings(action="ignore"):  # its reader of .airflowignore uses a name that is deprecated
    ensure_plugins_loaded()


@pytest.fixture(scope="session")
def dags(repository: Path) -> dict[str, DAG]:
    """The DAGs of the use cases in the repository, read as Airflow reads them."""
    bag = DagBag(repository / "dags")
    assert not bag.import_errors
    return dict(bag.dags)
