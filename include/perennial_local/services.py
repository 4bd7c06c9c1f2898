"""The servers of the local system, and the order in which they come up."""

import contextlib
import importlib.metadata
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.ledger.postgres.schema import tables as ledger_tables
from perennial.ledger.postgres.schema.readers import prepare_reader
from perennial.published import names as published_names
from perennial_local.addresses import LOOPBACK, Addresses, choose_addresses
from perennial_local.airflow_api import AirflowApi, answers
from perennial_local.airflow_jobs import end_dead_jobs
from perennial_local.environment import (
    DATABASES,
    local_environment,
    passwords_file,
    write_local_environment,
)
from perennial_local.execution import IN_THE_SCHEDULER, Execution
from perennial_local.flights import FLIGHTS, load_flights
from perennial_local.home import Home, write_private
from perennial_local.keys import ADMIN, Keys, load_keys
from perennial_local.postgres import EmbeddedPostgres
from perennial_local.screen import Screen
from perennial_local.supervisor import Service, Supervisor

POSTGRES_GRACE = 15.0
SERVERS = "servers"  # they can be ended at the same time
SCHEDULER_GRACE = 8.0  # running tasks may end in this time; the others run again after the next start


class LocalSystem:
    """PostgreSQL, MLflow and Airflow on loopback ports, under one supervisor."""

    def __init__(
        self, home: Home, supervisor: Supervisor, screen: Screen, execution: Execution = IN_THE_SCHEDULER
    ) -> None:
        self._home = home
        self._execution = execution
        self._supervisor = supervisor
        self.screen = screen
        self._server: EmbeddedPostgres | None = None
        self._addresses: Addresses | None = None
        self.keys: Keys = load_keys(home)

    def start(self, airflow_port: int | None, mlflow_port: int | None) -> Addresses:
        """Bring everything up, and return where it is.

        Errors: `InvalidSettings` when a port that was asked for is taken, `TransientError` when a server does not come
        up.
        """
        addresses = choose_addresses(self._home, airflow_port, mlflow_port)
        server = self._start_postgres(addresses)
        self._server, self._addresses = server, addresses
        environment = {
            **local_environment(self._home, addresses, self.keys, server.url, os.environ),
            **self._execution.options,
        }
        write_local_environment(self._home, environment)
        self._supervisor.use(environment)

        # What can use a core without waiting for another part is started as early as possible.
        end_dead_jobs(server.url("airflow"))
        airflow_is_new = self._begin_airflow_migration()
        mlflow = self._mlflow(addresses)
        self._supervisor.start(mlflow)
        migrate.upgrade(server.url("perennial"))
        for schema in (ledger_tables.SCHEMA, published_names.SCHEMA):
            prepare_reader(server.url("perennial"), environment["AIRFLOW_CONN_PERENNIAL_LEDGER_READER"], schema)
        if airflow_is_new:
            self._finish_airflow_migration()
        with contextlib.closing(self.api()) as api:
            airflow = self._start_airflow(api)
            self._load_flights(server.url("flights"))
            for service in (mlflow, *airflow):
                self._supervisor.wait_until_ready(service)
        self.screen.say("MLflow and Airflow are up")
        return addresses

    def api(self) -> AirflowApi:
        """Airflow's API, as its administrator. It answers once the system is up."""
        assert self._addresses is not None
        return AirflowApi(self._addresses.airflow, ADMIN, self.keys.admin_password)

    def ledger(self) -> PostgresLedger:
        """The ledger. It can be read once the system is up."""
        assert self._server is not None
        return PostgresLedger(self._server.url("perennial"))

    def _start_postgres(self, addresses: Addresses) -> EmbeddedPostgres:
        server = EmbeddedPostgres(self._home.postgres, addresses.postgres_port)
        server.initialise()
        self._supervisor.check()
        self._supervisor.adopt("postgres", server.launch(), signal.SIGINT, POSTGRES_GRACE)
        server.wait_until_ready()
        for database in DATABASES:
            server.create_database(database)
        self.screen.say("PostgreSQL is up")
        return server

    def _begin_airflow_migration(self) -> bool:
        if self._migrated.exists() and self._migrated.read_text() == _airflow_version():
            return False
        self._supervisor.launch_command("airflow db migrate", _python("airflow", "db", "migrate"))
        return True

    def _finish_airflow_migration(self) -> None:
        self._supervisor.finish_command("airflow db migrate")
        write_private(self._migrated, _airflow_version())
        self.screen.say("Airflow's database is ready")

    def _load_flights(self, url: str) -> None:
        with self.screen.bar("loading flights", FLIGHTS) as bar:

            def progress(done: int) -> None:
                bar.reach(done)
                self._supervisor.pause(0)

            loaded = load_flights(url, progress)
        if loaded.fresh:
            self.screen.say(f"{loaded.flights:,} flights of 2013 are loaded, with {loaded.weather:,} hours of weather")
        else:
            self.screen.say(f"{loaded.flights:,} flights of 2013 are there")

    def _start_airflow(self, api: AirflowApi) -> tuple[Service, ...]:
        write_private(passwords_file(self._home), json.dumps({ADMIN: self.keys.admin_password}))
        for service in self._execution.servers:
            self._supervisor.start(service)
            self._supervisor.wait_until_ready(service)
        services = (*_airflow_services(api), *self._execution.workers)
        for service in services:
            self._supervisor.start(service)
        return services

    def _mlflow(self, addresses: Addresses) -> Service:
        command = _python(
            "mlflow", "server", "--host", LOOPBACK, "--port", str(addresses.mlflow_port), "--workers", "1"
        )
        return Service("mlflow", command, lambda: answers(f"{addresses.mlflow}/health"), together=SERVERS)

    @property
    def _migrated(self) -> Path:
        return self._home.airflow / "migrated"


def _airflow_services(api: AirflowApi) -> tuple[Service, ...]:
    """Airflow's four parts. The scheduler stands last, to be ended before what its tasks report to, the API server."""

    def healthy(component: str) -> Callable[[], bool]:
        return lambda: api.is_up() and component in api.healthy_components()

    return (
        Service("api-server", _python("airflow", "api-server"), api.is_up, together=SERVERS),
        Service("dag-processor", _python("airflow", "dag-processor"), healthy("dag_processor"), together=SERVERS),
        # Their log servers would listen on every interface; the API server reads the files itself.
        Service(
            "triggerer", _python("airflow", "triggerer", "--skip-serve-logs"), healthy("triggerer"), together=SERVERS
        ),
        Service(
            "scheduler", _python("airflow", "scheduler", "--skip-serve-logs"), healthy("scheduler"), SCHEDULER_GRACE
        ),
    )


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _airflow_version() -> str:
    return importlib.metadata.version("apache-airflow-core")
