"""What does the tasks of the local system's Airflow."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from perennial_local.supervisor import Service


@dataclass(frozen=True)
class Execution:
    """Airflow's executor, and the processes that it needs beside Airflow's own parts.

    `options` are variables for all processes. `servers` answer before Airflow starts, `workers` start after its parts.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    servers: tuple[Service, ...] = ()
    workers: tuple[Service, ...] = ()


# Workers that the scheduler forks, as `local_environment` sets them up: what `make run` does.
IN_THE_SCHEDULER = Execution()
