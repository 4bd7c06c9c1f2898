"""The DAGs that the page of all use cases tells its reader about."""

from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel

from perennial import clock
from perennial.encoding import as_json
from perennial_airflow.dag_kind import DagKind
from perennial_airflow.pages.dag_states import dag_states


def readable_dags(user: GetUserDep, session: SessionDep) -> list[dict[str, Any]]:
    """The DAGs of use cases whose runs the user may see, each a `DagState` as JSON."""
    manager = get_auth_manager()
    known = manager.get_authorized_dag_ids(user=user, method="GET")
    ours = sorted(dag_id for dag_id in known if dag_id.rpartition(".")[2] in set(DagKind))
    teams = DagModel.get_dag_id_to_team_name_mapping(ours, session=session)
    allowed = [
        dag_id
        for dag_id in ours
        if manager.is_authorized_dag(
            method="GET",
            access_entity=DagAccessEntity.RUN,
            details=DagDetails(id=dag_id, team_name=teams.get(dag_id)),
            user=user,
        )
    ]
    return [as_json(state) for state in dag_states(session, allowed, clock.now())]
