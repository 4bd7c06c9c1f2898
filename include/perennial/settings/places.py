"""The settings of this process, read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perennial.errors import InvalidSettings
from perennial.settings import table
from perennial.settings.environment import (
    LOCAL_ENVIRONMENT,
    Environment,
    process_environment,
    read_local_environment,
)
from perennial.settings.names import APPROVER_ROLES


@dataclass(frozen=True)
class Settings:
    """Addresses and folders. Databases are named connections, never addresses.

    `environment` is what was read: the process's variables over those of `<home>/local.env`, which `make run` writes
    so that a shell beside it finds the same system.
    """

    home: Path
    use_cases: Path
    lake_url: str
    lake_connection: str | None
    anchors_url: str
    archive_url: str
    environment: Environment
    approver_roles: tuple[str, ...] = APPROVER_ROLES
    least_free_disk: float = 2.0  # GB

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> "Settings":
        """The settings that the variables (default: the process's) describe; `perennial.settings.table` has them all.

        Secrets are read when they are asked for: a process needs only the files of those it uses. Errors:
        `InvalidSettings` for a value that is not allowed.
        """
        given = process_environment() if variables is None else Environment(variables)
        home = table.HOME.read(given) or table.CHECKOUT / ".perennial"
        environment = given.over(read_local_environment(home / LOCAL_ENVIRONMENT))
        lake_url = table.LAKE_URL.read(environment) or str(home / "lake")
        least_free = table.LEAST_FREE_DISK.read(environment)
        return cls(
            home=home,
            use_cases=table.USE_CASES.read(environment) or table.CHECKOUT / "include" / "use_cases",
            lake_url=lake_url,
            lake_connection=table.LAKE_CONNECTION.read(environment),
            anchors_url=table.ANCHORS_URL.read(environment) or f"{lake_url.rstrip('/')}/anchors",
            archive_url=table.ARCHIVE_URL.read(environment) or f"{lake_url.rstrip('/')}/archive",
            environment=environment,
            approver_roles=table.ROLES.read(environment) or APPROVER_ROLES,
            least_free_disk=cls.least_free_disk if least_free is None else least_free,
        )

    @property
    def metrics_token(self) -> str:
        """What opens the metrics for a scraper; "" where nothing does. Errors: `InvalidSettings`."""
        return table.METRICS_TOKEN.read(self.environment) or ""

    @property
    def log_format(self) -> str:
        """How the command line writes its log: text or json. Errors: `InvalidSettings`."""
        return table.LOG_FORMAT.read(self.environment) or "text"

    @property
    def mlflow_url(self) -> str:
        """The tracking server's URL; "" where there is none. Errors: `InvalidSettings`."""
        return table.MLFLOW_URL.read(self.environment) or ""

    def require_mlflow(self) -> str:
        """The tracking server's URL. Errors: `InvalidSettings` when there is none."""
        if not self.mlflow_url:
            raise InvalidSettings(
                "PERENNIAL_MLFLOW_URL is not set, so there is nowhere to load models from or register them. "
                "Set it to your MLflow tracking server, or start the local system with `make run`."
            )
        return self.mlflow_url
