"""All checks that need no Airflow, by name, in the order in which they are reported."""

from collections.abc import Callable

from perennial.doctor.checks import configuration, databases, machine, mlflow, rights, storage, versions
from perennial.doctor.deployment import Deployment
from perennial.doctor.finding import Found

Check = Callable[[Deployment], Found]

# A check that can find nothing while another one fails, which says why.
NEEDS = {
    "ledger migrations": "ledger",
    "ledger writer": "ledger",
    "clock": "ledger",
    "mlflow artefacts": "mlflow",
}
CHECKS: dict[str, Check] = {
    "settings": configuration.settings_are_allowed,
    "specs": configuration.specs_are_valid,
    "versions": versions.packages_are_in_range,
    "lock": versions.packages_are_as_locked,
    "disk": machine.disk_is_free,
    "ledger": databases.ledger_answers,
    "ledger migrations": databases.migrations_are_current,
    "ledger writer": rights.ledger_writer_appends,
    "ledger reader": rights.ledger_reader_only_reads,
    "published tables": databases.published_answers,
    "published reader": rights.published_reader_only_reads,
    "clock": machine.clock_is_right,
    "lake": storage.lake_is_usable,
    "conditional put": storage.second_writer_loses,
    "archive": storage.archive_is_usable,
    "anchors": storage.anchors_are_readable,
    "mlflow": mlflow.server_answers,
    "mlflow artefacts": mlflow.artefacts_come_back,
}
