"""The columns of a use case: their kinds, and what each is for."""

from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from perennial.spec.fields import (
    Spec,
)
from perennial.spec.problems import Problem, broken_rules


class Kind(StrEnum):
    """The kind of values in a column."""

    NUMERIC = "numeric"
    INTEGER = "integer"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"


class Role(StrEnum):
    """What a column is for."""

    KEY = "key"
    EVENT_TIME = "event_time"
    FEATURE = "feature"
    MONITOR = "monitor"
    CARRY = "carry"


class TimePart(StrEnum):
    """A number read off a timestamp, in UTC."""

    HOUR = "hour"
    MINUTE_OF_DAY = "minute_of_day"
    WEEKDAY = "weekday"
    DAY_OF_MONTH = "day_of_month"
    DAY_OF_YEAR = "day_of_year"
    MONTH = "month"


class Column(Spec):
    """One column that the source delivers."""

    kind: Kind
    role: Role = Role.FEATURE
    nullable: bool = Field(True, description="Whether values may be missing; never for the key and the event time.")
    derive: tuple[TimePart, ...] = Field((), description="Numbers to derive from a timestamp and use as features.")
    from_: str | None = Field(
        None, alias="from", min_length=1, description="Its name in the source, if that is another one."
    )
    personal: bool = Field(
        False,
        description="Whether values are personal data. They are kept only where rows are kept, and withheld elsewhere.",
    )

    @model_validator(mode="before")
    @classmethod
    def _identity_is_never_null(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("role") in (Role.KEY, Role.EVENT_TIME):
            return {"nullable": False, **data}
        return data

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        problems = []
        if self.derive and self.kind is not Kind.TIMESTAMP:
            problems.append(
                Problem(("derive",), f"only a timestamp has parts; this column is {self.kind}. Leave this key out")
            )
        if len(set(self.derive)) != len(self.derive):
            problems.append(Problem(("derive",), "names a part twice"))
        if self.role is Role.EVENT_TIME and self.kind is not Kind.TIMESTAMP:
            problems.append(Problem(("kind",), "the event time must be a timestamp"))
        if self.role is Role.KEY and self.kind not in (Kind.INTEGER, Kind.CATEGORICAL):
            problems.append(Problem(("kind",), "the key names an entity, so it must be integer or categorical"))
        if self.role in (Role.KEY, Role.EVENT_TIME) and self.nullable:
            problems.append(Problem(("nullable",), f"the {self.role} can't be missing in a row; leave this key out"))
        if self.role is Role.EVENT_TIME and self.personal:
            text = (
                "windows are named by the event time, so it can't be withheld; keep a person's times in other columns"
            )
            problems.append(Problem(("personal",), text))
        if self.role is Role.FEATURE and self.kind is Kind.TIMESTAMP and not self.derive:
            text = "a timestamp is a feature through its parts: say which in 'derive', or give it another role"
            problems.append(Problem((), text))
        if problems:
            raise broken_rules(problems)
        return self
