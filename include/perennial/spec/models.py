"""The spec of a use case: what one `use_case.yaml` may say.

Every model is frozen and refuses unknown keys. Rules that span several keys are validators here, so that
`perennial check` finds them before anything runs.
"""

from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from perennial.spec.collisions import colliding_names
from perennial.spec.fields import (
    ColumnName,
    Duration,
    DurationOrZero,
    EstimatorName,
    FileBeside,
    MetricName,
    Name,
    Spec,
    Tag,
    TimeZone,
)
from perennial.spec.monitoring import Monitoring, Persistence, Season, Trigger
from perennial.spec.names import ESTIMATORS, METRICS, Task
from perennial.spec.problems import Problem, broken_rules, nearest
from perennial.spec.sources import Csv, FileSource, PostgresSource, S3Source, Source
from perennial.spec.waiting import Gaps
from perennial.window import Every, Grid, Window, parse_instant

__all__ = [
    "Csv",
    "FileSource",
    "Monitoring",
    "Persistence",
    "PostgresSource",
    "S3Source",
    "Season",
    "Source",
    "Task",
    "Trigger",
]  # at home elsewhere; the parts below are public anyway


NO_SKILL = "no_skill"
_DAYS_LOOKED_AT = 400  # a year has all offsets of a time zone


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
    derive: tuple[TimePart, ...] = Field((), description="Numbers to read off a timestamp and use as features.")
    from_: str | None = Field(
        None, alias="from", min_length=1, description="What the source calls it, if not by this name."
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
            problems.append(Problem(("derive",), f"parts are read off a timestamp; this column is {self.kind}"))
        if len(set(self.derive)) != len(self.derive):
            problems.append(Problem(("derive",), "names a part twice"))
        if self.role is Role.EVENT_TIME and self.kind is not Kind.TIMESTAMP:
            problems.append(Problem(("kind",), "the event time must be a timestamp"))
        if self.role is Role.KEY and self.kind not in (Kind.INTEGER, Kind.CATEGORICAL):
            problems.append(Problem(("kind",), "the key names an entity, so it must be integer or categorical"))
        if self.role in (Role.KEY, Role.EVENT_TIME) and self.nullable:
            problems.append(Problem(("nullable",), f"the {self.role} can't be missing in a row; leave this key out"))
        if self.role is Role.FEATURE and self.kind is Kind.TIMESTAMP and not self.derive:
            text = "a timestamp is a feature through its parts: say which in 'derive', or give it another role"
            problems.append(Problem((), text))
        if problems:
            raise broken_rules(problems)
        return self


class Limits(Spec):
    """What one window may at most hold; more is refused, not truncated."""

    max_rows: int = Field(1_000_000, gt=0)
    max_bytes: int = Field(1_000_000_000, gt=0, description="Size in memory, as Arrow counts it.")


class Schedule(Spec):
    """When windows start, from the first one on, and when they are scored."""

    every: Every = Every.DAY
    timezone: TimeZone = "UTC"
    start: date = Field(description="Where the first window starts.")
    end: date | None = Field(None, description="Where the last window ends. Without it the use case goes on.")
    delay: DurationOrZero = Field(timedelta(0), description="How long after a window's end it is scored.")
    deadline: Duration | None = Field(
        None,
        description="Until how long after its end a window that is not ready, or empty, is asked for again. Without it "
        "a window is asked for once.",
    )
    gaps: Gaps = Field(
        Gaps.REPORT, description="Whether windows that should have been scored are scored later, or only reported."
    )

    @property
    def grid(self) -> Grid:
        """The windows of this schedule."""
        return Grid(self.every, self.timezone)

    @model_validator(mode="after")
    def _on_the_grid(self) -> Self:
        problems = [
            Problem((name,), f"no window of {self.every.words} {verb} {problem}")
            for name, verb, day in (("start", "starts", self.start), ("end", "ends", self.end))
            if day is not None and (problem := self._off_the_grid(day))
        ]
        if not problems and self.end is not None and self.end <= self.start:
            problems = [Problem(("end",), f"must come after the start, {self.start}")]
        if self.deadline is not None and self.deadline <= self.delay:
            problems.append(Problem(("deadline",), "must be longer than delay: before that, nothing is asked for"))
        if problems:
            raise broken_rules(problems)
        return self

    def _off_the_grid(self, day: date) -> str:
        """Which days are boundaries of the grid instead of this one, in words; "" when it is one itself."""
        if self._is_boundary(day):
            return ""
        around = [
            next((each for n in range(1, _DAYS_LOOKED_AT) if self._is_boundary(each := day + n * step)), None)
            for step in (timedelta(days=-1), timedelta(days=1))
        ]
        near = [f"{each:%a %Y-%m-%d}" for each in around if each is not None]
        if near:
            why = "; hours are counted in UTC" if self.every is Every.HOUR else ""
            return f"on this day{why}; the nearest that do are {' and '.join(near)}"
        return (
            f"with a day in {self.timezone}: hours are counted in UTC, and no day there starts with one. "
            "Leave the time zone out, or take windows of several hours (2h), which follow the local clock"
        )

    def _is_boundary(self, day: date) -> bool:
        midnight = parse_instant(day.isoformat(), self.timezone)
        return self.grid.containing(midnight).start == midnight


class Labels(Spec):
    """The outcome: where it comes from, and when it is known."""

    source: Source
    column: ColumnName
    arrival_time: ColumnName = Field(description="When the outcome became known.")
    mature_after: Duration = Field(description="How long after a window's end its labels are complete.")
    dated_by: Literal["event_time", "arrival_time"] = Field(
        "event_time",
        description="Which time the dates in the names of label files are. By arrival time, labels need no event time: "
        "they find their rows by the key.",
    )
    from_: dict[ColumnName, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict,
        alias="from",
        json_schema_extra={"additionalProperties": {"type": "string"}},
        description="What the labels' source calls the outcome, its arrival time or the key, if not by these names.",
    )
    give_up_after: Duration = Field(
        timedelta(days=90), description="How long labels that are overdue after that are still asked for."
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
                [Problem(("dated_by",), "is about the names of files; a query says itself what it selects")]
            )
        return self


class Quality(Spec):
    """How validation decides; the expectations themselves stand in their own file."""

    expectations: FileBeside = Field(Path("expectations.yaml"), description="YAML file beside the spec.")
    max_quarantined_share: float = Field(0.01, ge=0, le=1, description="Above this share of rows, the window fails.")
    min_rows: int = Field(1, ge=1)


class Candidate(Spec):
    """One pipeline to train: an estimator of the registry and its parameters."""

    name: Name
    estimator: EstimatorName
    parameters: dict[str, Any] = Field(default_factory=dict)


class Training(Spec):
    """What is trained, on what, and what it must beat."""

    history: Duration = Field(description="How far back the training set reaches.")
    holdout: Duration = Field(
        description="The last stretch of it whose labels are mature, on which candidates and champion are judged."
    )
    min_rows: int = Field(1_000, ge=10)
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    metric: MetricName = Field(description="The metric that decides.")
    min_gain: float = Field(0.0, ge=0, description="By how much the champion must be beaten, in the metric's unit.")
    seed: int = 0
    refit: bool = Field(
        True, description="Fit a winner again on everything mature, the holdout included, before it is deployed."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        problems = []
        if self.holdout >= self.history:
            problems.append(Problem(("holdout",), "is the last part of the history and must be shorter than it"))
        names = [candidate.name for candidate in self.candidates]
        for position, name in enumerate(names):
            if name == NO_SKILL:
                text = "this is what a prediction without skill is called in the judge's numbers; take another name"
                problems.append(Problem(("candidates", position, "name"), text))
            if name in names[:position]:
                text = f"candidates[{names.index(name)}] has this name already"
                problems.append(Problem(("candidates", position, "name"), text))
        if problems:
            raise broken_rules(problems)
        return self


class UseCase(Spec):
    """One prediction problem: its source, schedule, features, label, model recipe, monitors and policies."""

    name: Name
    title: str
    description: str = ""
    owner: str
    tags: tuple[Tag, ...] = ()
    task: Task
    schedule: Schedule
    source: Source
    limits: Limits = Limits()
    allow_empty: bool = Field(False, description="A window without rows is skipped instead of failing.")
    late_data: DurationOrZero = Field(
        timedelta(0),
        description="How far back each run looks again: rows that came late make a new snapshot and a new revision.",
    )
    columns: dict[ColumnName, Column] = Field(json_schema_extra={"additionalProperties": False})
    labels: Labels
    quality: Quality = Quality()
    training: Training
    monitoring: Monitoring = Monitoring()
    retention: Duration = Field(
        timedelta(weeks=52), description="How long replaced data stays readable. What is live or was trained on stays."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if problems := whole_problems(self.task, self.columns, self.labels, self.training):
            raise broken_rules(problems)
        return self

    @model_validator(mode="after")
    def _windows_can_pass(self) -> Self:
        if self.quality.min_rows > self.limits.max_rows:
            text = f"is more than limits.max_rows, {self.limits.max_rows:,}: no window could pass"
            raise broken_rules([Problem(("quality", "min_rows"), text)])
        return self

    @model_validator(mode="after")
    def _monitoring_fits_the_schedule(self) -> Self:
        if problems := self.monitoring.problems(self.schedule.every):
            raise broken_rules([Problem(("monitoring", *problem.at), problem.text) for problem in problems])
        return self

    @model_validator(mode="after")
    def _waits_for_an_end(self) -> Self:
        if self.source.ready is not None and self.schedule.deadline is None:
            text = "a source that says when it is ready is waited for: say until how long after a window's end"
            raise broken_rules([Problem(("schedule", "deadline"), text)])
        return self

    @property
    def key(self) -> str:
        """The column that names the entity."""
        return next(name for name, column in self.columns.items() if column.role is Role.KEY)

    @property
    def event_time(self) -> str:
        """The column that says when it happened."""
        return next(name for name, column in self.columns.items() if column.role is Role.EVENT_TIME)

    @property
    def feature_columns(self) -> dict[str, Column]:
        """The source columns that features are made of, in the spec's order."""
        return {n: c for n, c in self.columns.items() if c.role is Role.FEATURE or c.derive}

    @property
    def grid(self) -> Grid:
        """The windows of this use case."""
        return self.schedule.grid

    @property
    def start(self) -> datetime:
        """The start of the first window."""
        return parse_instant(self.schedule.start.isoformat(), self.schedule.timezone)

    @property
    def end(self) -> datetime | None:
        """The end of the last window; None for a use case that goes on."""
        end = self.schedule.end
        return parse_instant(end.isoformat(), self.schedule.timezone) if end else None

    def due(self, window: Window) -> datetime:
        """When the window is scored."""
        return window.end + self.schedule.delay

    def deadline(self, window: Window) -> datetime | None:
        """Until when a window that is not there yet is asked for; None where it is asked for once."""
        return window.end + self.schedule.deadline if self.schedule.deadline is not None else None

    def closed(self, window: Window) -> datetime:
        """Until when rows of the window may come: what the source learnt later does not count.

        It is the same whenever the window is asked for, so that a replay finds what was there before.
        """
        return (self.deadline(window) or self.due(window)) + self.late_data


def whole_problems(
    task: Task | None, columns: dict[str, Column] | None, labels: Labels | None, training: Training | None
) -> list[Problem]:
    """The broken rules that span several parts of a use case; a part that is None (because it is wrong itself) is
    left out of the judgement, so that one mistake doesn't hide others.
    """
    problems = [] if columns is None else [*_role_problems(columns), *colliding_names(columns, labels)]
    if columns is not None and labels is not None:
        text = "is an outcome and must not be among the columns: the model would see the future"
        outcomes = (("column", labels.column), ("arrival_time", labels.arrival_time))
        problems += [Problem(("labels", key), text) for key, name in outcomes if name in columns]
        identity = [name for name, column in columns.items() if column.role in (Role.KEY, Role.EVENT_TIME)]
        there = [labels.column, labels.arrival_time, *identity]
        problems += [
            Problem(
                ("labels", "from", name), f"is no column of labels; those are {', '.join(there)}", nearest(name, there)
            )
            for name in labels.from_
            if name not in there
        ]
    if labels is not None and training is not None and training.holdout < training.history:
        problems += _maturity_problems(labels, training)
    if task is not None and training is not None:
        problems += _fit_problems(task, training)
    return problems


def _role_problems(columns: dict[str, Column]) -> list[Problem]:
    problems = []
    sources = [column.from_ for column in columns.values() if column.from_]
    for name, column in columns.items():
        if column.from_ and sources.count(column.from_) > 1:
            problems.append(Problem(("columns", name, "from"), "another column comes from this one, too"))
    for role, meaning in ((Role.KEY, "names the entity"), (Role.EVENT_TIME, "says when it happened")):
        found = [name for name, column in columns.items() if column.role is role]
        if len(found) != 1:
            text = f"exactly one column has the role {role} (it {meaning}); found {', '.join(found) or 'none'}"
            problems.append(Problem(("columns",), text))
    if not any(column.role is Role.FEATURE or column.derive for column in columns.values()):
        problems.append(Problem(("columns",), "at least one column has the role feature"))
    return problems


def _maturity_problems(labels: Labels, training: Training) -> list[Problem]:
    """The holdout is the newest stretch of mature windows, and what is before it must be left to train on."""
    mature = training.history - labels.mature_after
    if mature > training.holdout:
        return []
    text = (
        f"reaches too short: what is younger than labels.mature_after ({_days(labels.mature_after)}) can't be learnt "
        f"from, and of the other {_days(max(mature, timedelta(0)))} the holdout takes {_days(training.holdout)}; ask "
        f"for more than {_days(labels.mature_after + training.holdout)}"
    )
    return [Problem(("training", "history"), text)]


def _days(duration: timedelta) -> str:
    days = duration / timedelta(days=1)
    return f"{days:g}d" if days >= 1 or not days else f"{24 * days:g}h"


def _fit_problems(task: Task, training: Training) -> list[Problem]:
    problems = []
    if task not in METRICS[training.metric].tasks:
        fitting = sorted(name for name, metric in METRICS.items() if task in metric.tasks)
        problems.append(Problem(("training", "metric"), f"does not measure {task}; {', '.join(fitting)} do"))
    for position, candidate in enumerate(training.candidates):
        if ESTIMATORS[candidate.estimator].path(task) is None:
            fitting = sorted(name for name, estimator in ESTIMATORS.items() if estimator.path(task))
            text = f"has no form for {task}; {', '.join(fitting)} have"
            problems.append(Problem(("training", "candidates", position, "estimator"), text))
    return problems
