"""The folder that holds everything a local system keeps: data, keys, logs, and which ports it used."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perennial.errors import InvalidSettings

NEEDED_BYTES = 1_500_000_000
PRIVATE = 0o600


@dataclass(frozen=True)
class Home:
    """The folder, by the names of what lies in it."""

    path: Path

    @property
    def lock(self) -> Path:
        """Held by the running supervisor; says where the system is."""
        return self.path / "run.lock"

    @property
    def processes(self) -> Path:
        """Which processes the supervisor started."""
        return self.path / "processes.json"

    @property
    def ports(self) -> Path:
        """Which ports the system used last."""
        return self.path / "ports.json"

    @property
    def keys(self) -> Path:
        """Generated secrets."""
        return self.path / "keys.json"

    @property
    def logs(self) -> Path:
        """The logs, one file per process."""
        return self.path / "logs"

    @property
    def postgres(self) -> Path:
        """The embedded server's files."""
        return self.path / "postgres" / "data"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME."""
        return self.path / "airflow"

    @property
    def artifacts(self) -> Path:
        """Where MLflow keeps models."""
        return self.path / "mlflow"

    def prepare(self) -> None:
        """Make the folders, and make sure that there is room.

        Errors: `InvalidSettings` when the folder can't be written or its disk is nearly full.
        """
        try:
            for folder in (self.path, self.logs, self.airflow, self.artifacts, self.postgres.parent):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".probe-{os.getpid()}"
            probe.write_text("can this folder be written?")
            probe.unlink()
        except OSError as error:
            raise InvalidSettings(
                f"{self.path} can't be written ({error.strerror}). Perennial keeps its local data there: "
                "make it writable, or set PERENNIAL_HOME to another folder."
            ) from error
        free = shutil.disk_usage(self.path).free
        if free < NEEDED_BYTES:
            raise InvalidSettings(
                f"The disk of {self.path} has {free / 1e9:.1f} GB left, and the local system needs "
                f"{NEEDED_BYTES / 1e9:.1f} GB. Make room, or set PERENNIAL_HOME to a folder on another disk."
            )


def read_json(path: Path) -> Any:
    """The parsed file; None when it is not there or was cut short."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def write_private(path: Path, text: str) -> None:
    """Put `text` into the file, whole or not at all, readable by its owner only."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=PRIVATE)
    partial.write_text(text)
    partial.replace(path)
