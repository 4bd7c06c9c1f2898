"""The production application on a free port. It lets everybody in, and answers in this process."""

import json
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool
from tests.browser.worlds import (
    EVALUATE,
    EVALUATED,
    ONE_WINDOW,
    PREDICT,
    RETRAIN,
    RETRAINED,
    SEVERAL_WINDOWS,
    addresses,
)
from tests.unit.jobs.world import START, World
from tests.unit.pages.asking import settings_of
from tests.waiting import wait_until

from perennial import clock
from perennial.encoding import from_json
from perennial.pages.answer import answer
from perennial.pages.asked import Asked

NOW = START + timedelta(days=46, hours=1)


@dataclass
class InProcess:
    """Answers as the process beside the API server does, and remembers what it was asked."""

    world: World
    views: list[str] = field(default_factory=list)

    async def ask(self, asked: dict[str, Any]) -> Any:
        self.views.append(asked["view"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "now", lambda: NOW)
            return answer(from_json(Asked, json.loads(json.dumps(asked))), settings_of(self.world), self.world.ports)


@dataclass(frozen=True)
class Site:
    """A server, and what is behind it."""

    url: str
    world: World
    reader: InProcess
    addresses: dict[str, tuple[str, ...]]

    @property
    def all_addresses(self) -> list[str]:
        return [address for of_view in self.addresses.values() for address in of_view]


@contextmanager
def serving(world: World, where: Callable[[World], dict[str, tuple[str, ...]]] = addresses) -> Iterator[Site]:
    """The pages of a world, and where they are in it."""
    reader = InProcess(world)
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.MonkeyPatch.context() as patch:
        server = uvicorn.Server(uvicorn.Config(_application(world, reader, patch), log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        wait_until(lambda: server.started, "the server of the pages", lambda: None if thread.is_alive() else "it ended")
        yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}/perennial", world, reader, where(world))
        server.should_exit = True
        thread.join()


def _application(world: World, reader: InProcess, patch: pytest.MonkeyPatch) -> Any:
    with warnings.catch_warnings(action="ignore"):  # what Airflow imports is deprecated here and there
        from airflow.api_fastapi.app import _AuthManagerState
        from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from airflow.api_fastapi.common.db.common import _get_session
        from airflow.api_fastapi.core_api.security import get_user
        from airflow.models import import_all_models
        from airflow.models.dag import DagModel

        from perennial_airflow.pages.app import create_app
        from perennial_airflow.pages.views import PREFIX
    from fastapi import FastAPI

    import_all_models()  # else some tables lack those that they refer to

    class OpenToAll(SimpleAuthManager):
        def get_authorized_dag_ids(self, **_: Any) -> set[str]:
            return {PREDICT, EVALUATE, RETRAIN}

    patch.setattr(_AuthManagerState, "instance", OpenToAll())
    for name, nothing in (("get_team_name", None), ("get_dag_id_to_team_name_mapping", {})):
        patch.setattr(DagModel, name, lambda *_, found=nothing, **__: found)  # these would open sessions of their own
    engine = _database(world)

    def sessions() -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    pages = create_app()
    pages.state.reader = reader
    pages.dependency_overrides |= {
        get_user: lambda: SimpleAuthManagerUser(username="ada", role="ADMIN"),
        _get_session: sessions,
    }
    airflow = FastAPI()
    airflow.mount(PREFIX, pages)
    return airflow


def _database(world: World) -> Any:
    """A database of Airflow's that knows the runs which have pages."""
    from airflow.models.base import Base
    from airflow.models.dagrun import DagRun

    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    start, one, moment, several = (world.day(number).start for number in (30, 31, 34, 36))
    with Session(engine) as session:
        for dag_id, run_id, run_type, interval, end in (
            (PREDICT, ONE_WINDOW, "scheduled", (start, one), one),
            (PREDICT, SEVERAL_WINDOWS, "backfill", (one, several), several),
            (EVALUATE, EVALUATED, "manual", None, moment),
            (RETRAIN, RETRAINED, "manual", None, moment),
        ):
            logical = interval[0] if interval else None
            session.add(
                DagRun(
                    dag_id=dag_id,
                    run_id=run_id,
                    run_type=run_type,
                    logical_date=logical,
                    data_interval=interval,
                    run_after=end,
                )
            )
        session.commit()
    return engine
