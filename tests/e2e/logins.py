"""A second API server of a running system, with real logins: Airflow's FAB auth manager and a user for each role."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from tests.e2e.system import System
from tests.ports import free_port
from tests.servers import Run
from tests.waiting import PATIENCE, ended

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
STOPPING = 10.0
ADMIN, OP, VIEWER, ONE_DAG, NOTHING = "ada", "olga", "vera", "una", "nora"
REQUESTER, FIRST, SECOND = "ann", "ben", "carla"  # each may edit runs, and has the role of approvers
USERS = (ADMIN, OP, VIEWER, ONE_DAG, NOTHING)  # the password of each is the name
# Airflow tells its page of plugins to nobody without this right, and FAB's Viewer lacks it; see docs/pages.md.
MAKE_USERS = """
import sys
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

with get_application_builder() as builder:
    manager = builder.sm
    manager.sync_roles()
    manager.create_dag_specific_permissions()

    def role(name, *rights):
        made = manager.add_role(name)
        for action, resource in rights:
            manager.add_permission_to_role(made, manager.create_permission(action, resource))
        return made

    plugins = ("can_read", "Plugins")
    reader = role("Reader", plugins)
    one = role(
        "One", plugins, ("can_read", "Website"), ("menu_access", "DAGs"), ("menu_access", "Browse"),
        *((action, f"{kind}:{dag}") for action in ("can_read",) for kind in ("DAG", "DAG Run") for dag in sys.argv[1:]),
        ("can_read", "Task Instances"), ("can_read", "DAG Versions"), ("can_read", "XComs"),
    )
    approver = role("Approver")
    roles = {
        "ada": [manager.find_role("Admin")],
        "olga": [manager.find_role("Op"), manager.find_role("Viewer"), manager.find_role("User")],
        "vera": [manager.find_role("Viewer"), reader],
        "una": [one],
        "nora": [reader],
        **{name: [manager.find_role("Op"), approver] for name in ("ann", "ben", "carla")},
    }
    for name, given in roles.items():
        assert manager.add_user(name, name, name, f"{name}@example.org", given, name), name
"""


@contextmanager
def fab_server(system: System, run: Run, *dag_ids: str) -> Iterator[str]:
    """Its address. `ONE_DAG` may read these DAGs only."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    ours = {
        "AIRFLOW__CORE__AUTH_MANAGER": FAB,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
    }
    environment = {**os.environ, **system.environment, **ours}
    for command in (["-m", "airflow", "fab-db", "migrate"], ["-c", MAKE_USERS, *dag_ids]):
        run.finish("the logins", [sys.executable, *command], environment)
    log = system.home / "logs" / "fab-api-server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server"], env=environment, stdout=output, stderr=output
        )
    run.watch("the API server with logins", server.pid, signal.SIGTERM, STOPPING)
    try:
        system.wait_until(lambda: _is_up(url), "the API server with logins", lambda: ended(server, log))
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v2/version", timeout=PATIENCE, trust_env=False).is_success
    except httpx.TransportError:
        return False
