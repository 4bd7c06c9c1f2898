"""What is learnt and how: the labels, the candidates and the training, with the rules between them."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from perennial.spec.columns import Column, Kind, Role
from perennial.spec.fairness import Fairness
from perennial.spec.fields import (
    ColumnName,
    Duration,
    EstimatorName,
    MetricName,
    Name,
    Spec,
)
from perennial.spec.names import ESTIMATORS, METRICS, Task
from perennial.spec.problems import Problem, broken_rules, nearest
from perennial.spec.search import Search
from perennial.spec.sources import PostgresSource, Source
from perennial.spec.training_checks import TrainingChecks
from perennial.spec.training_limits import TrainingLimits

NO_SKILL = "no_skill"


class Labels(Spec):
    """The outcome: where it comes from, and when it is known."""

    source: Source
    column: ColumnName = Field(
        description="The outcome. Null with an arrival time says that no outcome will come (a cancelled flight never "
        "lands): the row is not waited for, and takes no part in metrics and training."
    )
    arrival_time: ColumnName = Field(
        description="When the outcome became known, or when it became known that there will be none. A label without "
        "this time has not arrived."
    )
    mature_after: Duration = Field(description="How long after a window's end its labels are complete.")
    dated_by: Literal["event_time", "arrival_time"] = Field(
        "event_time",
        description="Which time the dates in the names of label files mean. By arrival time, labels need no event "
        "time: they find their rows by the key.",
    )
    from_: dict[ColumnName, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict,
        alias="from",
        json_schema_extra={"additionalProperties": {"type": "string"}},
        description="The names of the outcome, its arrival time or the key in the labels' source, if they are others.",
    )
    give_up_after: Duration = Field(
        timedelta(days=90), description="How long after mature_after overdue labels are still asked for."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.column == self.arrival_time:
            raise broken_rules(
                [Problem(("arrival_time",), "the outcome and the time when it became known are two columns")]
            )
        if self.source.ready is not None:
            text = "labels are never waited for: each evaluation takes what has arrived; leave this key out"
            raise broken_rules([Problem(("source", "ready"), text)])
        if self.dated_by == "arrival_time" and isinstance(self.source, PostgresSource):
            raise broken_rules(
                [
                    Problem(
                        ("dated_by",),
                        "is about the names of files, and a query says itself what it selects; leave this key out",
                    )
                ]
            )
        return self


class Candidate(Spec):
    """One pipeline to train: an estimator of the registry and its parameters."""

    name: Name
    estimator: EstimatorName
    parameters: dict[str, Any] = Field(default_factory=dict)
    search: Search = Field(
        default_factory=dict,
        description="Parameters to search for: lists of values, or ranges ({low: 0.01, high: 1, log: true}).",
    )
    calibrate: Literal["never", "auto", "always"] = Field(
        "never",
        description="Whether probabilities are calibrated by a sigmoid, classification only; auto: where that is "
        "better beyond chance on training windows that were left out.",
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        text = "is given in parameters; leave it out of one of the two"
        problems = [Problem(("search", name), text) for name in self.search if name in self.parameters]
        text = "has a mapping among its values, which can't be searched for; write a candidate for each"
        problems += [
            Problem(("search", name), text)
            for name, values in self.search.items()
            if isinstance(values, tuple) and any(isinstance(each, dict) for each in values)
        ]
        if problems:
            raise broken_rules(problems)
        return self


class Slices(Spec):
    """The groups of rows for none of which a new model may be worse."""

    columns: tuple[ColumnName, ...] = Field(
        min_length=1, description="Each value of each of these columns is a slice of the holdout."
    )
    margin: float = Field(
        0.02,
        ge=0,
        description="The loss in a slice that would not matter, in the metric's unit. A candidate that is worse in a "
        "slice by more than that, beyond chance, does not take over.",
    )


class Training(Spec):
    """What is trained, on what, and what it must beat."""

    history: Duration = Field(description="How far back the training set reaches.")
    holdout: Duration = Field(
        description="The newest part of the history with mature labels. Candidates and champion are judged on it."
    )
    min_rows: int = Field(1_000, ge=10)
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    metric: MetricName = Field(description="The metric that decides.")
    min_gain: float = Field(
        0.0,
        ge=0,
        description="The smallest gain of interest over the champion, in the metric's unit. A candidate takes over "
        "when it is better beyond chance, and a gain of this size is not ruled out.",
    )
    margin: float = Field(
        0.0,
        ge=0,
        description="The loss that would not matter, in the metric's unit. A candidate that surely loses less than "
        "that is called `not worse`, which does not promote it.",
    )
    slices: Slices | None = Field(None, description="Groups of rows that are judged one by one. Without it: none.")
    fairness: Fairness | None = Field(
        None,
        description="Groups that a candidate's decisions must not treat more differently than the champion's do. "
        "Without it: none.",
    )
    seed: int = 0
    immature: Literal["leave_out", "weighted"] = Field(
        "leave_out",
        description="What happens to windows whose labels are not mature: they are left out, or the refit learns "
        "from them and gives a label more weight the fewer of its kind have usually arrived at that age. "
        "Nothing is judged by them.",
    )
    refit: bool = Field(
        True, description="Fit a winner again on everything mature, the holdout included, before it is deployed."
    )

    budget: Duration = Field(timedelta(minutes=10), description="How long one candidate's parameters are searched for.")
    limits: TrainingLimits = Field(
        TrainingLimits(),
        description="Limits on a candidate's size, time and memory. A candidate that exceeds one is not used.",
    )

    checks: TrainingChecks = Field(
        TrainingChecks(), description="Checks that the labels must pass before anything is trained on them."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        problems = []
        if self.holdout >= self.history:
            problems.append(Problem(("holdout",), "is the last part of the history and must be shorter than it"))
        if self.immature == "weighted" and not self.refit:
            problems.append(Problem(("immature",), "only the refit learns from immature labels; set refit: true"))
        names = [candidate.name for candidate in self.candidates]
        for position, name in enumerate(names):
            if name == NO_SKILL:
                text = "is reserved for the prediction without skill; take another name"
                problems.append(Problem(("candidates", position, "name"), text))
            if name in names[:position]:
                text = f"candidates[{names.index(name)}] has this name already"
                problems.append(Problem(("candidates", position, "name"), text))
        if problems:
            raise broken_rules(problems)
        return self


def maturity_problems(labels: Labels, training: Training) -> list[Problem]:
    """The holdout is the newest stretch of mature windows; something before it must be left to train on."""
    mature = training.history - labels.mature_after
    if mature > training.holdout:
        return []
    text = (
        f"is too short: rows younger than labels.mature_after ({in_days(labels.mature_after)}) can't be learnt from, "
        f"and of the remaining {in_days(max(mature, timedelta(0)))} the holdout takes {in_days(training.holdout)}; "
        f"ask for more than {in_days(labels.mature_after + training.holdout)}"
    )
    return [Problem(("training", "history"), text)]


def in_days(duration: timedelta) -> str:
    """A duration as a spec writes it: in days, or in hours where it is less than one."""
    days = duration / timedelta(days=1)
    return f"{days:g}d" if days >= 1 or not days else f"{24 * days:g}h"


def fit_problems(task: Task, training: Training) -> list[Problem]:
    """Metric and candidates must have a form for the task."""
    problems = []
    if task not in METRICS[training.metric].tasks:
        fitting = sorted(name for name, metric in METRICS.items() if task in metric.tasks)
        problems.append(Problem(("training", "metric"), f"does not measure {task}; {', '.join(fitting)} do"))
    if training.immature == "weighted" and task is not Task.BINARY_CLASSIFICATION:
        text = "labels are weighted by their outcome, which is only done for binary_classification; leave this key out"
        problems.append(Problem(("training", "immature"), text))
    if training.fairness is not None and task is not Task.BINARY_CLASSIFICATION:
        text = "rates are of decisions, which follow from probabilities, and a regression predicts values; leave it out"
        problems.append(Problem(("training", "fairness"), text))
    if training.checks.label_rate is not None and task is not Task.BINARY_CLASSIFICATION:
        text = "is about the share of positive labels, which only binary_classification has; leave this key out"
        problems.append(Problem(("training", "checks", "label_rate"), text))
    for position, candidate in enumerate(training.candidates):
        if candidate.calibrate != "never" and task is not Task.BINARY_CLASSIFICATION:
            text = "is about probabilities, which only binary_classification predicts; leave this key out"
            problems.append(Problem(("training", "candidates", position, "calibrate"), text))
        if ESTIMATORS[candidate.estimator].path(task) is None:
            fitting = sorted(name for name, estimator in ESTIMATORS.items() if estimator.path(task))
            text = f"has no form for {task}; {', '.join(fitting)} have"
            problems.append(Problem(("training", "candidates", position, "estimator"), text))
    return problems


SLICED = frozenset({Kind.CATEGORICAL, Kind.BOOLEAN, Kind.INTEGER})


def slice_problems(training: Training, columns: dict[str, Column]) -> list[Problem]:
    """Slices, and groups of fairness, are by columns that are there and whose values make groups."""
    slices = training.slices.columns if training.slices else ()
    fairness = training.fairness.columns if training.fairness else ()
    return [
        *_group_problems("slices", "slices are", slices, columns),
        *_group_problems("fairness", "groups are", fairness, columns),
    ]


def _group_problems(key: str, what: str, names: tuple[str, ...], columns: dict[str, Column]) -> list[Problem]:
    problems = []
    fitting = [
        name for name, each in columns.items() if each.kind in SLICED and each.role not in (Role.KEY, Role.EVENT_TIME)
    ]
    for position, name in enumerate(names):
        found, suggestion = columns.get(name), None
        if name in names[:position]:
            text = "is named twice"
        elif found is None:
            text, suggestion = f"no such column; {what} by {', '.join(fitting) or 'none'}", nearest(name, fitting)
        elif found.personal:
            text = (
                "is personal: its values would stand in decisions and model cards, which are kept for years. Leave it "
                "out, or group by a column that holds no person's own values"
            )
        elif name not in fitting:
            kind = found.role if found.role in (Role.KEY, Role.EVENT_TIME) else found.kind
            text = (
                f"has a value of its own in nearly every row, being {_KINDS[kind]}; {what} by categorical, boolean "
                f"and integer columns ({', '.join(fitting) or 'there is none'})"
            )
        else:
            continue
        problems.append(Problem(("training", key, "columns", position), text, suggestion))
    return problems


_KINDS: dict[Kind | Role, str] = {
    Role.KEY: "the key",
    Role.EVENT_TIME: "the event time",
    Kind.NUMERIC: "numeric",
    Kind.TIMESTAMP: "a timestamp",
}
