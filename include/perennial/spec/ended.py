"""`ended.yaml`: what stands beside the spec of a use case that was decommissioned.

`perennial decommission` writes it, so that DAGs know without asking a database. The ledger has
the same, and refuses what is new; the file ends the schedules.
"""

from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, Field

from perennial.errors import InvalidSettings
from perennial.spec.document import read_document
from perennial.spec.explain import validated
from perennial.spec.fields import Spec
from perennial.spec.problems import Violation
from perennial.spec.yaml_values import yaml_value

ENDED_FILE = "ended.yaml"
_HEAD = (
    "# Written by `perennial decommission`. Keep it beside the spec: with it, nothing of the use case is scheduled.\n"
)


class Ended(Spec):
    """When the use case was ended, by whom and why."""

    at: AwareDatetime
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)

    def __str__(self) -> str:
        return f"ended on {self.at:%Y-%m-%d} by {self.by}: {self.reason.rstrip('.')}"


def read_ended(folder: Path) -> tuple[Ended | None, list[Violation]]:
    """What the folder's file says, None where there is none, and what is wrong with it."""
    file = folder / ENDED_FILE
    if not file.is_file():
        return None, []
    document, violations = read_document(file)
    if document is None:
        return None, violations
    ended, found = validated(Ended, document)
    return ended, violations + found


def write_ended(folder: Path, at: datetime, by: str, reason: str) -> None:
    """Write the file. Errors: `InvalidSettings`, with what to write by hand, where the folder can't be written."""
    said = {"at": at.isoformat(), "by": by, "reason": reason}
    text = _HEAD + "".join(f"{name}: {yaml_value(value)}\n" for name, value in said.items())
    try:
        (folder / ENDED_FILE).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidSettings(
            f"{folder / ENDED_FILE} could not be written: {error}. Everything else was done. Put the file there "
            f"yourself, so that Airflow no longer schedules the use case:\n{text}"
        ) from error
