"""The spec of a use case: what one `use_case.yaml` may say.

Every model is frozen and refuses unknown keys. Rules that span several keys are validators here, so that
`perennial check` finds them before anything runs.
"""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from perennial.spec.airflow_options import AirflowOptions, absent_tasks, too_few_runs, waiting_windows
from perennial.spec.alerts import Routes
from perennial.spec.collisions import colliding_names
from perennial.spec.columns import Column, Role
from perennial.spec.decision import Decision, decision_problems
from perennial.spec.executor_config import ExecutorConfig
from perennial.spec.fields import (
    ColumnName,
    Duration,
    DurationOrZero,
    FileBeside,
    Name,
    Spec,
    Tag,
    TimeZone,
)
from perennial.spec.monitoring import Monitoring
from perennial.spec.names import Task
from perennial.spec.problems import Problem, broken_rules, nearest
from perennial.spec.retirement import Archive, Retention
from perennial.spec.review import Review, review_problems
from perennial.spec.risk import Risk, RiskTier
from perennial.spec.rollout import Rollout, has_stages
from perennial.spec.row_ages import age_problems
from perennial.spec.sources import Source
from perennial.spec.training import Labels, Training, fit_problems, maturity_problems, slice_problems
from perennial.spec.waiting import Gaps
from perennial.window import Every, Grid, Window, parse_instant
from perennial.wording import WITHHELD

_DAYS_LOOKED_AT = 400  # within a year, every offset of a time zone occurs


class Limits(Spec):
    """The most that one window may hold; more is refused, not truncated."""

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
        description="How long after a window's end the source is asked again while the window is not ready, or "
        "empty. Without it, the source is asked once.",
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


class Quality(Spec):
    """How validation decides; the expectations themselves stand in their own file."""

    expectations: FileBeside = Field(Path("expectations.yaml"), description="YAML file beside the spec.")
    max_quarantined_share: float = Field(0.01, ge=0, le=1, description="Above this share of rows, the window fails.")
    min_rows: int = Field(1, ge=1)


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
        description="How far back each run looks for rows that came late. They make a new snapshot and a new revision.",
    )
    columns: dict[ColumnName, Column] = Field(json_schema_extra={"additionalProperties": False})
    labels: Labels
    quality: Quality = Quality()
    training: Training
    decision: Decision | None = Field(
        None, description="The decision that follows from a prediction. Without it, predictions alone are published."
    )
    monitoring: Monitoring = Monitoring()
    packaging: tuple[Literal["onnx", "pmml"], ...] = Field(
        (),
        description="Formats to which every deployed version is exported, with a certificate of how closely it "
        "predicts the same. An export that deviates is refused; the deployment goes on.",
    )
    risk: Risk | None = Field(
        None, description="What sets the risk tier, and with it what a new model needs. Without it the tier is low."
    )
    rollout: Rollout | None = Field(
        None, description="How a new model comes into service. Without it, the winner is the champion at once."
    )
    review: Review | None = Field(
        None, description="Which predictions people are asked about. Their answers become labels. Without it: none."
    )
    alerts: Routes = Field(
        (), description="Who gets an alert when the use case needs a person. Without routes: nobody."
    )
    retention: Retention = Field(
        Retention(), description="How long data is kept: a duration for replaced data, or an age for each class."
    )
    archive: Archive = Archive()
    executor_config: ExecutorConfig | None = Field(
        None,
        description="What the pods of the use case's tasks get instead of the defaults: cpu, memory, nodes, an "
        "image. It has an effect under Airflow's KubernetesExecutor only.",
    )
    airflow: AirflowOptions = AirflowOptions()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        problems = whole_problems(self.task, self.columns, self.labels, self.training)
        if problems := [*problems, *decision_problems(self.task, self.training, self.decision)]:
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
    def _review_fits(self) -> Self:
        if self.review is not None and (problems := review_problems(self.review, self.task, self.columns)):
            raise broken_rules(problems)
        if self.review is not None and self.columns[self.key].personal:
            text = (
                f"the queue and its answers name rows by their key, and {self.key} is personal: leave this out, or let "
                "the source deliver another key, such as a number of its own for each person"
            )
            raise broken_rules([Problem(("review",), text)])
        return self

    @model_validator(mode="after")
    def _high_risk_is_tried_in_the_shadow(self) -> Self:
        if self.risk_tier is RiskTier.HIGH and (self.rollout is None or self.rollout.shadow is None):
            text = (
                "the risk tier is high, so a new model must be in the shadow before it serves: give a rollout with a "
                "shadow, such as rollout: {shadow: 14d}"
            )
            raise broken_rules([Problem(("risk",), text)])
        return self

    @model_validator(mode="after")
    def _waits_for_an_end(self) -> Self:
        if self.source.ready is not None and self.schedule.deadline is None:
            text = "the source says when it is ready, so runs wait for it: say here until how long after a window's end"
            raise broken_rules([Problem(("schedule", "deadline"), text)])
        return self

    @model_validator(mode="after")
    def _airflow_can_do_it(self) -> Self:
        in_stages = has_stages(self.rollout)
        there = {
            **{"select_for_review": self.review is not None, "late_data": bool(self.late_data)},
            **{"shadow": in_stages, "rollout": in_stages},
        }
        problems = [*absent_tasks(self.airflow, there), *too_few_runs(self.airflow, self.waiting_windows)]
        if problems:
            raise broken_rules(problems)
        return self

    @model_validator(mode="after")
    def _rows_stay_as_long_as_they_are_needed(self) -> Self:
        open_for = (self.schedule.deadline or self.schedule.delay) + self.late_data
        if problems := age_problems(self.retention.ages, self.labels, self.training, open_for):
            raise broken_rules(problems)
        return self

    @property
    def waiting_windows(self) -> int:
        """How many windows may wait for their rows at once."""
        if self.schedule.deadline is None:
            return 0
        return waiting_windows(self.grid.containing(self.start), self.schedule.deadline - self.schedule.delay)

    @property
    def risk_tier(self) -> RiskTier:
        """What a new model needs before it serves."""
        return self.risk.tier if self.risk else RiskTier.LOW

    @property
    def archive_after(self) -> timedelta:
        """How long after it was superseded a version is archived."""
        return self.archive.after or self.retention.replaced

    @property
    def key(self) -> str:
        """The column that names the entity."""
        return next(name for name, column in self.columns.items() if column.role is Role.KEY)

    @property
    def private_columns(self) -> tuple[str, ...]:
        """The columns whose values are kept out of what is told about data: the key and the personal ones."""
        return tuple(n for n, column in self.columns.items() if column.personal or column.role is Role.KEY)

    @property
    def personal_columns(self) -> tuple[str, ...]:
        """The columns that the spec calls personal: nothing that is shown, logged or learnt of them names a value."""
        return tuple(name for name, column in self.columns.items() if column.personal)

    def shown_entity(self, entity: Any) -> str | None:
        """The key as it may be shown: `WITHHELD` where it is personal, None where there is none.

        It is text, whatever its column is: readers of JSON in floats, as JavaScript and jq are, round long numbers.
        """
        if entity is None:
            return None
        return WITHHELD if self.columns[self.key].personal else str(entity)

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
                ("labels", "from", name),
                f"is no column of labels; the columns are {', '.join(there)}",
                nearest(name, there),
            )
            for name in labels.from_
            if name not in there
        ]
    if labels is not None and training is not None and training.holdout < training.history:
        problems += maturity_problems(labels, training)
    if task is not None and training is not None:
        problems += fit_problems(task, training)
    if columns is not None and training is not None:
        problems += slice_problems(training, columns)
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
