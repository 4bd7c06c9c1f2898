"""What of a candidate is searched for: values to try, or a range to draw them from."""

import math
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from perennial.spec.fields import Spec
from perennial.spec.problems import Problem, broken_rules


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise broken_rules([Problem((), "must be a number")])
    return value


Number = Annotated[int | float, BeforeValidator(_number)]


class SearchRange(Spec):
    """Numbers from `low` to `high`, both included; whole ones where both are."""

    low: Number
    high: Number
    log: bool = Field(
        False,
        description="Whether values are drawn on a logarithmic scale: then 0.01 to 0.1 is as likely as 0.1 to 1.",
    )

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


_RANGE, _VALUES = "range", "values"
Searched = Annotated[
    Annotated[SearchRange, Tag(_RANGE)] | Annotated[tuple[Any, ...], Field(min_length=1), Tag(_VALUES)],
    Discriminator(lambda value: _RANGE if isinstance(value, dict | SearchRange) else _VALUES),
]
Search = dict[str, Searched]
