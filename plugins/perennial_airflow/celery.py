"""Celery workers whose pool is born with the heavy libraries and our own modules already imported.

`[celery] celery_config_options = perennial_airflow.celery.CONFIG`: every process that talks to the queue imports this
module, and only a worker sends the signal before it forks its pool. See `perennial_airflow.executor`.
"""

import gc
import os

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.signals import import_modules

CONFIG = dict(DEFAULT_CELERY_CONFIG)


@import_modules.connect  # type: ignore[untyped-decorator] # Celery has no types
def preload_before_the_fork(**_: object) -> None:
    """Import what tasks need, and keep the collector from copying the pages that the pool's processes share."""
    from perennial_airflow.executor import OurFiles, preload

    files = OurFiles()
    preload()
    os.register_at_fork(after_in_child=files.forget_if_changed)
    gc.freeze()
