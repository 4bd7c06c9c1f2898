"""Answers to an approval at Airflow's own API, with its own database and rights; run in a process of its own.

The test says by the environment which Airflow it is; the argument is the folder of use cases. It prints what was
answered, and what is on record afterwards, as JSON. The ledger is in memory, and the change is made in this process.
"""

import asyncio
import json
import sys
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
from airflow import settings as airflow_settings
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from fastapi import Response

from perennial import clock
from perennial.encoding import from_json
from perennial.ledger.entries import ApprovalRequest
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.pages.change import ChangeAsked, change
from perennial.settings import Settings
from perennial_airflow import answers

ROLES = {"ann": "admin", "ben": "admin", "olga": "op", "vera": "viewer"}
DAG, RUN, TASK = "flight_delays.retrain", "asked", "approve"
ADDRESS = f"/api/v2/dags/{DAG}/dagRuns/{RUN}/taskInstances/{TASK}/-1/hitlDetails"
REASON = {"why": "better"}
SUBJECT = "5" * 64


def put_the_question() -> None:
    """As the task does: Airflow has an open question."""
    with create_session() as session:
        version = DagVersion(dag_id=DAG, bundle_name="b", version_number=1)
        run = DagRun(dag_id=DAG, run_id=RUN, run_type="manual", run_after=datetime.now(UTC), state="running")
        for each in (DagBundleModel(name="b"), DagModel(dag_id=DAG, bundle_name="b", fileloc="x"), version, run):
            session.add(each)
            session.flush()
        task = uuid.uuid4()
        row = {
            "id": task, "dag_id": DAG, "run_id": RUN, "task_id": TASK, "map_index": -1, "state": "awaiting_input",
            "try_number": 1, "max_tries": 0, "pool": "default_pool", "pool_slots": 1, "dag_version_id": version.id,
        }  # fmt: skip
        session.execute(TaskInstance.__table__.insert().values(row))
        question = HITLDetail(
            ti_id=task, options=["Approve", "Reject"], subject="Deploy?", body=f"Question {SUBJECT[:12]}",
            defaults=["Reject"], multiple=False, params={},
        )  # fmt: skip
        session.add(question)


async def answered(app: Any, name: str, inputs: dict[str, str]) -> tuple[str, int, str]:
    """Who answered, and what came of it."""
    user = SimpleAuthManagerUser(username=name, role=ROLES[name])
    headers = {"Authorization": f"Bearer {get_auth_manager().generate_jwt(user)}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://airflow.example") as client:
        body = {"chosen_options": ["Approve"], "params_input": inputs}
        found = await client.patch(ADDRESS, json=body, headers=headers)
    return name, found.status_code, found.json().get("detail", "")


async def main() -> None:
    import_all_models()
    Base.metadata.create_all(airflow_settings.engine)
    app = create_app(apps="core")
    ledger = InMemoryLedger(clock.now)
    ledger.record_approval_request(
        ApprovalRequest("flight_delays", SUBJECT, "t", "m", "e", None, "high", 2, "ann", {}, f"{DAG}/{RUN}")
    )
    settings, ports = Settings.from_environment({"PERENNIAL_USE_CASES": sys.argv[1]}), SimpleNamespace(ledger=ledger)

    async def made(asked: dict[str, Any]) -> Response:
        found = change(from_json(ChangeAsked, asked), settings, ports)  # type: ignore[arg-type]
        return Response(found.body, found.status, media_type=found.media_type)

    answers.made = made
    put_the_question()
    told = [
        await answered(app, *given)
        for given in (
            ("vera", REASON),
            ("olga", REASON),
            ("ann", REASON),
            ("ben", {}),
            ("ben", REASON),
            ("ben", REASON),
        )
    ]
    with create_session() as session:
        state = session.query(TaskInstance.state).scalar()
        by = session.query(HITLDetail).one().responded_by
    kept = [(each.approver, each.role, each.reason) for each in ledger.approvals("flight_delays")]
    print(json.dumps({"answers": told, "kept": kept, "state": state, "by": by["name"]}))


asyncio.run(main())
