"""When an alarm is raised, and when a model is retrained."""

from datetime import timedelta
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from perennial.errors import InvalidSpec
from perennial.spec.false_alarms import FalseAlarms, Period, Wish
from perennial.spec.fields import Duration, Spec
from perennial.spec.problems import Problem, broken_rules
from perennial.window import Every


class Season(StrEnum):
    """Which training windows are like a new one."""

    WEEKDAY = "weekday"
    YEAR = "year"


class Persistence(Spec):
    """How long evidence must persist: how many alarms in how many windows."""

    alarms: int = Field(ge=1)
    of: int = Field(ge=1)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.alarms > self.of:
            raise broken_rules([Problem(("alarms",), f"so many alarms can't happen in {self.of} windows")])
        return self


class Trigger(StrEnum):
    """What can call for retraining."""

    DRIFT = "drift"
    PERFORMANCE = "performance"
    ESTIMATE = "estimate"
    AGE = "age"


class Monitoring(Spec):
    """When an alarm is raised, and when a model is retrained."""

    false_alarms: Wish = Field(
        FalseAlarms(1, Period.WINDOW, 20),
        description="How many false alarms, which are alarms on ordinary windows, are accepted.",
    )
    false_retrains: Wish = Field(
        FalseAlarms(1, Period.YEAR),
        description="How often drift that is not real may call for retraining. The evidence of windows adds up until "
        "it is stronger than that.",
    )
    persistence: Persistence | None = Field(
        None, description="Retrain after this many alarms in this many windows, instead of by accumulated evidence."
    )
    min_importance: float = Field(
        0.01,
        ge=0,
        le=1,
        description="A column with a smaller share of the model's importance does not call for retraining by its own "
        "drift. 0 lets every column call.",
    )
    season: Season | None = Field(None, description="Compare a window only with training windows of the same season.")
    triggers: tuple[Trigger, ...] = Field(
        (Trigger.DRIFT, Trigger.PERFORMANCE, Trigger.AGE), description="What may call for retraining."
    )
    max_metric_loss: float | None = Field(
        None, gt=0, description="Retrain when the deciding metric is worse than at deployment by more than this."
    )
    min_rows: int | None = Field(
        None,
        ge=5,
        description="A window with fewer rows is not compared. Default: half of an ordinary window's, from 5 to 50.",
    )
    min_labelled_rows: int | None = Field(
        None,
        ge=30,
        description="With fewer rows in the trailing windows, performance decides nothing. Default: half of the rows "
        "that so many ordinary windows have, from 30 to 500.",
    )
    trailing_windows: int = Field(7, ge=1, description="How many windows performance is judged over.")
    max_age: Duration | None = Field(None, description="Retrain when the model was trained longer ago than this.")
    cooldown: Duration = Field(timedelta(days=14), description="Quiet time after a deployment or a retraining.")
    min_new_labels: int = Field(
        500,
        ge=0,
        description="With fewer final labels since the last training, nothing is retrained: there is too little new "
        "to learn.",
    )
    max_retrains_per_month: int = Field(4, ge=1, description="How many retrainings may start in any 30 days.")

    def problems(self, every: Every) -> list[Problem]:
        """What does not go together with windows of that length."""
        problems = []
        for name in ("false_alarms", "false_retrains"):
            budget: FalseAlarms = getattr(self, name)
            try:
                budget.level(every)
            except InvalidSpec as error:
                problems.append(Problem((name,), str(error)))
        if self.season is Season.WEEKDAY and every in (Every.WEEK, Every.MONTH):
            problems.append(Problem(("season",), f"windows of {every.words} have no weekday"))
        return problems
