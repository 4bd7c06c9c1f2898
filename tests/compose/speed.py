"""Windows a minute by workers on the queue, and by a LocalExecutor in the same stack, with as many tasks at once."""

from tests.compose.stack import PROJECT, WORKERS, Stack
from tests.compose.steps import Steps

WINDOWS = 14  # four times; the source ends 306 windows after the first, and the other steps take 242 of them
LOCAL = f"{PROJECT}-local"
EXECUTORS = {"1 worker": 1, "2 workers": 2, "4 workers": 4, "a LocalExecutor of 4 tasks": None}


def measure(steps: Steps, executor: str) -> None:
    """Fill windows with so many workers, or without any."""
    stack, workers = steps.stack, EXECUTORS[executor]
    if workers is not None:
        stack.up(workers)
        steps.fill(steps.next_window, WINDOWS, at_once=WINDOWS)
        if workers != WORKERS:
            stack.up()
        return
    _local(stack)
    try:
        steps.fill(steps.next_window, WINDOWS, at_once=WINDOWS)
    finally:
        stack.run("docker", "rm", "--force", LOCAL)
        stack.up()


def _local(stack: Stack) -> None:
    """A scheduler that does the tasks itself, in a worker's surroundings, instead of the scheduler and the workers."""
    stack.compose("stop", "worker", "scheduler")
    told = {
        "AIRFLOW__CORE__EXECUTOR": "perennial_airflow.executor.PreloadedLocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://airflow:{AIRFLOW_DB_PASSWORD}@postgres:5432/airflow",
        "AIRFLOW__CORE__FERNET_KEY": "{AIRFLOW_FERNET_KEY}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "{AIRFLOW_JWT_SECRET}",
    }
    settings = [f"--env={name}={value.format(**stack.variables)}" for name, value in told.items()]
    command = ["airflow", "scheduler", "--skip-serve-logs"]
    stack.compose("run", "--detach", "--no-deps", f"--name={LOCAL}", *settings, "worker", *command)
