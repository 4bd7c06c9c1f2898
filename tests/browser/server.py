"""The production application on a free port. It lets everybody in, and answers in this process."""

import json
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
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
from tests.waiting import wait_until

from perennial import clock
from perennial.encoding import from_json
from perennial.pages.answer import answer
from perennial.pages.asked import Asked
from perennial.settings import Settings

NOW = START + timedelta(days=46, hours=1)


@dataclass
class InProcess:
    """Answers as the process beside the API server does, and remembers what it was asked."""

    world: World
    views: list[str] = field(default_factory=list)

    async def ask(self, asked: dict[str, Any]) -> Any:
        self.views.append(asked["view"])
        folder = self.world.use_case.folder.parent
        settings = Settings.from_environment({"PERENNIAL_USE_CASES": str(folder)})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "now", lambda: NOW)
            return answer(from_json(Asked, json.loads(json.dumps(asked))), settings, self.world.ports)


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
def serving(world: World) -> Iterator[Site]:
    """The pages of a world."""
    reader = InProcess(world)
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.MonkeyPatch.context() as patch:
        server = uvicorn.Server(uvicorn.Config(_application(world, reader, patch), log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        wait_until(lambda: server.started, "the server of the pages", lambda: None if thread.is_alive() else "it ended")
        yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}/perennial", world, reader, addresses(world))
        server.should_exit = True
        thread.join()


def _application(world: World, reader: InProcess, patch: pytest.MonkeyPatch) -> Any:
    with warnings.catch_warnings(action="ignore"):  # what Airflow imports is deprecated here and there
        from airflow.api_fastapi.app import _AuthManagerState
        from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from airflow.api_fastapi.common.db.common import _get_session
        from airflow.api_fastapi.core_api.security import get_user
        from airflow.models.dag import DagModel

        from perennial_airflow.pages.app import create_app
        from perennial_airflow.pages.views import PREFIX
    from fastapi import FastAPI

    class OpenToAll(SimpleAuthManager):
        def get_authorized_dag_ids(self, **_: Any) -> set[str]:
            return {PREDICT, EVALUATE, RETRAIN}

    patch.setattr(_AuthManagerState, "instance", OpenToAll())
    patch.setattr(DagModel, "get_team_name", lambda dag_id: None)  # it would ask Airflow's database
    pages = create_app()
    pages.state.reader = reader
    pages.dependency_overrides |= {
        get_user: lambda: SimpleAuthManagerUser(username="ada", role="ADMIN"),
        _get_session: lambda: Runs(world),
    }
    airflow = FastAPI()
    airflow.mount(PREFIX, pages)
    return airflow


@dataclass(frozen=True)
class Runs:
    """What Airflow's database says of the runs that have pages; all others are not there."""

    world: World

    def scalar(self, statement: Any) -> Any:
        start, one, several = (self.world.day(number).start for number in (30, 31, 36))
        found = {
            ONE_WINDOW: _run("scheduled", one, start),
            SEVERAL_WINDOWS: _run("backfill", several, start),
            EVALUATED: _run("manual", self.world.day(34).start),
            RETRAINED: _run("manual", self.world.day(33).start),
        }
        return next((found[given] for given in statement.compile().params.values() if given in found), None)


def _run(run_type: str, end: datetime, start: datetime | None = None) -> Any:
    conf = {} if start else {"as_of": end.isoformat()}
    return SimpleNamespace(
        run_type=run_type, data_interval_start=start, data_interval_end=end if start else None, run_after=end, conf=conf
    )
