"""Where domain errors become Airflow outcomes: the only place.

| error | outcome |
| --- | --- |
| `EmptyWindow` or `NotReady`, before the window's deadline | `StillToCome`: the task `ingest` is deferred |
| `EmptyWindow`, and the spec allows empty windows | the task is skipped, and what follows it too |
| any other `PermanentError` | the task fails at once: a retry would fail again |
| `TransientError` | passes through: Airflow retries while the task has retries left |
| anything else | passes through |
"""

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from perennial.errors import EmptyWindow, PermanentError, TransientError
from perennial.spec.load import LoadedUseCase
from perennial.window import Window


@contextmanager
def airflow_outcomes(use_case: LoadedUseCase | None, window: Window | None = None) -> Iterator[None]:
    """Translate what is raised inside; with `window`, every message names it. None is for what is of no use case."""
    try:
        yield
    except EmptyWindow as error:
        if use_case is not None and use_case.spec.allow_empty:
            raise AirflowSkipException(_message(error, window)) from error
        raise AirflowFailException(_message(error, window)) from error
    except PermanentError as error:
        raise AirflowFailException(_message(error, window)) from error
    except TransientError as error:
        if window is not None:
            error.add_note(f"This happened in the window {window}.")
        raise


def _message(error: PermanentError, window: Window | None) -> str:
    text = str(error)
    where = f"{window}: " if window is not None and window.key not in text else ""
    return f"{type(error).__name__}: {where}{text}"
