"""Jobs in processes of their own that can be killed, forked from a server that has imported everything already."""

import multiprocessing
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from tests.waiting import PATIENCE

from perennial import clock
from perennial.jobs.predict import ingest, score, validate
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.records.model_choice import ModelChoice
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.spec.load import load_use_case
from perennial.window import Window
from perennial.wiring import open_ports


def fork_context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def start(context: ForkServerContext, environment: Mapping[str, str], window: Window, run_id: str) -> ForkServerProcess:
    """Ingest, validate and score the window in a new process."""
    process = context.Process(target=_predict, args=(dict(environment), window, run_id))
    process.start()
    return process


def _predict(environment: dict[str, str], window: Window, run_id: str) -> None:
    settings = Settings.from_environment(environment)
    use_case = load_use_case(Path(settings.use_cases) / "parcels")
    ledger = PostgresLedger(environment["AIRFLOW_CONN_PERENNIAL_LEDGER"], clock.now, lock_timeout=PATIENCE)
    ports = replace(open_ports(settings, EnvironmentConnections(settings.environment)), ledger=ledger)
    ingest.run(use_case, window, ports, run_id)
    validate.run(use_case, window, ports, run_id)
    score.run(use_case, window, ports, run_id, model=ModelChoice())
