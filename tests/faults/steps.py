"""The named steps of the predict job, and processes that are stopped or killed at one of them.

A step is armed in a child process only, by wrapping the function at which the step happens: the code that runs is the
product's own, without hooks.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import extensions
from tests.faults.world import Address, ModelFiles, World

from perennial.jobs.retrain.deploy import deployed
from perennial.lake.delta import DeltaLake
from perennial.lake.replayed import ReplayedVersion
from perennial.lake.table_version import OpenedVersion
from perennial.lease import Lease
from perennial.ledger.entries import Deployment
from perennial.ledger.postgres import ledger, locks
from perennial.published import postgres as published
from perennial.window import Window

Act = Callable[[], None]


def _around(owner: Any, name: str, act: Act, *, after: bool, only: Callable[..., bool] = lambda *_: True) -> None:
    made = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        meant = only(*arguments)
        if meant and not after:
            act()
        result = made(*arguments, **named)
        if meant and after:
            act()
        return result

    setattr(owner, name, wrapped)


def _of_table(table: str) -> Callable[..., bool]:
    return lambda *arguments: any(f"{table}/parcels" in str(getattr(each, "_root", each)) for each in arguments)


def _hold_taken(act: Act) -> None:
    _around(locks, "_take", act, after=True)


def _hold_given_back(act: Act) -> None:
    _around(locks, "_give_back", act, after=False)


def _statement(beginning: str) -> Callable[[Act], None]:
    """After a statement of the publishing transaction, which is still open then."""

    def arm(act: Act) -> None:
        class Watched(extensions.cursor):
            def execute(self, query: Any, variables: Any = None) -> None:
                super().execute(query, variables)
                self._done(query)

            def copy_expert(self, sql: Any, *arguments: Any, **named: Any) -> None:
                super().copy_expert(sql, *arguments, **named)
                self._done(sql)

            def _done(self, query: Any) -> None:
                text = query if isinstance(query, str) else query.as_string(self)
                if text.startswith(beginning):
                    act()

        connect = psycopg2.connect

        def watched(*arguments: Any, **named: Any) -> Any:
            return connect(*arguments, cursor_factory=Watched, **named)

        published.psycopg2 = type("psycopg2", (), {**vars(psycopg2), "connect": staticmethod(watched)})

    return arm


def _lake(function: str, table: str, *, after: bool) -> Callable[[Act], None]:
    def arm(act: Act) -> None:
        for owner in (OpenedVersion, ReplayedVersion) if function == "commit" else (DeltaLake,):
            _around(owner, function, act, after=after, only=_of_table(table))

    return arm


def _entry(function: str, *, after: bool) -> Callable[[Act], None]:
    return lambda act: _around(ledger.PostgresLedger, function, act, after=after)


STEPS: dict[str, Callable[[Act], None]] = {
    "hold taken": _hold_taken,
    **{
        f"{table}: {moment}": _lake(function, table, after=after)
        for table in ("raw", "quarantine", "predictions")
        for moment, function, after in (
            ("file written", "_write", True),
            ("commit about to be sent", "commit", False),
            ("committed", "commit", True),
        )
    },
    "snapshot about to be recorded": _entry("record_snapshot", after=False),
    "snapshot recorded": _entry("record_snapshot", after=True),
    "verdict about to be recorded": _entry("record_validation", after=False),
    "verdict recorded": _entry("record_validation", after=True),
    "batch about to be recorded": _entry("record_batch", after=False),
    "batch recorded": _entry("record_batch", after=True),
    "publishing: old rows deleted": _statement('DELETE FROM "perennial"."predictions_'),
    "publishing: new rows copied": _statement('COPY "perennial"."predictions_'),
    "publishing: batch inserted": _statement('INSERT INTO "perennial"."published_batches"'),
    "publishing: about to commit": _statement('INSERT INTO "perennial"."published_windows"'),
    "published": lambda act: _around(published.PostgresPublished, "publish", act, after=True),
    "hold about to be given back": _hold_given_back,
}


@dataclass(frozen=True)
class EvaluationStep:
    """A step of the evaluation that decides about a canary; a rolled back one comes to it so many times at least.

    `of_advance` says whether one that goes on comes to it, too.
    """

    arm: Callable[[Act], None]
    times: int = 1
    of_advance: bool = True


EVALUATION_STEPS: dict[str, EvaluationStep] = {
    "gain recorded": EvaluationStep(_entry("record_gain", after=True), 3),
    "decision about to be recorded": EvaluationStep(_entry("record_decision", after=False)),
    "decision recorded": EvaluationStep(_entry("record_decision", after=True)),
    "stage recorded": EvaluationStep(_entry("deploy_together", after=True)),
    "alias about to follow": EvaluationStep(lambda act: _around(ModelFiles, "set_alias", act, after=False)),
    "revision about to be recorded": EvaluationStep(_entry("record_batch", after=False), 3, of_advance=False),
    "revision recorded": EvaluationStep(_entry("record_batch", after=True), 3, of_advance=False),
    "revision published": EvaluationStep(
        lambda act: _around(published.PostgresPublished, "publish", act, after=True), 3, of_advance=False
    ),
    "roll-back about to be told": EvaluationStep(_entry("record_intervention", after=False), of_advance=False),
    "roll-back told": EvaluationStep(_entry("record_intervention", after=True), of_advance=False),
}


# --- switches that take a protection away, to prove that the matching scenario sees it ---------------------------


def without_lock() -> None:
    """Nobody waits for anybody."""
    locks._acquire = lambda *arguments: None


def without_fencing_tokens() -> None:
    """Late writers are let through, by every store."""
    Lease.refuse_if_passed = lambda *arguments: None  # type: ignore[method-assign]


def without_transaction() -> None:
    """Every statement of publishing is committed by itself."""

    @contextmanager
    def autocommitting(self: Any, what: str, isolation: int) -> Iterator[Any]:
        # Not `with session:`, which begins a transaction whatever autocommit says.
        with closing(published.psycopg2.connect(self._dsn)) as session:
            session.autocommit = True
            with session.cursor() as cursor:
                yield cursor

    published.PostgresPublished._transaction = autocommitting  # type: ignore[method-assign]
    # Such a table would be dropped at the end of the statement that makes it.
    staging = published.SQL

    class Kept(staging):  # type: ignore[misc, valid-type]
        def __init__(self, text: str) -> None:
            super().__init__(text.replace("ON COMMIT DROP ", ""))

    published.SQL = Kept  # type: ignore[misc, assignment]


def without_a_last_look() -> None:
    """A batch is recorded whatever is in force by then."""
    ledger.check_still_in_force = lambda *arguments: None
    ledger.check_same_challenger = lambda *arguments: None


SWITCHES = {
    "lock": without_lock,
    "fencing tokens": without_fencing_tokens,
    "transaction": without_transaction,
    "a last look": without_a_last_look,
}


# --- processes ---------------------------------------------------------------------------------------------------


def fork_context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    modules = ["sklearn.linear_model", "sklearn.pipeline", "perennial.quality.suite", "perennial.jobs.evaluate.rollout"]
    context.set_forkserver_preload([__name__, *modules])
    return context


def start(
    context: ForkServerContext,
    address: Address,
    window: Window,
    run_id: str,
    *,
    step: str | None = None,
    signal_number: int = signal.SIGKILL,
    without: str | None = None,
) -> ForkServerProcess:
    """Predict the window in a new process, which sends itself the signal at the step."""
    process = context.Process(target=_predict, args=(address, window, run_id, step, int(signal_number), without))
    process.start()
    if signal_number == signal.SIGSTOP and address.run is not None:  # it would not notice that nobody is left
        address.run.watch("a stopped run", process.pid or 0, signal.SIGKILL)
    return process


def start_deploy(context: ForkServerContext, address: Address, entry: Deployment) -> ForkServerProcess:
    """Deploy in a new process, which is killed when the registry's alias is about to follow."""
    process = context.Process(target=_deploy, args=(address, entry))
    process.start()
    return process


def _deploy(address: Address, entry: Deployment) -> None:
    world = address.open()
    _around(ModelFiles, "set_alias", lambda: os.kill(os.getpid(), signal.SIGKILL), after=False)
    deployed(world.ledger.deploy(entry), world.use_case, world.ports)


def log_of(address: Address, run_id: str) -> str:
    file = _log(address, run_id)
    return file.read_text() if file.exists() else ""


def _log(address: Address, run_id: str) -> Path:
    return address.root / "logs" / f"{run_id}.txt"


def start_work(
    context: ForkServerContext,
    address: Address,
    work: Callable[[World], object],
    run_id: str,
    *,
    step: tuple[str, int] | None = None,
    after: float | None = None,
) -> ForkServerProcess:
    """Do something with the world in a new process. It is killed when it comes to a step of the evaluation for the nth
    time, or so many seconds after it began.
    """
    process = context.Process(target=_work, args=(address, work, run_id, step, after))
    process.start()
    return process


def _work(
    address: Address,
    work: Callable[[World], object],
    run_id: str,
    step: tuple[str, int] | None,
    after: float | None,
) -> None:
    if step is not None:
        _signal_at(EVALUATION_STEPS[step[0]].arm, step[1], signal.SIGKILL)
    with shown(address, run_id):
        world = address.open()
        if after is not None:
            last = threading.Timer(after, os.kill, (os.getpid(), signal.SIGKILL))
            last.daemon = True
            last.start()
        work(world)


def _predict(
    address: Address, window: Window, run_id: str, step: str | None, signal_number: int, without: str | None
) -> None:
    if without is not None:
        SWITCHES[without]()
    if step is not None:
        _signal_at(STEPS[step], 1, signal_number)
    with shown(address, run_id):
        address.open().predict(window, run_id)


def _signal_at(arm: Callable[[Act], None], nth: int, signal_number: int) -> None:
    done = 0

    def act() -> None:
        nonlocal done
        done += 1
        if done == nth:
            os.kill(os.getpid(), signal_number)

    arm(act)


@contextmanager
def shown(address: Address, run_id: str) -> Iterator[None]:
    """Where what is done inside fails, the scenario can show why."""
    logging.disable(logging.WARNING)
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - whatever it is, the scenario shows it
        file = _log(address, run_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{type(error).__name__}\n{traceback.format_exc()}")
        sys.exit(1)
