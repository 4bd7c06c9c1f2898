"""A LocalExecutor whose workers are born with the heavy libraries and our own modules already imported.

Airflow runs each task in a fork of a worker, and a worker is a fork of the scheduler. What the scheduler has
imported, every task has for nothing, in shared pages; what it has not, every task imports again.
`LocalExecutor` itself freezes the garbage collector around its forks, so that collections don't copy those pages.

A task must still run the code that lies on the disk when it starts. So each fork looks whether a file of ours has
changed, which takes it a millisecond, and if so forgets our modules and imports them again.
"""

import importlib
import logging
import os
import pkgutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from airflow.executors.local_executor import LocalExecutor

import perennial
import perennial.jobs
import perennial_airflow

log = logging.getLogger(__name__)

OURS = (perennial, perennial_airflow)

# Nothing here may start a Python thread, because a thread does not survive a fork but the locks that it holds do
# (which is why polars is not among them).
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
    "encodings.utf_8_sig",
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
            files = OurFiles()
            preload()
            os.register_at_fork(after_in_child=files.forget_if_changed)
        super().start()


def _rehearse() -> None:
    """Do what makes the libraries search all installed packages the first time, and remember what they found.

    The first asset that a DAG names makes Airflow load every provider's kinds of addresses; the first data frame that
    scikit-learn sees makes it look for plugins; the first suite of Great Expectations builds its context; the first
    model that is stored, loaded and asked, and the first drift that is measured, have their own first times.
    """
    import numpy
    import pandas
    import pyarrow
    from airflow.sdk import Asset
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.utils.validation import check_array

    from perennial.drift.assess import assess
    from perennial.drift.reference import fit_reference
    from perennial.encoding import bytes_digest
    from perennial.modeling.artifact import dump, load
    from perennial.quality.suite import run_suite
    from perennial.spec.columns import Kind
    from perennial.spec.expectations import Expectation

    rows = pandas.DataFrame({"number": [0.0], "text": ["a"]})
    Asset("rehearsal", uri="s3://rehearsal/rehearsal")
    check_array(rows, dtype=None)
    run_suite([Expectation(type="expect_column_values_to_not_be_null", kwargs={"column": "number"})], rows)
    model = dump(make_pipeline(OneHotEncoder(), LogisticRegression()).fit([["a"], ["b"]] * 5, [0, 1] * 5))
    load(model, bytes_digest(model)).predict_proba([["a"]])
    random = numpy.random.default_rng(0)
    windows = [(str(n), pyarrow.table({"x": random.normal(size=60), "y": random.normal(size=60)})) for n in range(20)]
    reference = fit_reference(windows, {"x": Kind.NUMERIC, "y": Kind.NUMERIC}, {})
    assess(reference, windows[0][1], 0.05).to_json()


def preload() -> None:
    """Import what tasks use into this process, and say so if threads run that a fork would cut off."""
    started = time.perf_counter()
    for name in PRELOADED:
        importlib.import_module(name)
    for name in our_modules():
        importlib.import_module(name)
    _rehearse()
    log.info("Libraries and our own modules preloaded in %.1f s", time.perf_counter() - started)
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        log.warning(
            "Threads run in the scheduler before its workers are forked: %s. A lock that one of them holds stays "
            "locked in every task. Find what started them, and keep it out of the scheduler.",
            ", ".join(others),
        )


def our_modules() -> Iterator[str]:
    """What the tasks of all DAGs use: the DAGs, the tasks and every job, by their full names."""
    yield "perennial_airflow.dag_factory"
    yield "perennial_airflow.tasks"
    yield "perennial_airflow.upkeep_tasks"
    for module in pkgutil.walk_packages(perennial.jobs.__path__, "perennial.jobs."):
        yield module.name


class OurFiles:
    """The Python files of our packages, as they are when this is made."""

    def __init__(self) -> None:
        paths = [path for package in OURS for folder in package.__path__ for path in Path(folder).rglob("*.py")]
        self._seen = {path: _stamp(path) for path in paths}

    def forget_if_changed(self) -> None:
        """If one of the files has changed or is gone, take our modules out of `sys.modules`."""
        if all(_stamp(path) == stamp for path, stamp in self._seen.items()):
            return
        log.info("The code has changed since the scheduler started; this process reads it again.")
        names = [package.__name__ for package in OURS]
        for module in [name for name in sys.modules if name.partition(".")[0] in names]:
            del sys.modules[module]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size
