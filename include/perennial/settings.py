"""Where things are: the one module that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from perennial.errors import InvalidSettings

LEDGER_CONNECTION = "perennial_ledger"
PUBLISHED_CONNECTION = "perennial_published"
LEDGER_READER, PUBLISHED_READER = f"{LEDGER_CONNECTION}_reader", f"{PUBLISHED_CONNECTION}_reader"
LOCAL_ENVIRONMENT = "local.env"
APPROVER_ROLES = ("Admin", "Approver")


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
    mlflow_url: str
    anchors_url: str
    archive_url: str
    environment: Mapping[str, str]
    approver_roles: tuple[str, ...] = APPROVER_ROLES
    metrics_token: str = field(default="", repr=False)
    log_format: str = "text"

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> "Settings":
        """The settings that the variables (default: the process's) describe.

        | variable | meaning | default |
        | --- | --- | --- |
        | PERENNIAL_HOME | local files: caches, and the lake unless it is elsewhere | .perennial in the checkout |
        | PERENNIAL_USE_CASES | folder of use cases | include/use_cases in the checkout |
        | PERENNIAL_LAKE_URL | folder or s3:// URL of the lake | lake in PERENNIAL_HOME |
        | PERENNIAL_LAKE_CONNECTION | Airflow connection (aws) for an S3 lake | the AWS variables |
        | PERENNIAL_ANCHORS_URL | folder or s3:// URL of the ledger's anchors | anchors in the lake's |
        | PERENNIAL_ARCHIVE_URL | folder or s3:// URL of archived models | archive in the lake's |
        | PERENNIAL_MLFLOW_URL | MLflow tracking server | required |
        | PERENNIAL_APPROVER_ROLES | Airflow roles whose answers approve a model, with commas | Admin,Approver |
        | PERENNIAL_METRICS_TOKEN | opens `perennial/metrics` of the API server for Prometheus | nobody but users |
        | PERENNIAL_LOG_FORMAT | of the command line: text, or json | text |
        | AIRFLOW_CONN_PERENNIAL_LEDGER | the ledger's PostgreSQL, outside Airflow | required |
        | AIRFLOW_CONN_PERENNIAL_PUBLISHED | the published tables' PostgreSQL, outside Airflow | required |
        | AIRFLOW_CONN_PERENNIAL_LEDGER_READER | the ledger, as a user who may only read, for the pages | the ledger |
        | AIRFLOW_CONN_PERENNIAL_PUBLISHED_READER | the same for the published tables | the published tables |
        """
        given = dict(os.environ if variables is None else variables)
        checkout = Path(__file__).resolve().parents[2]
        home = Path(given.get("PERENNIAL_HOME") or checkout / ".perennial")
        environment = {**_read_local_environment(home / LOCAL_ENVIRONMENT), **given}
        lake_url = environment.get("PERENNIAL_LAKE_URL") or str(home / "lake")
        return cls(
            home=home,
            use_cases=Path(environment.get("PERENNIAL_USE_CASES") or checkout / "include" / "use_cases"),
            lake_url=lake_url,
            lake_connection=environment.get("PERENNIAL_LAKE_CONNECTION") or None,
            mlflow_url=environment.get("PERENNIAL_MLFLOW_URL", ""),
            anchors_url=environment.get("PERENNIAL_ANCHORS_URL") or f"{lake_url.rstrip('/')}/anchors",
            archive_url=environment.get("PERENNIAL_ARCHIVE_URL") or f"{lake_url.rstrip('/')}/archive",
            environment=environment,
            approver_roles=_names(environment.get("PERENNIAL_APPROVER_ROLES")) or APPROVER_ROLES,
            log_format=environment.get("PERENNIAL_LOG_FORMAT") or "text",
            metrics_token=environment.get("PERENNIAL_METRICS_TOKEN", ""),
        )

    def require_mlflow(self) -> str:
        """The tracking server's URL. Errors: `InvalidSettings` when there is none."""
        if not self.mlflow_url:
            raise InvalidSettings(
                "PERENNIAL_MLFLOW_URL is not set, so there is nowhere to load models from or register them. "
                "Set it to your MLflow tracking server, or start the local system with `make run`."
            )
        return self.mlflow_url


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in (text or "").split(","))))


def _read_local_environment(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}
