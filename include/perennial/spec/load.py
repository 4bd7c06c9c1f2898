"""Reading a use case's folder: `use_case.yaml` and the files it names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perennial.digest import json_digest
from perennial.spec.models import UseCase


@dataclass(frozen=True)
class LoadedUseCase:
    """A valid spec, with the texts it names. `expectations` is the parsed suite; `queries` maps file name to SQL."""

    spec: UseCase
    folder: Path
    expectations: dict[str, Any]
    queries: dict[str, str]

    @property
    def suite_digest(self) -> str:
        """What the verdict on a snapshot depends on: columns, limits of quality, and the expectations."""
        quality = self.spec.quality.model_dump(mode="json")
        columns = {name: column.model_dump(mode="json") for name, column in self.spec.columns.items()}
        return json_digest({"columns": columns, "quality": quality, "expectations": self.expectations})

    @property
    def scoring_digest(self) -> str:
        """What predictions depend on beside rows and model: the task and the columns."""
        columns = [(name, column.model_dump(mode="json")) for name, column in self.spec.columns.items()]
        return json_digest({"task": self.spec.task, "columns": columns})

    @property
    def name(self) -> str:
        """The use case's name, which is also its folder's."""
        return self.spec.name
