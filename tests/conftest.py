"""Fixtures that several folders of tests share: the real servers of the run, and databases of a test's own."""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Two workers, and Airflow's tasks beside them, share the machine: threads that wait for each other actively would
# take from the others what they need themselves. To be set before the first library that starts threads is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# An Airflow of the tests' own, with our plugins: it reads these when it is imported, by whichever test is read first.
if "AIRFLOW_HOME" not in os.environ:  # workers of xdist have it from the process that started them
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix=f"airflow-{os.getpid()}-")
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "false")
os.environ.setdefault("AIRFLOW__CORE__PLUGINS_FOLDER", str(Path(__file__).parents[1] / "plugins"))

from tests.failures import FailedPreparations
from tests.order import in_order
from tests.servers import Run, WatchedPostgres, ledger_template, shared_mlflow, shared_postgres, shared_s3, watched_run

# How long an example takes says how busy the machine is.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

RUN = pytest.StashKey[Run]()
OPEN = pytest.StashKey[ExitStack]()
FOLDER = "run_folder"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(FailedPreparations())
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        config.stash[RUN] = Run(Path(worker[FOLDER]))
        return
    config.stash[OPEN] = ExitStack()
    # Not below pytest's own folder: every pytest that starts closes that to other accounts, PostgreSQL's among them.
    folder = Path(tempfile.mkdtemp(prefix="perennial-tests-"))
    airflow = Path(os.environ["AIRFLOW_HOME"])
    own = [airflow] if airflow.name.startswith(f"airflow-{os.getpid()}-") else []
    config.stash[RUN] = config.stash[OPEN].enter_context(watched_run(folder, remove=[folder, *own]))


def pytest_unconfigure(config: pytest.Config) -> None:
    if OPEN in config.stash:
        config.stash[OPEN].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the run's servers are."""
    node.workerinput[FOLDER] = str(node.config.stash[RUN].folder)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    in_order(items)


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Run:
    """This run of the tests, which ends the processes that it is told of."""
    return pytestconfig.stash[RUN]


@pytest.fixture(scope="session")
def postgres(run: Run) -> WatchedPostgres:
    """The run's PostgreSQL. Others use it too: leave its settings alone, and take a database of your own."""
    return shared_postgres(run)


@pytest.fixture
def database_url(postgres: WatchedPostgres) -> str:
    """The URI of an empty database of the test's own."""
    return postgres.url(postgres.new_database("test"))


@pytest.fixture(scope="session")
def ledger_database(run: Run, postgres: WatchedPostgres) -> str:
    """The name of a database with an empty ledger, as a template for others."""
    return ledger_template(run, postgres)


@pytest.fixture
def ledger_url(postgres: WatchedPostgres, ledger_database: str) -> str:
    """The URI of a database of the test's own with an empty ledger."""
    return postgres.url(postgres.new_database("ledger", ledger_database))


@pytest.fixture(scope="module")
def shared_ledger_url(postgres: WatchedPostgres, ledger_database: str) -> str:
    """The URI of a database with a ledger that the tests of a module share."""
    return postgres.url(postgres.new_database("ledger", ledger_database))


@pytest.fixture(scope="session")
def mlflow_url(run: Run, postgres: WatchedPostgres) -> str:
    """The URL of the run's MLflow server. Others use it too: take a use case of your own."""
    return shared_mlflow(run, postgres)


@pytest.fixture(scope="session")
def s3_endpoint(run: Run) -> str:
    """The endpoint of the run's S3 server. Others use it too: take a bucket of your own."""
    return shared_s3(run)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return Path(__file__).parent.parent
