"""Every setting there is, in one table. `perennial settings --markdown` writes docs/settings.md from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perennial.settings.names import APPROVER_ROLES
from perennial.settings.setting import (
    AMOUNT,
    CONNECTION,
    CONNECTION_NAME,
    FLAG,
    HTTP,
    LOG_FORMATS,
    NAMES,
    PATH,
    PLACE,
    TEXT,
    Setting,
)

CHECKOUT = Path(__file__).resolve().parents[3]

HOME = Setting(
    "PERENNIAL_HOME", PATH, ".perennial in the checkout", "local files: caches, and the lake unless it is elsewhere"
)
USE_CASES = Setting("PERENNIAL_USE_CASES", PATH, "include/use_cases in the checkout", "the folder of use cases")
LAKE_URL = Setting(
    "PERENNIAL_LAKE_URL", PLACE, "lake in PERENNIAL_HOME", "where the lake is; a store on S3 must have conditional puts"
)
LAKE_CONNECTION = Setting(
    "PERENNIAL_LAKE_CONNECTION", CONNECTION_NAME, "the AWS variables below",
    "the connection of type aws for the lake, its anchors and its archive on S3",
)  # fmt: skip
ANCHORS_URL = Setting(
    "PERENNIAL_ANCHORS_URL",
    PLACE,
    "anchors in the lake",
    "where the ledger's anchors are kept; a bucket with object lock is best",
)
ARCHIVE_URL = Setting(
    "PERENNIAL_ARCHIVE_URL", PLACE, "archive in the lake", "where models of archived versions go with `artefacts: move`"
)
MLFLOW_URL = Setting(
    "PERENNIAL_MLFLOW_URL", HTTP, "required", "the MLflow tracking server, with user and password if it asks for them",
    is_secret=True,
)  # fmt: skip
ROLES = Setting(
    "PERENNIAL_APPROVER_ROLES", NAMES, ",".join(APPROVER_ROLES),
    "Airflow roles whose answers approve a model of medium or high risk",
)  # fmt: skip
METRICS_TOKEN = Setting(
    "PERENNIAL_METRICS_TOKEN", TEXT, "only logged-in users",
    "lets Prometheus read `perennial/metrics` of the API server; 16 characters or more",
    is_secret=True,
)  # fmt: skip
LOG_FORMAT = Setting("PERENNIAL_LOG_FORMAT", LOG_FORMATS, "text", "how the command line writes its log")
LEAST_FREE_DISK = Setting(
    "PERENNIAL_LEAST_FREE_DISK", AMOUNT, "2",
    "how much space must be free on each disk: `perennial doctor` fails below it, and warns below twice as much",
    unit="GB",
)  # fmt: skip


def _database(name: str, default: str, meaning: str) -> Setting[str]:
    variable = f"AIRFLOW_CONN_{name.upper()}"
    return Setting(variable, CONNECTION, default, meaning, is_secret=True, airflow=f"connection {name}")


LEDGER = _database("perennial_ledger", "required", "the ledger's PostgreSQL")
PUBLISHED = _database("perennial_published", "required", "the PostgreSQL of the published tables; may be the same")
LEDGER_READ = _database(
    "perennial_ledger_reader",
    "the user of perennial_ledger",
    "the ledger, as a user who may only read, for the review pages",
)
PUBLISHED_READ = _database(
    "perennial_published_reader", "the user of perennial_published", "the same for the published tables"
)

_AWS_ORDER = "AWS's own chain of defaults"
AWS = (
    Setting("AWS_ACCESS_KEY_ID", TEXT, _AWS_ORDER, "the access key for a lake on S3"),
    Setting("AWS_SECRET_ACCESS_KEY", TEXT, _AWS_ORDER, "the secret of that access key", is_secret=True),
    Setting("AWS_SESSION_TOKEN", TEXT, _AWS_ORDER, "the token of temporary keys", is_secret=True),
    Setting("AWS_REGION", TEXT, "AWS_DEFAULT_REGION", "the bucket's region"),
    Setting("AWS_DEFAULT_REGION", TEXT, _AWS_ORDER, "the bucket's region, where AWS_REGION is not set"),
    Setting("AWS_ENDPOINT_URL", HTTP, "AWS itself", "the address of another store with S3's API"),
)

AIRFLOW = (
    Setting(
        "AIRFLOW__API__BASE_URL", HTTP, "no links",
        "where people reach Airflow: links in alerts and evidence begin with it",
        airflow="option [api] base_url",
    ),
    Setting(
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", CONNECTION, "what airflow.cfg says",
        "at the command line: says that an Airflow is set up here, which is then asked for connections",
        is_secret=True, airflow="option [database] sql_alchemy_conn",
    ),
    Setting("AIRFLOW_CONFIG", PATH, "airflow.cfg in AIRFLOW_HOME", "the same: Airflow's configuration file"),
    Setting("AIRFLOW_HOME", PATH, "~/airflow", "the same: Airflow's folder"),
)  # fmt: skip

# Defaults that Perennial gives to the client of MLflow; what the environment says comes first.
MLFLOW = (
    Setting("MLFLOW_HTTP_REQUEST_TIMEOUT", AMOUNT, "30", "for how long one request may take", unit="s"),
    Setting("MLFLOW_HTTP_REQUEST_MAX_RETRIES", AMOUNT, "2", "how often a request is repeated", unit="times"),
    Setting("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", AMOUNT, "1", "the first pause between them, which doubles", unit="s"),
    Setting("MLFLOW_DISABLE_TELEMETRY", FLAG, "true", "whether MLflow's reports to its makers are off"),
    Setting("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", FLAG, "false", "whether progress bars are written into logs"),
    Setting(
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", FLAG, "true", "whether addresses are left out of commands' output"
    ),
)


@dataclass(frozen=True)
class Group:
    """Settings that belong together."""

    title: str
    introduction: str
    settings: tuple[Setting[Any], ...]


GROUPS: tuple[Group, ...] = (
    Group(
        "Perennial", "",
        (HOME, USE_CASES, LAKE_URL, LAKE_CONNECTION, ANCHORS_URL, ARCHIVE_URL, MLFLOW_URL, ROLES, LEAST_FREE_DISK,
         METRICS_TOKEN, LOG_FORMAT),
    ),
    Group(
        "Databases",
        "In Airflow these are connections, wherever it keeps them: its database, its variables, or a secrets backend. "
        "So are the connections that `use_case.yaml` names (`AIRFLOW_CONN_<NAME>`).",
        (LEDGER, PUBLISHED, LEDGER_READ, PUBLISHED_READ),
    ),
    Group("S3", "Without PERENNIAL_LAKE_CONNECTION, a lake on S3 is reached by these.", AWS),
    Group("Airflow", "Settings of Airflow's own that Perennial reads, too.", AIRFLOW),
    Group(
        "MLflow",
        "Settings of MLflow's client for which Perennial has defaults of its own. MLflow reads them: no `_FILE` here.",
        MLFLOW,
    ),
)  # fmt: skip

SETTINGS: dict[str, Setting[Any]] = {each.name: each for group in GROUPS for each in group.settings}
