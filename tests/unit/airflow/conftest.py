"""What tests of the plugins share, which are loaded as Airflow loads them."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from airflow.plugins_manager import ensure_plugins_loaded

from perennial.spec.load import LoadedUseCase, load_use_case
from perennial_airflow.run import Run

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

with warnings.catch_warnings(action="ignore"):  # its reader of .airflowignore uses a name that is deprecated
    ensure_plugins_loaded()


class MakeRun(Protocol):
    """A run of `flight_delays.predict`, as the test wants it."""

    def __call__(
        self, run_type: str = "manual", interval: tuple[datetime, datetime] | None = None, **params: Any
    ) -> Run: ...


@pytest.fixture
def make_run() -> MakeRun:
    def make(run_type: str = "manual", interval: tuple[datetime, datetime] | None = None, **params: Any) -> Run:
        return Run(
            name=f"flight_delays.predict/{run_type}__1",
            run_type=run_type,
            interval=interval,
            run_after=datetime(2013, 6, 1, 12, 30, tzinfo=UTC),
            params=params,
            actor="ada",
        )

    return make


@pytest.fixture
def session() -> Iterator["Session"]:
    """A session with an empty database of Airflow's."""
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    import_all_models()
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine, autoflush=False, expire_on_commit=False) as session:
        yield session


@pytest.fixture(scope="session")
def use_case(repository: Path) -> LoadedUseCase:
    return load_use_case(repository / "include" / "use_cases" / "flight_delays")


@pytest.fixture(scope="session")
def sparse_use_case(use_case: LoadedUseCase) -> LoadedUseCase:
    """The same, with empty windows allowed."""
    return replace(use_case, spec=use_case.spec.model_copy(update={"allow_empty": True}))
