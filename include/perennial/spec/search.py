"""What of a candidate is searched for: values to try, or a range to draw them from."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from perennial.spec.fields import Spec
from perennial.spec.problems import Problem, broken_rules


class SearchRange(Spec):
    """Numbers from `low` to `high`, both included; whole ones where both are."""

    low: int | float
    high: int | float
    log: bool = Field(False, description="Whether small and large ones are equally likely: 0.01 to 0.1 as 0.1 to 1.")

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.low >= self.high:
            raise broken_rules([Problem(("high",), f"must be more than low, {self.low:g}")])
        if self.log and self.low <= 0:
            raise broken_rules([Problem(("low",), "must be above 0 where log is true")])
        return self

    @property
    def whole(self) -> bool:
        """Whether whole numbers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Searched = SearchRange | Annotated[tuple[Any, ...], Field(min_length=1)]
Search = dict[str, Searched]
