"""The environment of the local system's processes: where Perennial finds things, and how Airflow is set up."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from perennial.settings import LOCAL_ENVIRONMENT
from perennial_local.addresses import LOOPBACK, Addresses
from perennial_local.home import Home, write_private
from perennial_local.keys import ADMIN, Keys

CHECKOUT = Path(__file__).resolve().parents[2]
DATABASES = ("airflow", "mlflow", "perennial", "flights")
EXECUTOR = "perennial_airflow.executor.PreloadedLocalExecutor"
PARALLEL_TASKS = 3
READER = "perennial_reader"  # the database user of the review pages
# A user's own Airflow must not leak in, and without bytecode every import takes three times as long.
FOREIGN = ("AIRFLOW__", "AIRFLOW_HOME", "AIRFLOW_CONFIG", "PYTHONDONTWRITEBYTECODE", "MLFLOW_")


def local_environment(
    home: Home, addresses: Addresses, keys: Keys, database: Callable[[str], str], inherited: Mapping[str, str]
) -> dict[str, str]:
    """What every process of the local system is given; `database` turns a database's name into its libpq URI."""
    kept = {name: value for name, value in inherited.items() if not name.startswith(FOREIGN)}
    return {
        **kept,
        **_perennial(home, addresses, keys, database, kept),
        **_mlflow(home, database),
        **_airflow(home, addresses, keys, database),
        "TZ": "UTC",
        "NO_PROXY": ",".join(filter(None, (kept.get("NO_PROXY"), LOOPBACK, "localhost"))),
        # Several tasks share the processors: each takes its part of them, and a thread that waits does not spin.
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // PARALLEL_TASKS)),
        "OMP_WAIT_POLICY": "PASSIVE",
        "DO_NOT_TRACK": "1",
        "GX_ANALYTICS_ENABLED": "false",
    }


def write_local_environment(home: Home, environment: Mapping[str, str]) -> None:
    """Leave the addresses where a shell beside the running system finds them."""
    ours = ("PERENNIAL_", "AIRFLOW_", "MLFLOW_")
    lines = [f"{name}={value}" for name, value in sorted(environment.items()) if name.startswith(ours)]
    write_private(home.path / LOCAL_ENVIRONMENT, "\n".join(lines) + "\n")


def _perennial(
    home: Home, addresses: Addresses, keys: Keys, database: Callable[[str], str], kept: Mapping[str, str]
) -> dict[str, str]:
    reader = _as_reader(database("perennial"), keys)
    return {
        "PERENNIAL_HOME": str(home.path),
        "PERENNIAL_LAKE_URL": kept.get("PERENNIAL_LAKE_URL") or str(home.path / "lake"),
        "PERENNIAL_USE_CASES": kept.get("PERENNIAL_USE_CASES") or str(CHECKOUT / "include" / "use_cases"),
        "PERENNIAL_MLFLOW_URL": addresses.mlflow,
        "AIRFLOW_CONN_PERENNIAL_LEDGER": database("perennial"),
        "AIRFLOW_CONN_PERENNIAL_PUBLISHED": database("perennial"),
        "AIRFLOW_CONN_PERENNIAL_LEDGER_READER": reader,
        "AIRFLOW_CONN_PERENNIAL_PUBLISHED_READER": reader,
        "AIRFLOW_CONN_FLIGHTS_DB": database("flights"),
    }


def _as_reader(url: str, keys: Keys) -> str:
    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{READER}:{keys.reader_password}@{server}"))


def _mlflow(home: Home, database: Callable[[str], str]) -> dict[str, str]:
    return {
        "MLFLOW_BACKEND_STORE_URI": _sqlalchemy(database("mlflow")),
        "MLFLOW_ARTIFACTS_DESTINATION": str(home.artifacts),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _airflow(home: Home, addresses: Addresses, keys: Keys, database: Callable[[str], str]) -> dict[str, str]:
    logs = home.logs / "airflow"
    options: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": CHECKOUT / "dags",
            "plugins_folder": CHECKOUT / "plugins",
            "executor": EXECUTOR,
            "parallelism": PARALLEL_TASKS,
            "load_examples": False,
            "default_timezone": "utc",
            "fernet_key": keys.fernet,
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_passwords_file": passwords_file(home),
            "execution_api_server_url": f"{addresses.airflow}/execution/",
        },
        "database": {"sql_alchemy_conn": _sqlalchemy(database("airflow"))},
        "api": {
            "host": LOOPBACK,
            "port": addresses.airflow_port,
            "base_url": addresses.airflow,
            "workers": 1,
            "secret_key": keys.api,
        },
        "api_auth": {"jwt_secret": keys.jwt},
        "execution_api": {"jwt_expiration_time": 86_400},  # a long task's token must not expire while it runs
        "scheduler": {
            "scheduler_idle_sleep_time": 0.4,  # most of what a quiet system costs
            "scheduler_health_check_threshold": 120,  # else a scheduler that a busy machine slows down drops its tasks
        },
        "workers": {
            "execution_api_timeout": 30,
            # It takes a worker up to this long to see that its task has ended; until then it takes no other.
            "min_heartbeat_interval": 1,
        },
        "dag_processor": {"parsing_processes": 1, "min_file_process_interval": 120},
        "logging": {
            "base_log_folder": logs,
            "dag_processor_child_process_log_directory": logs / "dag_processor",
            "colored_console_log": False,
        },
    }
    return {"AIRFLOW_HOME": str(home.airflow)} | {
        f"AIRFLOW__{section.upper()}__{key.upper()}": str(value)
        for section, values in options.items()
        for key, value in values.items()
    }


def passwords_file(home: Home) -> Path:
    """Where Airflow's simple auth manager reads passwords."""
    return home.airflow / "passwords.json"


def _sqlalchemy(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)
