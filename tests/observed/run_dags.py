"""In an Airflow of the test's own: trains a first model and scores a window, by the real DAGs, task by task.

The argument is the folder with the use case, whose windows before the one that is scored are taken in first.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb

from perennial.jobs.predict import ingest, validate
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.spec.load import load_use_case
from perennial.wiring import open_ports

FIRST, SCORED = datetime(2024, 1, 18, tzinfo=UTC), datetime(2024, 1, 31, tzinfo=UTC)


def main(folder: Path) -> int:
    initdb()
    use_case = load_use_case(folder)
    ports = open_ports(Settings.from_environment(), EnvironmentConnections(os.environ))
    for window in use_case.spec.grid.between(FIRST, SCORED):
        ingest.run(use_case, window, ports, "before")
        validate.run(use_case, window, ports, "before")
    bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    assert not bag.import_errors, bag.import_errors
    dags = bag.dags
    day = SCORED.isoformat()
    sys.stdout.write("The tasks begin.\n")
    sys.stdout.flush()
    runs = [
        dags["parcels.retrain"].test(logical_date=None, run_conf={"as_of": day, "reason": "the first model"}),
        dags["parcels.predict"].test(
            logical_date=None,
            run_conf={"window_from": day, "window_to": (SCORED + timedelta(days=1)).isoformat()},
        ),
        dags["parcels.evaluate"].test(logical_date=None, run_conf={"as_of": (SCORED + timedelta(days=4)).isoformat()}),
    ]
    for run in runs:
        sys.stderr.write(f"{run.dag_id}: {run.state}\n")
    return sum(run.state != "success" for run in runs)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
