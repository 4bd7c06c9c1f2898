"""A LocalExecutor whose workers are born with the heavy libraries already imported.

Airflow runs each task in a fork of a worker, and a worker is a fork of the scheduler. What the scheduler has
imported, every task has for nothing, in shared pages; what it has not, every task imports again.
`LocalExecutor` itself freezes the garbage collector around its forks, so that collections don't copy those pages.
"""

import importlib
import logging
import threading
import time

from airflow.executors.local_executor import LocalExecutor

log = logging.getLogger(__name__)

# Third parties only: our own modules must be read anew by each task. Nothing here may start a Python thread, because
# a thread does not survive a fork but the locks that it holds do (which is why polars is not among them).
PRELOADED = (
    "skops.io",  # first: it searches all modules that are loaded before it
    "airflow.dag_processing.dagbag",
    "airflow.providers.standard.decorators.python",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.providers.standard.triggers.temporal",
    "airflow.sdk.definitions.decorators.task_group",
    "airflow.sdk.execution_time.task_runner",
    "boto3",
    "datasketches",
    "deltalake",
    "great_expectations",
    "mlflow",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "pandas",
    "psycopg2.extras",
    "psycopg2.sql",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.pipeline",
    "slugify",
    "sqlalchemy.dialects.postgresql.psycopg2",
)


class PreloadedLocalExecutor(LocalExecutor):
    """`[core] executor = perennial_airflow.executor.PreloadedLocalExecutor`."""

    def start(self) -> None:
        """Import what tasks need, then fork the workers. Workers that are spawned would inherit nothing."""
        if self.is_mp_using_fork:
            preload()
        super().start()


def _rehearse() -> None:
    """Do what makes the libraries search all installed packages the first time, and remember what they found.

    The first asset that a DAG names makes Airflow load every provider's kinds of addresses; the first data frame that
    scikit-learn sees makes it look for plugins.
    """
    import pandas
    from airflow.sdk import Asset
    from sklearn.utils.validation import check_array

    Asset("rehearsal", uri="s3://rehearsal/rehearsal")
    check_array(pandas.DataFrame({"number": [0.0], "text": ["a"]}), dtype=None)


def preload() -> None:
    """Import `PRELOADED` into this process, and say so if threads run that a fork would cut off."""
    started = time.perf_counter()
    for name in PRELOADED:
        importlib.import_module(name)
    _rehearse()
    log.info("%d modules preloaded in %.1f s", len(PRELOADED), time.perf_counter() - started)
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        log.warning(
            "Threads run in the scheduler before its workers are forked: %s. A lock that one of them holds stays "
            "locked in every task. Find what started them, and keep it out of the scheduler.",
            ", ".join(others),
        )
