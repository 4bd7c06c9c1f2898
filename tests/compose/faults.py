"""Faults of the stack, each while a backfill runs; what must follow is asked of the databases by `checks`."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tests.compose import story
from tests.compose.stack import PROJECT, Stack

CUT = 30.0  # seconds
MANY = 200  # runs that are asked for at once
STORES = ("postgres", "valkey", "s3")
UNDER_WAY = """
    SELECT run_id, task_id FROM task_instance WHERE dag_id = '{}' AND state IN ('queued', 'running')"""
ENDED = """
    SELECT max(end_date), count(*), count(*) FILTER (WHERE state = 'success') FROM task_instance
    WHERE dag_id = '{}' AND (run_id, task_id) IN ({})"""
AGAIN = "SELECT min(end_date) FROM task_instance WHERE dag_id = '{}' AND state = 'success' AND start_date > '{}'"


@dataclass(frozen=True)
class Survived:
    """The windows that must be there now.

    `recovery`: the seconds from the fault until all tasks that were under way when it struck had ended well; of a new
    version, from the end of the last task before it to the end of the first one by it. `until`: the start of the
    first window that nobody asked for.
    """

    windows: list[datetime]
    recovery: float | None
    until: datetime


Fault = Callable[[Stack, datetime, int], Survived]


def worker_killed(stack: Stack, first: datetime, days: int) -> Survived:
    """SIGKILL to a worker with a task in it. Another takes over when the heartbeat is missed."""
    killed: list[str] = []

    def kill() -> None:
        stack.wait(lambda: bool(story.running_workers(stack)), "a task to run")
        host = story.running_workers(stack)[0]
        killed.extend(each for each in stack.containers("worker") if each.startswith(host))
        assert stack.run("docker", "kill", *killed).returncode == 0

    survived = _in_the_midst(stack, first, days, kill)
    assert stack.run("docker", "start", *killed).returncode == 0
    return survived


def postgres_restarted(stack: Stack, first: datetime, days: int) -> Survived:
    """All databases at once are away for a moment."""
    return _in_the_midst(stack, first, days, lambda: stack.compose("restart", "postgres"))


def queue_restarted(stack: Stack, first: datetime, days: int) -> Survived:
    """Tasks are queued and running; the queue comes back with what was in it."""
    return _in_the_midst(stack, first, days, lambda: stack.compose("restart", "valkey"))


def store_cut_off(stack: Stack, first: datetime, days: int) -> Survived:
    """Nobody reaches the object store for half a minute."""

    def cut() -> None:
        (store,) = stack.containers("s3")
        network = f"{PROJECT}_stores"
        assert stack.run("docker", "network", "disconnect", network, store).returncode == 0
        try:
            time.sleep(CUT)
        finally:
            joined = stack.run("docker", "network", "connect", "--alias", "s3", network, store)
        assert joined.returncode == 0, joined.stdout

    return _in_the_midst(stack, first, days, cut)


def store_restarted(stack: Stack, first: datetime, days: int) -> Survived:
    """The object store goes away, and comes back with what was in it."""
    return _in_the_midst(stack, first, days, lambda: stack.compose("restart", "s3"))


def rolled_to_a_new_image(stack: Stack, first: datetime, days: int) -> Survived:
    """A new version replaces our services while runs are in flight; the stores run on, and what it scores says so."""

    stopped: list[datetime] = []

    def roll() -> None:
        stack.compose("stop", "worker")  # else tasks report to an API server that is gone, until they are killed
        stopped.append(datetime.now(UTC))
        stack.up()

    versions = "SELECT DISTINCT code_version FROM ledger.batches"
    stack.build_next()
    before, stores = stack.sql("ledger", versions), {store: stack.running_since(store) for store in STORES}
    survived = _in_the_midst(stack, first, days, roll)
    assert {store: stack.running_since(store) for store in STORES} == stores
    after = stack.sql("ledger", versions)
    assert len(after) == len(before) + 1, (before, after)
    ((again,),) = stack.sql("airflow", AGAIN.format(story.PREDICT, stopped[0]))
    return replace(survived, recovery=(again - stopped[0]).total_seconds())


def queue_filled(stack: Stack, first: datetime, days: int) -> Survived:
    """200 runs at once: they wait, pages are still answered, none fails, and those that wait can be called off."""
    number = story.number_of(story.begin(stack, "dana", first, MANY, at_once=2 * days))
    runs = "SELECT logical_date FROM dag_run WHERE backfill_id = {} AND {}"
    assert len(stack.sql("airflow", runs.format(number, "true"))) == MANY
    ended = runs.format(number, "state = 'success'")
    stack.wait(lambda: len(stack.sql("airflow", ended)) >= days, f"{days} of {MANY} runs to end")
    story.look(stack)
    story.stop_what_runs(stack)
    failed = stack.sql("airflow", runs.format(number, "state <> 'success' AND start_date IS NOT NULL"))
    assert not failed, f"runs that had begun and did not end well: {failed}"
    done = sorted(date for (date,) in stack.sql("airflow", ended))
    assert days <= len(done) < MANY, done
    return Survived(done, None, first + timedelta(days=MANY))


def _in_the_midst(stack: Stack, first: datetime, days: int, fault: Callable[[], object]) -> Survived:
    begun = story.begin(stack, "dana", first, days)
    under_way = UNDER_WAY.format(story.PREDICT)
    stack.wait(lambda: len(stack.sql("airflow", under_way)) > 0, "tasks to be queued")
    struck, hit = datetime.now(UTC), stack.sql("airflow", under_way)
    fault()
    story.finish(stack, begun)
    names = ", ".join(f"('{run}', '{task}')" for run, task in hit)
    ((last, count, well),) = stack.sql("airflow", ENDED.format(story.PREDICT, names))
    assert count == well >= len(hit), (hit, count, well)
    return Survived(story.windows(first, days), (last - struck).total_seconds(), first + timedelta(days=days))


FAULTS: tuple[Fault, ...] = (
    worker_killed,
    postgres_restarted,
    queue_restarted,
    store_cut_off,
    store_restarted,
    rolled_to_a_new_image,
    queue_filled,
)


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
