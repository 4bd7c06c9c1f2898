"""The spec of a use case: what one `use_case.yaml` may say.

Every model is frozen and refuses unknown keys. Rules that span several keys are validators here, so that
`perennial check` finds them before anything runs.
"""

from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from perennial.window import Every, Grid

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
ColumnName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
Duration = Annotated[timedelta, Field(gt=timedelta(0))]


class Spec(BaseModel):
    """Base of every part of a spec."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Task(StrEnum):
    """The kind of prediction problem."""

    BINARY_CLASSIFICATION = "binary_classification"
    REGRESSION = "regression"


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
    nullable: bool = True
    derive: tuple[TimePart, ...] = Field((), description="Numbers to read off a timestamp and use as features.")

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.derive and self.kind is not Kind.TIMESTAMP:
            raise ValueError(f"'derive' reads parts off a timestamp; this column is {self.kind}")
        if self.role is Role.EVENT_TIME and self.kind is not Kind.TIMESTAMP:
            raise ValueError(f"the event time must be a timestamp; this column is {self.kind}")
        if self.role is Role.FEATURE and self.kind is Kind.TIMESTAMP and not self.derive:
            raise ValueError("a timestamp is a feature through its parts: say which in 'derive', or give it another role")
        return self


class PostgresSource(Spec):
    """Rows of a query. The SQL file binds :start, :end (the window) and :as_of; values are always bound."""

    type: Literal["postgres"]
    connection: Name = Field(description="An Airflow connection id.")
    query: Path = Field(description="SQL file beside the spec.")


class FileSource(Spec):
    """CSV or Parquet files in a local folder.

    `path` and `pattern` may hold strftime directives for the window's start, such as %Y/%m/%d.
    """

    type: Literal["files"]
    path: str
    pattern: str = "*"
    format: Literal["csv", "parquet"]


class S3Source(Spec):
    """CSV or Parquet objects below a prefix. `prefix` may hold strftime directives for the window's start."""

    type: Literal["s3"]
    connection: Name = Field(description="An Airflow connection id of type aws.")
    bucket: str
    prefix: str
    format: Literal["csv", "parquet"]


Source = Annotated[PostgresSource | FileSource | S3Source, Field(discriminator="type")]


class Limits(Spec):
    """What one window may at most hold; more is refused, not truncated."""

    max_rows: int = Field(1_000_000, gt=0)
    max_bytes: int = Field(1_000_000_000, gt=0, description="Size in memory, as Arrow counts it.")


class Schedule(Spec):
    """When windows start, from the first one on."""

    every: Every = Every.DAY
    timezone: str = "UTC"
    start: date

    @property
    def grid(self) -> Grid:
        """The windows of this schedule."""
        return Grid(self.every, self.timezone)

    @model_validator(mode="after")
    def _known_zone(self) -> Self:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{self.timezone!r} is not a time zone of the IANA database") from error
        return self


class Labels(Spec):
    """The outcome: where it comes from, and when it is known."""

    source: Source
    column: ColumnName
    arrival_time: ColumnName = Field(description="When the outcome became known.")
    mature_after: Duration = Field(description="How long after a window's end its labels are complete.")


class Quality(Spec):
    """How validation decides; the expectations themselves stand in their own file."""

    expectations: Path = Field(Path("expectations.yaml"), description="Great Expectations suite beside the spec.")
    max_quarantined_share: float = Field(0.01, ge=0, le=1, description="Above this share of rows, the window fails.")
    min_rows: int = Field(1, ge=1)


class Candidate(Spec):
    """One pipeline to train: an estimator of the registry and its parameters."""

    name: Name
    estimator: str
    parameters: dict[str, Any] = {}


class Training(Spec):
    """What is trained, on what, and what it must beat."""

    history: Duration = Field(description="How far back the training set reaches.")
    holdout: Duration = Field(description="The last stretch of it, on which candidates and champion are judged.")
    min_rows: int = Field(1_000, ge=10)
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    metric: str = Field(description="The metric that decides.")
    min_gain: float = Field(0.0, ge=0, description="By how much the champion must be beaten, in the metric's unit.")
    seed: int = 0

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.holdout >= self.history:
            raise ValueError("the holdout is the last part of the history and must be shorter")
        names = [candidate.name for candidate in self.candidates]
        if len(set(names)) != len(names):
            raise ValueError(f"candidates need names of their own; got {', '.join(names)}")
        return self


class Persistence(Spec):
    """Evidence must persist: so many alarms in so many windows."""

    alarms: int = Field(ge=1)
    of: int = Field(ge=1)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.alarms > self.of:
            raise ValueError(f"{self.alarms} alarms can't happen in {self.of} windows")
        return self


class Monitoring(Spec):
    """When the world has moved far enough to retrain."""

    level: float = Field(0.05, gt=0, lt=1, description="Share of ordinary windows on which an alarm is accepted.")
    persistence: Persistence = Persistence(alarms=4, of=7)
    cooldown: Duration = Field(timedelta(days=14), description="Quiet time after a deployment or a retraining.")
    max_metric_loss: float | None = Field(
        None, gt=0, description="Retrain when the deciding metric is worse than at deployment by more than this."
    )


class UseCase(Spec):
    """One prediction problem: its source, schedule, features, label, model recipe, monitors and policies."""

    name: Name
    title: str
    description: str = ""
    owner: str
    tags: tuple[str, ...] = ()
    task: Task
    schedule: Schedule
    source: Source
    limits: Limits = Limits()
    allow_empty: bool = Field(False, description="A window without rows is skipped instead of failing.")
    columns: dict[ColumnName, Column]
    labels: Labels
    quality: Quality = Quality()
    training: Training
    monitoring: Monitoring = Monitoring()

    @model_validator(mode="after")
    def _roles(self) -> Self:
        for role, meaning in ((Role.KEY, "names the entity"), (Role.EVENT_TIME, "says when it happened")):
            found = [name for name, column in self.columns.items() if column.role is role]
            if len(found) != 1:
                raise ValueError(f"exactly one column has the role {role} (it {meaning}); found {found or 'none'}")
        if not self.feature_columns:
            raise ValueError("at least one column has the role feature")
        for name in (self.labels.column, self.labels.arrival_time):
            if name in self.columns:
                raise ValueError(f"labels.{name} is an outcome and must not be among the columns: it would leak")
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
        from perennial.window import parse_instant

        return parse_instant(self.schedule.start.isoformat(), self.schedule.timezone)
