"""Whether a service of the stack does its work: `python -m perennial_stack.health NAME` is its container's check.

Each check asks the service itself, or looks at the heartbeat that it writes; an open port is no answer. Little is
imported, because this runs every few seconds beside each service.
"""

import json
import os
import socket
import sys
import urllib.request
from collections.abc import Callable
from contextlib import closing

PATIENCE = 5.0
OLDEST_HEARTBEAT = 60  # seconds


def api_server() -> bool:
    """It answers, and reaches its database."""
    health = json.loads(_get("http://127.0.0.1:8080/api/v2/monitor/health"))
    return bool(health["metadatabase"]["status"] == "healthy")


def mlflow() -> bool:
    """It answers."""
    return _get("http://127.0.0.1:5000/health") == b"OK"


def scheduler() -> bool:
    """It has written a heartbeat lately."""
    return _beats("SchedulerJob")


def triggerer() -> bool:
    """It has written a heartbeat lately."""
    return _beats("TriggererJob")


def dag_processor() -> bool:
    """It has written a heartbeat lately."""
    return _beats("DagProcessorJob")


def worker() -> bool:
    """It answers through the queue."""
    from celery import Celery  # noqa: PLC0415 - only this check needs it

    name = f"celery@{socket.gethostname()}"
    with closing(Celery(broker=os.environ["AIRFLOW__CELERY__BROKER_URL"], set_as_current=False)) as app:
        answers = app.control.inspect(destination=[name], timeout=PATIENCE).ping()
    return bool(answers) and name in answers


CHECKS: dict[str, Callable[[], bool]] = {
    "api-server": api_server,
    "dag-processor": dag_processor,
    "mlflow": mlflow,
    "scheduler": scheduler,
    "triggerer": triggerer,
    "worker": worker,
}


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - our own addresses
        content: bytes = answer.read()
    return content


def _beats(job: str) -> bool:
    import psycopg2  # noqa: PLC0415 - not in the container of MLflow's check

    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "", 1)
    query = (
        "SELECT 1 FROM job WHERE job_type = %s AND hostname = ANY(%s) AND state = 'running' "
        "AND latest_heartbeat > now() - make_interval(secs => %s) LIMIT 1"
    )
    names = [socket.getfqdn(), socket.gethostname()]
    with closing(psycopg2.connect(url, connect_timeout=int(PATIENCE))) as connection, connection.cursor() as cursor:
        cursor.execute(query, (job, names, OLDEST_HEARTBEAT))
        return cursor.fetchone() is not None


if __name__ == "__main__":
    sys.exit(0 if CHECKS[sys.argv[1]]() else f"{sys.argv[1]} is not healthy")
