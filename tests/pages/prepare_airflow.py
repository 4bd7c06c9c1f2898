"""Run in an Airflow of the tests' own, with FAB as its auth manager: its tables, DAGs with a run each, roles and users.

The DAGs are those of `USE_CASES`. FAB's roles differ by DAG; the simple auth manager's stand in its configuration.
"""

import sys
from datetime import UTC, datetime, timedelta

from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType, DagRunType

USE_CASES = ("seen", "hidden")
KINDS = ("predict", "evaluate", "retrain", "rollback")
RUN = "scheduled__1"
DAY = datetime(2013, 3, 5, tzinfo=UTC)
WEBSITE, RUNS, XCOMS = ("can_read", "Website"), ("can_read", "DAG Runs"), ("can_read", "XComs")
READ_SEEN = tuple(("can_read", f"DAG:seen.{kind}") for kind in KINDS)
# Of roles that Airflow does not bring along: what each may do.
ROLES: dict[str, tuple[tuple[str, str], ...]] = {
    "no_dag": (WEBSITE, RUNS, XCOMS),
    "one_use_case": (WEBSITE, RUNS, XCOMS, *READ_SEEN),
    "retrain_only": (WEBSITE, RUNS, XCOMS, ("can_read", "DAG:seen.retrain")),
    "no_values": (WEBSITE, RUNS, *READ_SEEN),
    "no_runs": (WEBSITE, XCOMS, *READ_SEEN),
}
OWN_ROLES = ("Viewer", "Op", "Admin")


def main() -> int:
    initdb()
    with create_session() as session:
        session.add(DagBundleModel(name="tests"))
        session.flush()
        for use_case in USE_CASES:
            for kind in KINDS:
                dag_id = f"{use_case}.{kind}"
                session.add(
                    DagModel(
                        dag_id=dag_id, bundle_name="tests", is_stale=False, is_paused=False, max_active_tasks=1,
                        max_active_runs=1, max_consecutive_failed_dag_runs=0, has_task_concurrency_limits=False,
                    )
                )  # fmt: skip
                session.flush()
                session.add(
                    DagRun(
                        dag_id, RUN, logical_date=DAY, run_after=DAY + timedelta(days=1), run_type=DagRunType.SCHEDULED,
                        data_interval=(DAY, DAY + timedelta(days=1)), triggered_by=DagRunTriggeredByType.TEST,
                    )
                )  # fmt: skip
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        manager.sync_roles()
        for name, allowed in ROLES.items():
            role = manager.add_role(name)
            for action, resource in allowed:
                manager.add_permission_to_role(role, manager.create_permission(action, resource))
        for name in (*ROLES, *OWN_ROLES):
            user = manager.add_user(name, name, name, f"{name}@example.org", manager.find_role(name), password=name)
            assert user, name
    return 0


if __name__ == "__main__":
    sys.exit(main())
