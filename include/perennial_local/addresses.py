"""Which loopback ports the system listens on."""

import json
import socket
from dataclasses import asdict, dataclass

from perennial.errors import InvalidSettings
from perennial_local.home import Home, read_json, write_private

LOOPBACK = "127.0.0.1"
AIRFLOW_PORT = 8080
MLFLOW_PORT = 5000
TRIES = 100


@dataclass(frozen=True)
class Addresses:
    """The ports of the three servers, all on the loopback interface."""

    airflow_port: int
    mlflow_port: int
    postgres_port: int

    @property
    def airflow(self) -> str:
        """Airflow's UI and API."""
        return f"http://{LOOPBACK}:{self.airflow_port}"

    @property
    def mlflow(self) -> str:
        """MLflow's UI and API."""
        return f"http://{LOOPBACK}:{self.mlflow_port}"


def choose_addresses(home: Home, airflow_port: int | None, mlflow_port: int | None) -> Addresses:
    """Free ports: those asked for, else the usual ones or the next free ones after them; PostgreSQL keeps its last one.

    Errors: `InvalidSettings` when a port that was asked for is taken.
    """
    kept = read_json(home.ports)
    last = kept.get("postgres_port") if isinstance(kept, dict) else None
    airflow = _asked(airflow_port, "--port") if airflow_port else _next_free(AIRFLOW_PORT, set())
    mlflow = _asked(mlflow_port, "--mlflow-port") if mlflow_port else _next_free(MLFLOW_PORT, {airflow})
    taken = {airflow, mlflow}
    postgres = last if last and last not in taken and is_free(last) else _any_free(taken)
    addresses = Addresses(airflow, mlflow, postgres)
    write_private(home.ports, json.dumps(asdict(addresses)))
    return addresses


def is_free(port: int) -> bool:
    """Nothing listens on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a port that was just left looks taken
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _asked(port: int, option: str) -> int:
    if not is_free(port):
        raise InvalidSettings(
            f"Port {port} is taken by another program. Stop it, or give another number with {option}, "
            "or leave the option out: then a free port is chosen."
        )
    return port


def _next_free(start: int, taken: set[int]) -> int:
    for port in range(start, start + TRIES):
        if port not in taken and is_free(port):
            return port
    raise InvalidSettings(f"All ports from {start} to {start + TRIES - 1} are taken; free one of them.")


def _any_free(taken: set[int]) -> int:
    for _ in range(TRIES):
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port
    raise InvalidSettings("The system has no free loopback port for PostgreSQL.")
