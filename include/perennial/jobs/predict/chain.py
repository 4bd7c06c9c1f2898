"""Predict in one go, without Airflow: ingest, validate, score and monitor, one window after the other."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from perennial import clock
from perennial.errors import EmptyWindow, NoModel, PredictionsNotFinite, SourceRejected, ValidationFailed
from perennial.jobs.predict import ingest, monitor, score, select_for_review, shadow, validate
from perennial.jobs.predict.ingest import Ingested
from perennial.jobs.predict.monitor import Monitored
from perennial.jobs.predict.score import Scored
from perennial.jobs.predict.validate import Validated
from perennial.log_context import about
from perennial.ports import Ports
from perennial.records.model_choice import ModelChoice
from perennial.spec.load import LoadedUseCase
from perennial.spec.rollout import has_stages
from perennial.window import Window


class Step(StrEnum):
    """The steps of a window, in their order."""

    INGEST = "ingest"
    VALIDATE = "validate"
    SCORE = "score"
    MONITOR = "monitor"


@dataclass(frozen=True)
class Stopped:
    """At which step a window stopped, and why. An `empty` window is an ordinary one: the spec allows it."""

    step: Step
    error: str
    reason: str
    empty: bool = False


@dataclass(frozen=True)
class Predicted:
    """What each step made of a window; None for the steps that were not reached.

    `no_shadow` says why a challenger in roll-out could not predict the window beside its champion; None where it did,
    or where there is none.
    """

    window: Window
    ingested: Ingested | None = None
    validated: Validated | None = None
    scored: Scored | None = None
    monitored: Monitored | None = None
    stopped: Stopped | None = None
    no_shadow: str | None = None


OnStep = Callable[[Step, Predicted], None]


def run(
    use_case: LoadedUseCase,
    windows: Iterable[Window],
    ports: Ports,
    run_id: str,
    *,
    model: ModelChoice,
    on_step: OnStep,
) -> list[Predicted]:
    """Take every window through all steps; `on_step` hears what came of each, as soon as it is known.

    Data that is refused, a failed validation, numbers that the model can't compute with, or no model in force end the
    way of their window, not that of the others.
    Errors: all others of the steps, with what was done before them on record.
    """
    found = []
    for window in windows:
        with about(window=window.key):
            found.append(_predicted(use_case, window, ports, run_id, model, on_step))
    return found


def _predicted(
    use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str, model: ModelChoice, on_step: OnStep
) -> Predicted:
    found, step = Predicted(window), Step.INGEST
    try:
        found = replace(found, ingested=ingest.run(use_case, window, ports, run_id))
        on_step(step, found)
        step = Step.VALIDATE
        found = replace(found, validated=validate.run(use_case, window, ports, run_id))
        on_step(step, found)
        step = Step.SCORE
        found = replace(found, scored=score.run(use_case, window, ports, run_id, model=model))
        if has_stages(use_case.spec.rollout):
            found = replace(found, no_shadow=shadow.beside(use_case, window, ports, run_id))
        on_step(step, found)
        select_for_review.run(use_case, window, ports, run_id)
        step = Step.MONITOR
        found = replace(found, monitored=monitor.run(use_case, window, ports, run_id))
        on_step(step, found)
    except (SourceRejected, ValidationFailed, NoModel, PredictionsNotFinite) as error:
        empty = isinstance(error, EmptyWindow) and use_case.spec.allow_empty
        deadline = use_case.spec.deadline(window)
        if empty and (deadline is None or clock.now() >= deadline):
            ingest.note_empty(use_case, window, ports, run_id)
        found = replace(found, stopped=Stopped(step, type(error).__name__, str(error), empty))
        on_step(step, found)
    return found
