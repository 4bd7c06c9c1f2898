"""How a new model comes into service after it was judged better: in the shadow first, then for some of the rows."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from perennial.spec.fields import Duration, Spec
from perennial.spec.problems import Problem, broken_rules

SHADOW = 0  # the share of rows that a challenger in the shadow predicts
MOST = 99


class Rollout(Spec):
    """The stages of a roll-out. A stage ends by evidence of final windows, not by time alone."""

    shadow: Duration | None = Field(
        None,
        description="How long at least the challenger scores every window beside the champion, unpublished. The shadow "
        "ends when the challenger is better beyond chance, or is surely not. Without it there is none.",
    )
    canary: tuple[int, ...] = Field(
        (),
        description="The percentages of rows that the challenger predicts then, one stage after the other. After the "
        "last one it is the champion.",
    )
    patience: Duration = Field(
        timedelta(days=90),
        description="After how long a stage that could not be decided asks for a person. It goes on meanwhile.",
    )

    standby: bool = Field(
        False,
        description="Whether the previous champion is kept ready after a switch: tried every night, and told of when "
        "it could not take over.",
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        problems = []
        if self.shadow is None and not self.canary and not self.standby:
            text = (
                "has no stage; give a shadow (14d), a canary ([5, 25]), or both, or keep the previous champion ready "
                "(standby: true), or leave rollout out"
            )
            problems.append(Problem((), text))
        for position, share in enumerate(self.canary):
            if not 1 <= share <= MOST:
                text = f"must be from 1 to {MOST}: after the last stage, all rows are the challenger's without a line"
                problems.append(Problem(("canary", position), text))
            elif position and share <= self.canary[position - 1]:
                text = f"must be more than {self.canary[position - 1]}, the stage before"
                problems.append(Problem(("canary", position), text))
        if self.shadow is not None and self.patience <= self.shadow:
            problems.append(Problem(("patience",), "must be longer than shadow, before whose end nothing is decided"))
        if problems:
            raise broken_rules(problems)
        return self

    @property
    def shares(self) -> tuple[int, ...]:
        """The percentage of rows in each stage, in their order; 0 is the shadow. Without any, a winner is the champion
        at once.
        """
        return (*(() if self.shadow is None else (SHADOW,)), *self.canary)

    def after(self, share: int) -> int | None:
        """The share of the stage after this one; None where the challenger is the champion then.

        A stage that the spec has no more is followed by the next greater one that it has.
        """
        return next((each for each in self.shares if each > share), None)


def has_stages(rollout: Rollout | None) -> bool:
    """Whether a winner passes stages before it is the champion."""
    return rollout is not None and bool(rollout.shares)


def keeps_standby(rollout: Rollout | None) -> bool:
    """Whether the previous champion is kept ready."""
    return rollout is not None and rollout.standby
