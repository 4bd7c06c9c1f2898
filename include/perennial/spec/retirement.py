"""What is kept how long, and what becomes of a version that no longer serves."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field, GetJsonSchemaHandler, TypeAdapter, model_validator
from pydantic_core import CoreSchema

from perennial.spec.fields import Duration, DurationOrForever, Spec, parse_duration


class Artefacts(StrEnum):
    """What becomes of an archived version's files in the model registry."""

    KEEP = "keep"
    MOVE = "move"


class Archive(Spec):
    """When versions are archived, and how. What shows how a version came to be is kept for good."""

    after: Duration | None = Field(
        None,
        description="How long after it was superseded a version is archived. Without it: as long as replaced data is "
        "kept.",
    )
    artefacts: Artefacts = Field(
        Artefacts.KEEP,
        description="keep: files stay in the model registry. move: the model and its reference go to the archive "
        "(PERENNIAL_ARCHIVE_URL), and what can be made again (exports, examples) is removed.",
    )


class RowClass(StrEnum):
    """Rows of windows that may go by age, in the order in which they go: what explains others goes after them."""

    PUBLISHED = "published"
    PREDICTIONS = "predictions"
    QUARANTINE = "quarantine"
    LABELS = "labels"
    RAW = "raw"


class Retention(Spec):
    """How long data stays; written as a duration, it is that of replaced data. Rows of windows stay for ever, but for
    those of a class that has an age, which counts from the window's end.
    """

    replaced: Duration = Field(
        timedelta(weeks=52),
        description="How long replaced data stays readable. Data that is live or that a model was trained on always "
        "stays.",
    )
    rejected: DurationOrForever = Field(
        timedelta(days=90),
        description="How long the training sets, candidates and MLflow runs of a retraining are kept when none of "
        "its models ever served. The ledger's entries about them stay.",
    )
    published: DurationOrForever = Field(
        "forever", description="How long after a window's end its rows stay in the published table."
    )
    predictions: DurationOrForever = Field(
        "forever",
        description="How long after a window's end its predictions stay in the lake, including the shadow's.",
    )
    quarantine: DurationOrForever = Field(
        "forever", description="How long after a window's end the rows that validation set aside stay."
    )
    labels: DurationOrForever = Field("forever", description="How long after a window's end its labels stay.")
    raw: DurationOrForever = Field("forever", description="How long after a window's end its snapshots stay.")
    samples: DurationOrForever = Field(
        "forever",
        description="How long after a window's end its verdicts keep examples of cells. The verdicts themselves stay.",
    )

    @property
    def ages(self) -> dict[RowClass, timedelta]:
        """The ages of those classes of rows that have one."""
        found = {each: getattr(self, each.value) for each in RowClass}
        return {each: age for each, age in found.items() if isinstance(age, timedelta)}

    @model_validator(mode="before")
    @classmethod
    def _a_duration_alone(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Retention) else {"replaced": parse_duration(value)}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [TypeAdapter(Duration).json_schema(), handler(schema)]}
