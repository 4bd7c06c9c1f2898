"""Airflow's API server with each of the auth managers, one of each for a file of tests."""

import pytest
from tests.pages.server import FAB, SIMPLE, PagesServer, start
from tests.servers import Run, WatchedPostgres


@pytest.fixture(scope="module")
def simple(run: Run, postgres: WatchedPostgres, shared_ledger_url: str) -> PagesServer:
    """Roles without a difference by DAG: Airflow's auth manager for development."""
    return start(run, postgres, SIMPLE, shared_ledger_url)


@pytest.fixture(scope="module")
def fab(run: Run, postgres: WatchedPostgres, shared_ledger_url: str) -> PagesServer:
    """Roles that differ by DAG: the auth manager for production."""
    return start(run, postgres, FAB, shared_ledger_url)
