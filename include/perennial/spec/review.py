"""Which predictions people are asked about: the doubtful ones, and a random share of all others."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from perennial.spec.columns import Column
from perennial.spec.fields import Spec
from perennial.spec.names import Task
from perennial.spec.problems import Problem, broken_rules, nearest


class Review(Spec):
    """Which rows of a window go to the review queue, and what a reviewer sees of them."""

    band: tuple[float, float] | None = Field(
        None, description="Predictions between the two are doubtful, and people are asked about them first."
    )
    random_share: float = Field(
        0.02, gt=0, le=1, description="The share of all other rows that is asked about. It makes the estimate unbiased."
    )
    limit: int = Field(50, ge=1, description="How many rows of a window are asked about at most, on average.")
    columns: tuple[str, ...] = Field(
        (), description="What a reviewer sees of a row. Default: every column that is not personal."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.band is not None and not 0 <= self.band[0] < self.band[1] <= 1:
            raise broken_rules([Problem(("band",), "write two probabilities, the lower one first, such as [0.4, 0.6]")])
        return self


def review_problems(review: Review, task: Task, columns: Mapping[str, Column]) -> list[Problem]:
    """What does not go together with the rest of the use case."""
    problems = [
        Problem(("review", "columns", position), "is no column of the use case", nearest(name, columns))
        for position, name in enumerate(review.columns)
        if name not in columns
    ]
    problems += [
        Problem(("review", "columns", position), "is personal: it is never shown or handed over; leave it out")
        for position, name in enumerate(review.columns)
        if name in columns and columns[name].personal
    ]
    if review.band is not None and task is not Task.BINARY_CLASSIFICATION:
        problems.append(Problem(("review", "band"), f"is about probabilities, and {task} predicts none: leave it out"))
    return problems
