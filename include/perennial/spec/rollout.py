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
        description="The shortest time for which the challenger scores every window beside the champion, "
        "unpublished. The shadow ends when the challenger is better beyond chance, or surely not better. "
        "Without it there is no shadow.",
    )
    canary: tuple[int, ...] = Field(
        (),
        description="The percentages of rows that the challenger predicts after the shadow, one stage after the "
        "other. After the last stage it is the champion.",
    )
    patience: Duration = Field(
        timedelta(days=90),
        description="A stage that is still undecided after this time asks for a person. It goes on meanwhile.",
    )

    standby: bool = Field(
        False,
        description="Whether the previous champion is kept ready after a switch: it is tried every night, and you "
        "are told when it could not take over.",
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
                text = (
                    f"must be from 1 to {MOST}: after the last stage the challenger predicts all rows anyway, so "
                    "leave 100 out"
                )
                problems.append(Problem(("canary", position), text))
            elif position and share <= self.canary[position - 1]:
                text = f"must be more than {self.canary[position - 1]}, the stage before"
                problems.append(Problem(("canary", position), text))
        if self.shadow is not None and self.patience <= self.shadow:
            problems.append(
                Problem(("patience",), "must be longer than shadow: nothing is decided before the shadow ends")
            )
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
