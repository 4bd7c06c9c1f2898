"""`python -m tests.executors NAME`: the local system without its demonstration, under another executor."""

import argparse

from tests.executors import celery, kubernetes

from perennial.settings import Settings
from perennial_local.home import Home
from perennial_local.run import Options, run
from perennial_local.screen import Screen

EXECUTIONS = {"celery": celery.execution, "kubernetes": kubernetes.execution}


def main() -> None:
    """Run it until it is asked to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("executor", choices=EXECUTIONS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mlflow-port", type=int, required=True)
    given = parser.parse_args()
    home = Home(Settings.from_environment().home.absolute())
    home.prepare()
    run(Options(None, given.port, given.mlflow_port), Screen(), EXECUTIONS[given.executor](home))


if __name__ == "__main__":
    main()
