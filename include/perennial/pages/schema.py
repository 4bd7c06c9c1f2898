"""The JSON Schemas of what the pages answer scripts: one file a page in docs/pages, made from the dataclasses.

`python -m perennial.pages.schema docs/pages` writes them all anew.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from perennial.alerting.report import AlertsReport
from perennial.card.statements import ModelCard
from perennial.pages.views.preview import BackfillPreview
from perennial.pages.views.quarantine import InQuarantine
from perennial.pages.views.suggestions import SuggestedSuite
from perennial.review.comparison.choices import Choices
from perennial.review.comparison.models import ModelsCompared
from perennial.review.comparison.revisions import RevisionsCompared
from perennial.review.comparison.windows import WindowsCompared
from perennial.review.evaluation_report import EvaluationReport
from perennial.review.explain import PredictionEvidence
from perennial.review.open_questions import OpenQuestions
from perennial.review.portfolio import Portfolio
from perennial.review.quarantined import QuarantinedEvidence
from perennial.review.retraining_report import RetrainingReport
from perennial.review.timeline import Timeline
from perennial.review.use_case_report import UseCaseReport
from perennial.review.window_report import WindowReport

# What each of `perennial.pages.answer.VIEWS` finds. A view may find one of several.
FOUND: dict[str, Any] = {
    "home": Portfolio,
    "use_case": UseCaseReport,
    "window": WindowReport,
    "interval": WindowReport | Timeline,
    "retraining": RetrainingReport,
    "evaluation": EvaluationReport,
    "compare": WindowsCompared | ModelsCompared | RevisionsCompared | Choices,
    "preview": BackfillPreview,
    "quarantine": InQuarantine,
    "quarantined": QuarantinedEvidence,
    "suggestions": SuggestedSuite,
    "evidence": PredictionEvidence,
    "alerts": AlertsReport,
    "review": OpenQuestions,
    "card": ModelCard,
}
SUFFIX = ".schema.json"


class _AsWritten(GenerateJsonSchema):
    """Every field is written, and a number that could not be computed (NaN, infinite) is written as null."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,  # noqa: ARG002
        total: bool,  # noqa: ARG002 - pydantic asks for it
    ) -> bool:
        return True

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return {"anyOf": [super().float_schema(schema), {"type": "null"}]}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        return inner if {"type": "null"} in inner.get("anyOf", ()) else super().nullable_schema(schema)

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return {**super().dataclass_schema(schema), "additionalProperties": False}

    def generate(self, schema: CoreSchema, mode: Any = "serialization") -> JsonSchemaValue:
        return {"$schema": self.schema_dialect, **super().generate(schema, mode)}


def page_schema(view: str) -> dict[str, Any]:
    """The schema of a view's JSON. Every field that is written is in it, and no other may be there."""
    return TypeAdapter(FOUND[view]).json_schema(mode="serialization", schema_generator=_AsWritten)


def schema_text(view: str) -> str:
    """The schema as the text of `docs/pages/<view>.schema.json`."""
    return json.dumps(page_schema(view), indent=2) + "\n"


def write_all(folder: Path) -> None:
    """Write the schema of every view into the folder, and remove those of views that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    for view in FOUND:
        (folder / f"{view}{SUFFIX}").write_text(schema_text(view))
    for file in folder.glob(f"*{SUFFIX}"):
        if file.name.removesuffix(SUFFIX) not in FOUND:
            file.unlink()


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
