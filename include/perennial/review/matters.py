"""What needs a person in a use case: what it is, what to do about it, and where that is done."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from perennial.performance.maturity import Maturity
from perennial.performance.standing import Standing
from perennial.review.airflow_state import AskingRun, DagState, FailedRun
from perennial.review.recent import Recent
from perennial.review.timeline import WindowState
from perennial.spec.models import UseCase
from perennial.verdict import Verdict
from perennial.window import Window, parse_instant
from perennial.wording import counted

NOTHING_FOLLOWS = (None, Maturity.ESTIMATED, Maturity.PARTIAL)  # and nothing will while nobody measures


class Urgency(StrEnum):
    """How much a use case needs a person, the most first."""

    ACT = "act"
    LOOK = "look"
    NEW = "new"
    FINE = "fine"
    ENDED = "ended"


class Place(StrEnum):
    """Where something is done or looked at: a page of ours, or one of Airflow's."""

    WINDOW = "window"
    BACKFILL = "backfill"
    DAG = "dag"
    RUN = "run"
    QUESTIONS = "questions"
    IMPORT_ERRORS = "import_errors"
    ROLLOUT = "rollout"
    GOING_BACK = "going-back"


class Concern(StrEnum):
    """What a matter is about."""

    BROKEN_FILE = "broken_file"
    QUESTIONS = "questions"
    RUN_FAILED = "run_failed"
    NO_MODEL = "no_model"
    WINDOWS_REFUSED = "windows_refused"
    WINDOWS_MISSING = "windows_missing"
    DRIFT = "drift"
    LABELS_LATE = "labels_late"
    PERFORMANCE = "performance"
    ROLLOUT_OVERDUE = "rollout_overdue"
    STANDBY_NOT_READY = "standby_not_ready"


MOST_SUBJECTS = 60  # of a matter, the last ones


@dataclass(frozen=True)
class Matter:
    """One thing that needs a person: what it is, what to do about it, and the place where that is done.

    `window` is the one that the report is of; a backfill goes from `first` to `last`, windows by their names in the
    grid; `dag_id`, `run_id` and `task_id` name what is Airflow's. `subjects` are the windows or runs that it is about,
    where there may be several, and `since` is when the first of them came about, where that is known.
    """

    urgency: Urgency
    what: str
    to_do: str
    place: Place
    window: Window | None = None
    first: str | None = None
    last: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    concern: Concern = field(kw_only=True)
    subjects: tuple[str, ...] = field(default=(), kw_only=True)
    since: datetime | None = field(default=None, kw_only=True)


def found(spec: UseCase, recent: Recent, dags: Mapping[str, DagState], now: datetime) -> list[Matter]:
    """What needs a person, the urgent first. `dags` are those of the use case, empty when Airflow was not asked."""
    order = list(Urgency)
    matters = [
        *_of_airflow(spec, recent, dags),
        *_of_windows(spec, recent, dags),
        *_of_labels(spec, recent, dags, now),
        *_of_rollout(spec, recent),
    ]
    return sorted(matters, key=lambda matter: order.index(matter.urgency))


def refused(windows: Sequence[WindowState]) -> list[WindowState]:
    """The windows that validation refused, so that they were not scored."""
    return [each for each in windows if each.validation is Verdict.FAIL and not each.scored]


def missing(recent: Recent) -> list[Window]:
    """The windows that should have been scored and were not, but for those that are known to be refused."""
    known = {each.window for each in refused(recent.windows)}
    return [window for window in recent.missing if window not in known]


def _of_airflow(spec: UseCase, recent: Recent, dags: Mapping[str, DagState]) -> Iterator[Matter]:
    broken = [dag_id for dag_id, state in dags.items() if state.broken]
    if broken:
        yield Matter(
            Urgency.ACT,
            f"Airflow can't read the file of {broken[0]}: it still uses what it read before.",
            "Airflow's first page shows the import error; fix the file.",
            Place.IMPORT_ERRORS,
            concern=Concern.BROKEN_FILE,
        )
    for dag_id, state in dags.items():
        if state.asking:
            yield _approval(dag_id, state.asking)
        elif state.waiting:
            verb = "waits" if state.waiting == 1 else "wait"
            yield Matter(
                Urgency.ACT,
                f"{counted(state.waiting, 'question')} of {dag_id} {verb} for an answer.",
                "Answer in Airflow; the run goes on then.",
                Place.QUESTIONS,
                dag_id=dag_id,
                concern=Concern.QUESTIONS,
            )
    yield from _failures(spec, recent, dags)


def _approval(dag_id: str, asking: AskingRun) -> Matter:
    return Matter(
        Urgency.ACT,
        "A new model waits for a person's approval.",
        "Compare it with the champion, then approve or reject it in Airflow, with a reason.",
        Place.QUESTIONS,
        dag_id=dag_id,
        run_id=asking.run_id,
        task_id=asking.tasks[-1],
        concern=Concern.QUESTIONS,
        subjects=tuple(f"{asking.run_id}/{task}" for task in asking.tasks),
    )


def _failures(spec: UseCase, recent: Recent, dags: Mapping[str, DagState]) -> Iterator[Matter]:
    """Runs that failed for another reason than that their window was refused or is missing, which are told as such."""
    refusals = {each.run_id for each in refused(recent.windows)}
    unscored = set(recent.missing)
    for dag_id, state in dags.items():
        told = [
            run
            for run in state.failed
            if f"{dag_id}/{run.run_id}" not in refusals
            and not (dag_id == f"{spec.name}.predict" and _interval(run) in unscored)
        ]
        if not told:
            continue
        others = state.failures - len(state.failed) + len(told) - 1
        more = f", and {counted(others, 'other')}" if others else ""
        yield Matter(
            Urgency.ACT,
            f"A run of {dag_id} failed{more}.",
            "Open the run and read the log of the task that failed; when the cause is fixed, clear the run.",
            Place.RUN,
            dag_id=dag_id,
            run_id=told[0].run_id,
            concern=Concern.RUN_FAILED,
            subjects=tuple(run.run_id for run in told),
            since=min((run.ended_at for run in told if run.ended_at is not None), default=None),
        )


def _interval(run: FailedRun) -> Window | None:
    return Window(run.start, run.end) if run.start and run.end and run.start < run.end else None


def _of_windows(spec: UseCase, recent: Recent, dags: Mapping[str, DagState]) -> Iterator[Matter]:
    retrain = f"{spec.name}.retrain"
    if recent.champion is None:
        paused = retrain in dags and dags[retrain].paused
        begin = f"Unpause {retrain} and start a run" if paused else f"Start a run of {retrain}"
        yield Matter(
            Urgency.NEW,
            "No model is in service, so nothing can be scored.",
            f"{begin}: it trains the first one.",
            Place.DAG,
            dag_id=retrain,
            concern=Concern.NO_MODEL,
        )
    unscored = refused(recent.windows)
    if unscored:
        yield Matter(
            Urgency.ACT,
            f"{counted(len(unscored), 'window')} failed validation and {_was(unscored)} not scored.",
            "Open the report, then correct the source and clear the run, or accept the rows.",
            Place.WINDOW,
            window=unscored[-1].window,
            concern=Concern.WINDOWS_REFUSED,
            subjects=_keys(each.window for each in unscored),
            since=unscored[0].recorded_at,
        )
    unread = missing(recent)
    if unread:
        yield _missing(spec, unread, dags)
    scored = [each for each in recent.windows if each.scored]
    if scored and scored[-1].drift is Verdict.FAIL:
        yield Matter(
            Urgency.LOOK,
            "The last window that was scored drifted from what the model considers normal.",
            "See which columns drifted; whether to retrain is decided by the evidence of several windows.",
            Place.WINDOW,
            window=scored[-1].window,
            concern=Concern.DRIFT,
            since=scored[-1].recorded_at,
        )


def _missing(spec: UseCase, missing: Sequence[Window], dags: Mapping[str, DagState]) -> Matter:
    predict = f"{spec.name}.predict"
    what = f"{counted(len(missing), 'window')} should have been scored and {_was(missing)} not"
    state = dags.get(predict)
    keys, since = _keys(missing), spec.deadline(missing[0]) or spec.due(missing[0])
    if state is not None and state.paused:
        return Matter(
            Urgency.ACT,
            f"{what}: {predict} is paused.",
            "Unpause it, or say that the use case has ended (schedule.end in use_case.yaml).",
            Place.DAG,
            dag_id=predict,
            concern=Concern.WINDOWS_MISSING,
            subjects=keys,
            since=since,
        )
    first, last = (spec.grid.name_of(window) for window in (missing[0], missing[-1]))
    failed = [run for run in state.failed if _interval(run) in set(missing)] if state else []
    if failed:
        return Matter(
            Urgency.ACT,
            f"{what}: {counted(len(failed), 'run')} failed.",
            "Open the run and read the log of the task that failed; when the cause is fixed, clear the run.",
            Place.RUN,
            dag_id=predict,
            run_id=failed[0].run_id,
            concern=Concern.WINDOWS_MISSING,
            subjects=keys,
            since=since,
        )
    return Matter(
        Urgency.ACT,
        f"{what}.",
        f"Backfill {predict} from {first} to {last}, or clear the runs that failed.",
        Place.BACKFILL,
        first=first,
        last=last,
        dag_id=predict,
        concern=Concern.WINDOWS_MISSING,
        subjects=keys,
        since=since,
    )


def _of_labels(spec: UseCase, recent: Recent, dags: Mapping[str, DagState], now: datetime) -> Iterator[Matter]:
    evaluate = f"{spec.name}.evaluate"
    paused = evaluate in dags and dags[evaluate].paused
    overdue = [each for each in recent.windows if each.maturity is Maturity.OVERDUE]
    if overdue and not paused:
        yield Matter(
            Urgency.ACT,
            f"The labels of {counted(len(overdue), 'window')} are overdue: far fewer came than usual.",
            f"Ask the source of the labels of {spec.name}; they are asked for again until they come.",
            Place.WINDOW,
            window=overdue[-1].window,
            concern=Concern.LABELS_LATE,
            subjects=_keys(each.window for each in overdue),
            since=overdue[0].window.end + spec.labels.mature_after,
        )
    unmeasured = [
        each
        for each in recent.windows
        if each.scored and each.maturity in NOTHING_FOLLOWS and each.window.end + spec.labels.mature_after < now
    ]
    if paused and (overdue or unmeasured):
        late = len(overdue) + len(unmeasured)
        yield Matter(
            Urgency.ACT,
            f"The labels of {counted(late, 'window')} are late, and nobody asks for them: {evaluate} is paused.",
            "Unpause it, or say that the use case has ended (schedule.end in use_case.yaml).",
            Place.DAG,
            dag_id=evaluate,
            concern=Concern.LABELS_LATE,
            subjects=_keys(sorted(each.window for each in (*overdue, *unmeasured))),
            since=min(each.window.end for each in (*overdue, *unmeasured)) + spec.labels.mature_after,
        )
    measured = [each for each in recent.windows if each.maturity is Maturity.FINAL]
    if measured and measured[-1].standing is Standing.FAR_WORSE:
        yield Matter(
            Urgency.LOOK,
            f"{spec.training.metric} of the last window with final labels is surely more than "
            f"{spec.monitoring.max_metric_loss:g} worse than at deployment.",
            "Look at the windows before it; whether to retrain is decided by the evidence of several windows.",
            Place.WINDOW,
            window=measured[-1].window,
            concern=Concern.PERFORMANCE,
        )


def _of_rollout(spec: UseCase, recent: Recent) -> Iterator[Matter]:
    if recent.overdue is not None and spec.rollout is not None:
        said = recent.overdue
        challenger, share = said.numbers.get("challenger"), said.numbers.get("share")
        yield Matter(
            Urgency.ACT,
            f"The roll-out of version {challenger} waits for a person: its evidence is not enough, and "
            "rollout.patience has passed.",
            "Look at the evidence, then advance it or stop it, with a reason; until then it stays as it is.",
            Place.ROLLOUT,
            concern=Concern.ROLLOUT_OVERDUE,
            subjects=(f"{challenger}/{share}",),
            since=parse_instant(said.numbers["since"]) + spec.rollout.patience,
        )
    if recent.not_ready is not None:
        said = recent.not_ready
        version = said.numbers.get("version")
        yield Matter(
            Urgency.LOOK,
            f"Version {version} stands by and is not ready: a rollback to it would not work.",
            "See what its trial found; it is tried again every night.",
            Place.GOING_BACK,
            concern=Concern.STANDBY_NOT_READY,
            subjects=(str(version),),
            since=said.as_of,
        )


def _keys(windows: Iterable[Window]) -> tuple[str, ...]:
    return tuple(window.key for window in windows)[-MOST_SUBJECTS:]


def _was(several: Sequence[object]) -> str:
    return "was" if len(several) == 1 else "were"
