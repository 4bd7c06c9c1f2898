"""The JSON Schema of `use_case.yaml`, for editors."""

import json
import sys
from typing import Any

from perennial.spec.models import UseCase


def use_case_schema() -> dict[str, Any]:
    """The schema, with the names of estimators and metrics spelled out."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **UseCase.model_json_schema()}


def schema_text() -> str:
    """The schema as the text of `docs/use_case.schema.json`."""
    return json.dumps(use_case_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
