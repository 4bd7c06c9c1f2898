"""Faults of the stack, each while a backfill runs; what must follow is asked of the databases by `checks`."""

import time
from collections.abc import Callable
from datetime import datetime

from tests.compose import story
from tests.compose.stack import PROJECT, Stack

CUT = 30.0  # seconds
QUEUED = "SELECT count(*) FROM task_instance WHERE dag_id = '{}' AND state IN ('queued', 'running')"


def worker_killed(stack: Stack, first: datetime, days: int) -> None:
    """SIGKILL to a worker with a task in it. Another takes over when the heartbeat is missed."""
    begun = story.begin(stack, "dana", first, days)
    stack.wait(lambda: bool(story.running_workers(stack)), "a task to run")
    host = story.running_workers(stack)[0]
    victim = next(each for each in stack.containers("worker") if each.startswith(host))
    assert stack.run("docker", "kill", victim).returncode == 0
    story.finish(stack, begun)
    assert stack.run("docker", "start", victim).returncode == 0


def postgres_restarted(stack: Stack, first: datetime, days: int) -> None:
    """All databases at once are away for a moment."""
    _in_the_midst(stack, first, days, lambda: stack.compose("restart", "postgres"))


def queue_restarted(stack: Stack, first: datetime, days: int) -> None:
    """Tasks are queued and running; the queue comes back with what was in it."""
    _in_the_midst(stack, first, days, lambda: stack.compose("restart", "valkey"))


def store_cut_off(stack: Stack, first: datetime, days: int) -> None:
    """Nobody reaches the object store for half a minute."""

    def cut() -> None:
        (store,) = stack.containers("s3")
        network = f"{PROJECT}_stores"
        assert stack.run("docker", "network", "disconnect", network, store).returncode == 0
        time.sleep(CUT)
        assert stack.run("docker", "network", "connect", "--alias", "s3", network, store).returncode == 0

    _in_the_midst(stack, first, days, cut)


def _in_the_midst(stack: Stack, first: datetime, days: int, fault: Callable[[], object]) -> None:
    begun = story.begin(stack, "dana", first, days)
    stack.wait(lambda: stack.sql("airflow", QUEUED.format(story.PREDICT))[0][0] > 0, "tasks to be queued")
    fault()
    story.finish(stack, begun)


FAULTS = (worker_killed, postgres_restarted, queue_restarted, store_cut_off)


def lost_and_restored(stack: Stack, folder: str) -> None:
    """Back up, destroy every volume, restore, and start again."""
    tables = {
        "ledger": "SELECT count(*), max(position) FROM ledger.chain",
        "published": "SELECT count(*), sum(row_count) FROM perennial.published_windows",
        "mlflow": "SELECT count(*), max(version) FROM model_versions",
        "airflow": "SELECT count(*), max(id) FROM dag_run WHERE dag_id LIKE 'flight_delays%'",
    }
    before = {name: stack.sql(name, query) for name, query in tables.items()}
    saved = stack.run("sh", "compose/backup.sh", folder)
    assert saved.returncode == 0, saved.stdout
    stack.compose("down", "--volumes", "--timeout", "30")
    restored = stack.run("sh", "compose/restore.sh", folder)
    assert restored.returncode == 0, restored.stdout
    refused = stack.run("sh", "compose/restore.sh", folder)
    assert refused.returncode != 0, "a backup was restored over a stack that holds something"
    assert "has databases already" in refused.stdout, refused.stdout
    stack.up()
    story.load_source(stack)
    after = {name: stack.sql(name, query) for name, query in tables.items()}
    assert before == after, (before, after)
