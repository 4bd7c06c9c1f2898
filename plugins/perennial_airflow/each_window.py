"""Window jobs over the windows of a run, in order."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from perennial.encoding import as_json, from_json
from perennial.log_context import about
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial_airflow.outcomes import airflow_outcomes
from perennial_airflow.xcom import Json

log = logging.getLogger(__name__)


def each_window(use_case: LoadedUseCase, windows: Iterable[Window], work: Callable[[Window], Any]) -> list[Json]:
    """The results of `work`, as JSON, for every window that was not skipped.

    The first window that fails ends the task; those before it are done, and doing them again changes nothing.
    Errors: `AirflowSkipException` when every window was skipped.
    """
    results: list[Json] = []
    skipped: list[AirflowSkipException] = []
    for window in windows:
        try:
            with about(window=window.key), airflow_outcomes(use_case, window):
                results.append(as_json(work(window)))
        except AirflowSkipException as skip:
            log.info("%s", skip)
            skipped.append(skip)
    if skipped and not results:
        raise skipped[-1]
    return results


def windows_in(results: Iterable[Json]) -> list[Window]:
    """The windows that the task before has results for."""
    return [from_json(Window, result["window"]) for result in results]
