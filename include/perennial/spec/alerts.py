"""Who is told when a use case needs a person: routes, from severities to Airflow's connections."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, Field

from perennial.spec.fields import CLASS_PATTERN, CONNECTION_PATTERN, Duration, Spec
from perennial.spec.problems import Problem, broken_rules


class Severity(StrEnum):
    """How bad it is, the worst first."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+", re.ASCII)


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise broken_rules([Problem((), "not an e-mail address, such as ops@example.org")])
    return text


ConnectionName = Annotated[str, Field(pattern=CONNECTION_PATTERN)]
Address = Annotated[str, AfterValidator(_address)]


class Route(Spec):
    """One receiver, and what it is told."""

    connection: ConnectionName = Field(description="Airflow connection of the type smtp or http, or of the notifier.")
    severities: tuple[Severity, ...] = Field(
        (Severity.CRITICAL, Severity.WARNING), min_length=1, description="Which alerts are sent there."
    )
    approvals_only: bool = Field(
        False,
        description="Send only alerts about a new model that waits for approval: for people who need no others.",
    )
    recipients: tuple[Address, ...] = Field((), description="Who is mailed, over a connection of the type smtp.")
    repeat_after: Duration = Field(
        timedelta(days=1),
        description="After how long an alert is sent again if its cause is still there and nobody has acknowledged it.",
    )
    notifier: str | None = Field(
        None,
        pattern=CLASS_PATTERN,
        description="Class of an installed provider that sends it. Default: by the connection's type, smtp or http.",
    )
    arguments: dict[str, Any] = Field(
        {}, description="More arguments of the notifier, such as {endpoint: hooks/perennial} of http."
    )

    @property
    def name(self) -> str:
        """What the receiver is called in the records. Other recipients are another receiver."""
        return " ".join([self.connection, *sorted(self.recipients)])


def _each_once(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    names = [route.name for route in routes]
    problems = [
        Problem(
            (position,),
            f"goes to the same place as an earlier route ({name}), which would get each alert twice: join the two",
        )
        for position, name in enumerate(names)
        if name in names[:position]
    ]
    if problems:
        raise broken_rules(problems)
    return routes


Routes = Annotated[tuple[Route, ...], AfterValidator(_each_once)]


class Telling(Protocol):
    """What has people to tell: a use case, or as much as can be read of one."""

    @property
    def name(self) -> str:
        """The use case's name."""

    @property
    def title(self) -> str:
        """What people call it."""

    @property
    def alerts(self) -> Routes:
        """Who is told."""
