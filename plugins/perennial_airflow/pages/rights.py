"""Who may see a page, and which addresses are asked about at all.

A page of a DAG shows what its tasks found in the data, down to single rows, so that whoever reads it may read the DAG,
its runs and its XComs: the last is Airflow's right to the values that tasks produce, and a role from which an
installation takes it away is meant to see how runs ended, not what is in them. All pages ask for the same, because the
report of a window shows samples and rows, too; a right for each page would have to be kept in mind with each.

What the pages show is recorded about the predictions of a use case. So the pages of `<use case>.retrain` ask for
`<use case>.predict` as well.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel
from fastapi import HTTPException, Request

from perennial_airflow.dag_kind import DagKind

ENTITIES = (DagAccessEntity.RUN, DagAccessEntity.XCOM)
MOST_ADDRESS = 4_000  # bytes of the path and the query as they were sent
_CONTROLS = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # PostgreSQL takes no NUL, and a name has none of the others


def may_read(dag_id: str, user: GetUserDep) -> None:
    """Refuse a DAG of which the user may not see the predictions, whether or not there is one of that name."""
    wanted = {dag_id, f"{dag_id.rpartition('.')[0]}.{DagKind.PREDICT}"}
    if allowed(wanted, user) != wanted:
        raise HTTPException(HTTPStatus.FORBIDDEN)


def readable(user: GetUserDep) -> tuple[str, ...]:
    """The use cases whose predictions the user may see."""
    known = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    predicting = [dag_id for dag_id in known if dag_id.rpartition(".")[2] == DagKind.PREDICT]
    return tuple(sorted(dag_id.rpartition(".")[0] for dag_id in allowed(predicting, user)))


def sensible(request: Request) -> None:
    """Refuse an address that is too long, or that holds control characters, before anything is looked up by it."""
    size = len(request.scope.get("raw_path") or request.url.path) + len(request.scope["query_string"])
    if size > MOST_ADDRESS:
        raise HTTPException(
            HTTPStatus.REQUEST_URI_TOO_LONG, f"This address has {size:,} bytes; at most {MOST_ADDRESS:,} are read."
        )
    texts = (*request.path_params.values(), *request.query_params.keys(), *request.query_params.values())
    if any(_CONTROLS.search(str(text)) for text in texts):
        raise HTTPException(HTTPStatus.NOT_FOUND)


def allowed(dag_ids: Iterable[str], user: BaseUser) -> set[str]:
    """Those of the DAGs whose runs and values the user may read."""
    asked = sorted(set(dag_ids))
    manager, teams = get_auth_manager(), DagModel.get_dag_id_to_team_name_mapping(asked)
    return {
        dag_id
        for dag_id in asked
        if all(
            manager.is_authorized_dag(
                method="GET",
                access_entity=entity,
                details=DagDetails(id=dag_id, team_name=teams.get(dag_id)),
                user=user,
            )
            for entity in ENTITIES
        )
    }
