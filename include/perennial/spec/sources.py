"""Where rows and labels come from, and how they are written there."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from perennial.spec.fields import Duration, Encoding, FileBeside, Name, Spec, TimeZone
from perennial.spec.problems import Problem, broken_rules
from perennial.spec.waiting import ReadyMarker, ReadyQuery


def _tab(sign: Any) -> Any:
    return "\t" if sign in ("\\t", "tab") else sign


def _one_character(sign: str) -> str:
    if len(sign) != 1 or not sign.isascii() or sign in "\r\n\0":
        raise broken_rules([Problem((), "must be one ASCII character, and no line end")])
    return sign


Sign = Annotated[str, BeforeValidator(_tab), AfterValidator(_one_character)]


class AnySource(Spec):
    """What every source may say."""

    type: str
    timezone: TimeZone | None = Field(
        None,
        description="The time zone of times without an offset. Without it such times are refused, because they name "
        "no instant.",
    )
    other_columns: Literal["ignore", "refuse"] = Field(
        "ignore", description="What happens to columns that are not declared."
    )


class PostgresSource(AnySource):
    """Rows of a query. The SQL file binds :start, :end (the window) and :as_of; values are always bound."""

    type: Literal["postgres"]
    connection: Name = Field(description="An Airflow connection id.")
    query: FileBeside = Field(description="SQL file beside the spec.")
    ready: ReadyQuery | None = Field(None, description="What says that a window is complete. Never for labels.")


class Csv(Spec):
    """How CSV files are written. The names are those of pandas and pyarrow."""

    delimiter: Sign = Field(",", description="The character between cells, such as ; or tab.")
    decimal: Literal[".", ","] = Field(".", description="The decimal sign of numbers.")
    quote: Sign | None = Field('"', description="The quote around a cell; null when there is none.")
    escape: Sign | None = Field(
        None, description="The character that makes the next one, such as a quote, plain text: \\."
    )
    null_values: tuple[str, ...] | None = Field(
        None,
        description="Texts that stand for a missing value, in every column. Without it: NA, N/A, NaN, null and None, "
        "in columns that are not text. An empty cell is always a missing value.",
    )
    encoding: Encoding = "utf-8"

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        problems = []
        signs = {"delimiter": self.delimiter, "quote": self.quote, "escape": self.escape}
        given = [(key, sign) for key, sign in signs.items() if sign is not None]
        for position, (key, sign) in enumerate(given):
            same = [other for other, its in given[:position] if its == sign]
            if same:
                problems.append(Problem((key,), f"is the same character as {same[0]}"))
        if problems:
            raise broken_rules(problems)
        return self


class TabularSource(AnySource):
    """What every source of files may say."""

    format: Literal["csv", "parquet"]
    csv: Csv = Field(Csv(), description="How CSV files are written.")
    reach: Duration | None = Field(
        None,
        description="How far a file's rows may lie from the dates in its name, such as 1d: files from that long before "
        "and after a window are read too. Without it, only files with a date of the window in their names are read.",
    )
    ready: ReadyMarker | None = Field(None, description="What says that a window is complete. Never for labels.")

    @model_validator(mode="after")
    def _options_of_the_format(self) -> Self:
        if self.format != "csv" and self.csv != Csv():
            raise broken_rules(
                [
                    Problem(
                        ("csv",),
                        f"says how CSV files are written, and the format is {self.format}; leave this key out",
                    )
                ]
            )
        return self


class FileSource(TabularSource):
    """CSV or Parquet files in a local folder.

    `path` and `pattern` may hold strftime directives for the window's start, such as %Y/%m/%d.
    """

    type: Literal["files"]
    path: str
    pattern: str = "*"


class S3Source(TabularSource):
    """CSV or Parquet objects below a prefix. `prefix` may hold strftime directives for the window's start."""

    type: Literal["s3"]
    connection: Name = Field(description="An Airflow connection id of type aws.")
    bucket: str
    prefix: str


Source = Annotated[PostgresSource | FileSource | S3Source, Field(discriminator="type")]
