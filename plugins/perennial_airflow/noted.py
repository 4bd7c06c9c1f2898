"""What a task did, or why it failed, is left for the run's note."""

import functools
import logging
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from airflow.sdk.exceptions import AirflowSkipException

from perennial.log_context import about
from perennial.spec.load import LoadedUseCase
from perennial_airflow.ingest import StillToCome
from perennial_airflow.note import FAILED, NOTHING, Line, clause
from perennial_airflow.run import Extra, Run

log = logging.getLogger(__name__)

Given = ParamSpec("Given")
Result = TypeVar("Result")
Work = Callable[Concatenate[LoadedUseCase, Run, Given], Result]


def noted(
    line_of: Callable[[LoadedUseCase, Any], Line],
    *,
    tell_skips: bool = False,
    extra_of: Callable[[LoadedUseCase, Any], Extra] | None = None,
) -> Callable[[Work[Given, Result]], Work[Given, Result]]:
    """Leave `line_of` the task's result for the note of its run, and an error's text before it is raised.

    What is logged meanwhile is about the use case and the run.

    That a task is skipped is said only with `tell_skips`: ordinarily another task of the run says why. `extra_of` says
    of the result what the events of the task's assets tell.
    """

    def decorate(work: Work[Given, Result]) -> Work[Given, Result]:
        @functools.wraps(work)
        def doing(use_case: LoadedUseCase, run: Run, /, *args: Given.args, **kwargs: Given.kwargs) -> Result:
            with about(use_case=use_case.name, run=run.name):
                return done(use_case, run, *args, **kwargs)

        def done(use_case: LoadedUseCase, run: Run, *args: Given.args, **kwargs: Given.kwargs) -> Result:
            try:
                result = work(use_case, run, *args, **kwargs)
            except StillToCome:
                raise
            except AirflowSkipException as skip:
                if tell_skips:
                    leave(run, Line(then=clause(str(skip))))
                raise
            except Exception as error:
                leave(run, Line(first=f"{FAILED} {_task(work.__name__, use_case, run)}: {clause(_text(error))}"))
                raise
            _leave(run, lambda: line_of(use_case, result))
            if extra_of is not None:
                _tell(run, lambda: extra_of(use_case, result))
            from perennial_airflow import lineage  # the lake's port, too heavy for a DAG file

            lineage.leave(work.__name__, use_case, result)
            return result

        return doing

    return decorate


def leave(run: Run, line: Line) -> None:
    """Leave a line for the note of the run. Where Airflow does not take it, the task goes on without."""
    _leave(run, lambda: line)


def _leave(run: Run, said: Callable[[], Line]) -> None:
    """A task that has done its work must not fail for a note: an error is logged, and the note lacks a line."""
    try:
        line = said()
        if line != NOTHING:
            run.leave(line)
    except Exception:
        log.exception("The note of %s will lack this task's line. The task's own work is not affected.", run.name)


def _tell(run: Run, said: Callable[[], Extra]) -> None:
    """As with a note: the data is written, and an event that says less must not fail the task."""
    try:
        run.tell(said())
    except Exception:
        log.exception("The asset's event of %s will say nothing about the data. The data itself is written.", run.name)


def _task(name: str, use_case: LoadedUseCase, run: Run) -> str:
    """The task's name; in a run that is about several use cases, with the one that it works for."""
    return name if run.name.startswith(f"{use_case.name}.") else f"{use_case.name}.{name}"


def _text(error: Exception) -> str:
    """What went wrong. The outcome of a domain error starts with its name already (see `outcomes`)."""
    return str(error) if type(error).__module__.startswith("airflow.") else f"{type(error).__name__}: {error}"
