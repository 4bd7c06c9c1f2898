"""What the tasks of the nightly maintenance do, in the same way as those of `tasks`."""

import logging
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from perennial import clock
from perennial.encoding import as_json
from perennial.ports import Ports
from perennial.settings import Settings
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial.wiring import open_anchors, open_archive, open_ports
from perennial_airflow import verdict_lines
from perennial_airflow.connections import AirflowConnections
from perennial_airflow.note import FAILED, Line, clause
from perennial_airflow.noted import leave, noted
from perennial_airflow.outcomes import airflow_outcomes
from perennial_airflow.run import Run
from perennial_airflow.xcom import Json

if TYPE_CHECKING:
    from perennial.jobs.upkeep.gaps import Gaps

log = logging.getLogger(__name__)

FILLED_AT_ONCE = 100  # the rest follows the next night
ASKED_AT_ONCE = 100  # names of runs, which stand in the address of a request

KnownAmong = Callable[[list[str]], Collection[str]]
"""Which of the predict DAG's runs of these names there are."""


@noted(verdict_lines.nothing)
def gaps(use_case: LoadedUseCase, run: Run) -> Json:
    """Find the windows that should have been scored and were not; they are named in the log."""
    with airflow_outcomes(use_case):
        return as_json(_gaps(use_case, run)[0])


@noted(verdict_lines.nothing)
def gap_runs(use_case: LoadedUseCase, run: Run, *, paused: bool, known: KnownAmong) -> list[Json]:
    """The runs of the predict DAG that fill the gaps, the oldest window first; none while that DAG is paused.

    Nor is there one for a window that had its run: what couldn't be filled doesn't hold back what can.
    """
    with airflow_outcomes(use_case):
        _, missing = _gaps(use_case, run)
        if paused and missing:
            log.warning("%s.predict is paused, so nothing is filled. Unpause it.", use_case.name)
            return []
        runs = {f"gap__{window.key.partition('--')[0]}": window for window in missing}
        return [
            {
                "trigger_run_id": name,
                "conf": {"window_from": runs[name].start.isoformat(), "window_to": runs[name].end.isoformat()},
            }
            for name in islice(_unknown(list(runs), known), FILLED_AT_ONCE)
        ]


def _unknown(names: list[str], known: KnownAmong) -> Iterator[str]:
    for start in range(0, len(names), ASKED_AT_ONCE):
        asked = names[start : start + ASKED_AT_ONCE]
        had = known(asked)
        yield from (name for name in asked if name not in had)


def _gaps(use_case: LoadedUseCase, run: Run) -> "tuple[Gaps, list[Window]]":
    from perennial.jobs.upkeep import gaps as gaps_job

    found, missing = gaps_job.find(use_case.spec, run.run_after, _open_ports().ledger)
    log.log(logging.WARNING if missing else logging.INFO, "%s", found)
    if missing:
        leave(run, Line(first=clause(str(found))))
    return found, missing


@noted(verdict_lines.reconciled)
def reconcile(use_case: LoadedUseCase, run: Run) -> Json:
    """Put right whatever differs from the ledger. It fails where that needs a person: nothing is removed then."""
    from perennial.jobs.upkeep import reconcile as reconcile_job

    with airflow_outcomes(use_case):
        done = reconcile_job.run(
            use_case, run.run_after, _open_ports(), run.name, actor=run.actor, everything=run.params["reconcile_all"]
        )
        reconcile_job.require_all(done)
        return as_json(done)


@noted(verdict_lines.maintained)
def maintain(use_case: LoadedUseCase, run: Run) -> list[Json]:
    """Say what would be removed; then, unless it is a dry run, do it."""
    from perennial.jobs.upkeep import aged as aged_job
    from perennial.jobs.upkeep import maintain as maintain_job
    from perennial.jobs.upkeep import rejected as rejected_job
    from perennial.jobs.upkeep import samples as samples_job

    with airflow_outcomes(use_case):
        ports = _open_ports()
        if not run.params["dry_run"]:
            jobs = (aged_job.run, samples_job.run, maintain_job.run, rejected_job.run)
            done = [job(use_case, run.run_after, ports, run.name, actor=run.actor) for job in jobs]
            return [as_json(each) for results in done for each in results]
        plans = maintain_job.plan(use_case, run.run_after, ports)
        for plan in plans:
            for file in plan.files:
                log.info("%s: would remove %s", plan.table, file)
        others = [job(use_case, run.run_after, ports) for job in (aged_job.plan, samples_job.plan, rejected_job.plan)]
        more = [each for found in others for each in found]
        for each in more:
            log.info("%s: would remove %s", use_case.name, each)
        return [as_json(plan) for plan in (*plans, *more)]


@noted(verdict_lines.archived)
def archive(use_case: LoadedUseCase, run: Run) -> list[Json]:
    """Archive the versions that are due; in a dry run, say which those are."""
    from perennial.jobs.upkeep import archive as archive_job

    with airflow_outcomes(use_case):
        ports = _open_ports()
        if not run.params["dry_run"]:
            kept = open_archive(Settings.from_environment(), AirflowConnections())
            done = archive_job.run(use_case, run.run_after, ports, kept, run.name, actor=run.actor)
            return [as_json(each) for each in done]
        plans = archive_job.plan(use_case, run.run_after, ports)
        for plan in plans:
            log.info("%s: version %s: %s: %s", use_case.name, plan.version, plan.fate, plan.reason)
        return [as_json(plan) for plan in plans]


@noted(verdict_lines.standby_tried)
def try_standby(use_case: LoadedUseCase, run: Run) -> Json:
    """Prove that the champion before the present one could take over again."""
    from perennial.jobs.upkeep import standby as standby_job

    with airflow_outcomes(use_case):
        return as_json(standby_job.run(use_case, clock.now(), _open_ports(), run.name))


def anchor_ledger(run: Run) -> Json:
    """Verify what was recorded since the last anchor, and write down where the ledger's chains end now."""
    from perennial.jobs.upkeep import anchor as anchor_job

    try:
        with airflow_outcomes(None):
            anchors = open_anchors(Settings.from_environment(), AirflowConnections())
            return as_json(anchor_job.run(_open_ports().ledger, anchors, clock.now()))
    except Exception as error:
        leave(run, Line(first=f"{FAILED} anchor_ledger: {clause(str(error))}"))
        raise


def unstarted_retraining(use_case: LoadedUseCase) -> Json | None:
    """The retraining that was decided and has not been judged, if there is one."""
    from perennial.jobs.upkeep import unstarted as unstarted_job

    with airflow_outcomes(use_case):
        decision = unstarted_job.unstarted_retraining(use_case, _open_ports())
        return None if decision is None else as_json(decision)


def _open_ports() -> Ports:
    return open_ports(Settings.from_environment(), AirflowConnections())
