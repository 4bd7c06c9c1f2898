"""The DAGs that the page of all use cases tells its reader about."""

from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep

from perennial import clock
from perennial.encoding import as_json
from perennial_airflow.dag_kind import DagKind
from perennial_airflow.pages.dag_states import dag_states
from perennial_airflow.pages.rights import allowed


def readable_dags(user: GetUserDep, session: SessionDep) -> list[dict[str, Any]]:
    """The DAGs of use cases that the user may see, each a `DagState` as JSON."""
    known = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    ours = allowed((dag_id for dag_id in known if dag_id.rpartition(".")[2] in set(DagKind)), user)
    return [as_json(state) for state in dag_states(session, sorted(ours), clock.now())]
