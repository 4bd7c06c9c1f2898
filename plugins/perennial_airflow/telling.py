"""What the task of `platform.alerts` does. Importing this module imports every adapter: only the task does."""

import logging
from collections.abc import Sequence
from datetime import datetime

from airflow.configuration import conf

from perennial import clock
from perennial.alerting import alert, facts, outbox
from perennial.encoding import as_json
from perennial.errors import PerennialError, WindowBusy
from perennial.jobs.upkeep.unstarted import unstarted_retraining
from perennial.ports import Ports
from perennial.review import recent
from perennial.review.portfolio import WINDOWS
from perennial.review.recent import Recent
from perennial.settings import Settings
from perennial.spec.load import LoadedUseCase
from perennial.wiring import open_ports
from perennial_airflow import notifiers
from perennial_airflow.connections import AirflowConnections
from perennial_airflow.known_runs import AskedAirflow, KnownRuns, previous_run
from perennial_airflow.note import FAILED, Line, clause
from perennial_airflow.noted import leave
from perennial_airflow.run import Run
from perennial_airflow.trigger import run_id_of
from perennial_airflow.xcom import Json

log = logging.getLogger(__name__)


def tell(use_cases: Sequence[LoadedUseCase], run: Run, asked: AskedAirflow) -> list[Json]:
    """Tell what is news of each use case. One that goes wrong holds no other back; the first error is raised last.

    That a receiver is down is told in the log and in the run's note, and is no error. Errors: `PerennialError`.
    """
    now, ports = clock.now(), open_ports(Settings.from_environment(), AirflowConnections())
    known = recent.run([use_case.spec for use_case in use_cases], now, ports.ledger, WINDOWS)
    found: list[outbox.Delivered] = []
    errors: list[PerennialError] = []
    for use_case in use_cases:
        try:
            found.append(_tell(use_case, known[use_case.spec.name], now, ports, run, asked))
        except WindowBusy as busy:
            log.warning("%s: another process tells people right now: %s", use_case.name, busy)
        except PerennialError as error:
            log.exception("%s: nobody could be told.", use_case.name)
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
    dags = KnownRuns(asked, previous_run, now).states(spec.name, retraining)
    standing = alert.standing(spec, known, dags, facts.read(spec, known, now, ports.ledger), now)
    address = conf.get("api", "base_url", fallback="") or ""
    return outbox.run(spec, standing, now, ports.ledger, notifiers.send, run.name, airflow=address)
