"""What is decided by a prediction, and what right and wrong decisions cost."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from perennial.spec.fields import Spec
from perennial.spec.names import Task
from perennial.spec.problems import Problem, broken_rules
from perennial.spec.training import Training

AUTO = "auto"
COST = "cost"  # the metric's name


def _threshold(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value == AUTO or (number and 0 <= value <= 1):
        return value
    raise broken_rules([Problem((), "must be a probability, from 0 to 1, or auto: the one that costs least")])


Threshold = Annotated[
    float | Literal["auto"],
    BeforeValidator(_threshold),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"const": AUTO}]}),
]


class Costs(Spec):
    """What a row costs by what was decided and what came true, in one unit of your choice; a benefit is negative."""

    false_positive: float = Field(description="Decided for, and the outcome did not come.")
    false_negative: float = Field(description="Not decided for, and the outcome came.")
    true_positive: float = Field(0.0, description="Decided for, and the outcome came.")
    true_negative: float = Field(0.0, description="Not decided for, and the outcome did not come.")

    @model_validator(mode="after")
    def _errors_cost(self) -> Self:
        pairs = (("false_positive", "true_negative"), ("false_negative", "true_positive"))
        problems = [
            Problem((wrong,), f"a wrong decision must cost more than the right one, {right} ({getattr(self, right):g})")
            for wrong, right in pairs
            if getattr(self, wrong) <= getattr(self, right)
        ]
        if problems:
            raise broken_rules(problems)
        return self

    @property
    def break_even(self) -> float:
        """The probability from which on deciding for a row costs less than not to, if probabilities are right.

        >>> Costs(false_positive=1, false_negative=9).break_even
        0.1
        """
        regret = self.false_positive - self.true_negative
        return regret / (regret + self.false_negative - self.true_positive)


class Decision(Spec):
    """The decision that follows from a prediction: by a threshold, or for so many rows of each window."""

    threshold: Threshold | None = Field(
        None,
        description="Rows with this probability or a higher one are decided for. `auto`: the threshold that costs "
        "least, chosen for each new model on predictions of rows that it had not seen.",
    )
    top_k: int | None = Field(
        None,
        ge=1,
        description="This number of rows of each window is decided for: those with the highest predictions.",
    )
    top_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="This share of each window's rows, rounded up, is decided for: those with the highest predictions.",
    )
    costs: Costs | None = Field(
        None,
        description="What right and wrong decisions cost. With it, cost is measured, and may be the deciding metric.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name in _WAYS if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"; found {' and '.join(given)}" if given else ""
            raise broken_rules([Problem((), f"takes exactly one of {', '.join(_WAYS)}{found}")])
        if self.threshold == AUTO and self.costs is None:
            raise broken_rules(
                [
                    Problem(
                        ("threshold",),
                        "auto is the threshold that costs least; say under costs what right and wrong decisions cost",
                    )
                ]
            )
        return self


_WAYS = ("threshold", "top_k", "top_share")


def decision_problems(task: Task | None, training: Training | None, decision: Decision | None) -> list[Problem]:
    """A decision needs probabilities, and cost as a metric needs costs."""
    problems = []
    if decision is not None and task is Task.REGRESSION:
        text = "decisions follow from probabilities, and a regression predicts values; leave this key out"
        problems.append(Problem(("decision",), text))
    without = decision is None or decision.costs is None
    if training is not None and training.metric == COST and task is not Task.REGRESSION and without:
        text = "is what decisions cost; say under decision.costs what right and wrong decisions cost"
        problems.append(Problem(("training", "metric"), text))
    return problems
