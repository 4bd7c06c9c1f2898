"""What a training set must be like before anything is trained on it."""

from typing import Self

from pydantic import Field, model_validator

from perennial.spec.fields import Spec
from perennial.spec.problems import Problem, broken_rules


class TrainingChecks(Spec):
    """Bounds of the labels of a training set; one outside is not trained on."""

    label_rate: tuple[float, float] | None = Field(
        None,
        description="The lowest and the highest plausible share of positive labels, classification only: [0.05, "
        "0.4]. Outside of it the labels are probably wrong.",
    )
    min_class_rows: int = Field(
        10,
        ge=1,
        description="How many rows of each outcome the training part and the holdout must each have, classification "
        "only.",
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.label_rate is not None:
            low, high = self.label_rate
            if not 0 <= low < high <= 1:
                text = "are two shares from 0 to 1, the lower one first: [0.05, 0.4]"
                raise broken_rules([Problem(("label_rate",), text)])
        return self
