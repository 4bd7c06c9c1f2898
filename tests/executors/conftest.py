"""What needs an Airflow whose tasks are pods is collected by `make test-kubernetes` alone."""

from tests.e2e.system import EXECUTOR

collect_ignore = [] if EXECUTOR == "kubernetes" else ["test_pods.py"]
