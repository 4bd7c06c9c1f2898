"""What the task of `platform.alerts` does. Importing this module imports every adapter: only the task does."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from perennial import clock
from perennial.alerting import alert, broken, facts, outbox
from perennial.alerting.alert import Alert
from perennial.encoding import as_json
from perennial.errors import PerennialError, WindowBusy
from perennial.jobs.upkeep.unstarted import unstarted_retraining
from perennial.ports import Ports
from perennial.review import recent
from perennial.review.portfolio import WINDOWS
from perennial.review.recent import Recent
from perennial.settings import Settings
from perennial.spec.alerts import Telling
from perennial.spec.broken import BrokenUseCase
from perennial.spec.load import LoadedUseCase
from perennial.wiring import open_ports
from perennial_airflow import notifiers
from perennial_airflow.configuration import base_url
from perennial_airflow.connections import AirflowConnections
from perennial_airflow.known_runs import AskedAirflow, KnownRuns, previous_run
from perennial_airflow.note import FAILED, Line, clause
from perennial_airflow.noted import leave
from perennial_airflow.run import Run
from perennial_airflow.trigger import run_id_of
from perennial_airflow.xcom import Json

log = logging.getLogger(__name__)


def tell(
    use_cases: Sequence[LoadedUseCase], run: Run, asked: AskedAirflow, without_spec: Sequence[BrokenUseCase] = ()
) -> list[Json]:
    """Tell what is news of each use case, and that a spec is wrong.

    One that goes wrong holds no other back; the first error is raised last.

    That a receiver is down is told in the log and in the run's note, and is no error. Errors: `PerennialError`.
    """
    now, ports = clock.now(), open_ports(Settings.from_environment(), AirflowConnections())
    known = recent.run([use_case.spec for use_case in use_cases], now, ports.ledger, WINDOWS)
    found: list[outbox.Delivered] = []
    errors: list[PerennialError] = []
    turns: list[tuple[str, Callable[[], outbox.Delivered]]] = [
        *((each.name, partial(_tell, each, known[each.name], now, ports, run, asked)) for each in use_cases),
        *((each.name, partial(_tell_broken, each, now, ports, run)) for each in without_spec),
    ]
    for name, turn in turns:
        try:
            found.append(turn())
        except WindowBusy as busy:
            log.warning("%s: another process is sending alerts right now: %s", name, busy)
        except PerennialError as error:
            log.exception("%s: no alerts could be sent.", name)
            errors.append(error)
    waiting = [said for each in found for said in each.waiting]
    if waiting:
        leave(run, Line(first=f"{FAILED} to deliver, tried again later: {clause('; '.join(waiting))}"))
    if delivered := sum(each.delivered for each in found):
        leave(run, Line(then=f"{delivered} delivered"))
    if errors:
        raise errors[0]
    return [as_json(each) for each in found]


def _tell(
    use_case: LoadedUseCase, known: Recent, now: datetime, ports: Ports, run: Run, asked: AskedAirflow
) -> outbox.Delivered:
    spec = use_case.spec
    decision = unstarted_retraining(use_case, ports)
    retraining = run_id_of(as_json(decision)) if decision is not None else None
    learnt = facts.read(spec, known, now, ports.ledger)
    asked_in = learnt.question.run_id.partition("/")[2] if learnt.question is not None else None
    dags = KnownRuns(asked, previous_run, now).states(spec.name, retraining, asked_in)
    standing = alert.standing(spec, known, dags, learnt, now)
    return _delivered(spec, standing, now, ports, run)


def _tell_broken(use_case: BrokenUseCase, now: datetime, ports: Ports, run: Run) -> outbox.Delivered:
    return _delivered(use_case, broken.standing(use_case, now, ports.ledger), now, ports, run)


def _delivered(spec: Telling, standing: Sequence[Alert], now: datetime, ports: Ports, run: Run) -> outbox.Delivered:
    return outbox.run(spec, standing, now, ports.ledger, notifiers.send, run.name, airflow=base_url())
