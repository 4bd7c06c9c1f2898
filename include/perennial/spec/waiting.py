"""What says that a window is complete, and what becomes of windows that were missed."""

from enum import StrEnum

from pydantic import Field

from perennial.spec.fields import FileBeside, Spec


class ReadyQuery(Spec):
    """A window is ready when a query on the source's connection answers with one row of one column that is true."""

    sql: FileBeside = Field(description="SQL file beside the spec; it binds :start, :end and :as_of.")


class ReadyMarker(Spec):
    """A window is ready when a marker file, such as _SUCCESS, lies beside its data."""

    marker: str = Field(
        min_length=1,
        description="Its name, with strftime directives for the window's start and the wildcards * ? []. It starts "
        "at `path`, or at the last / of `prefix`. If that gives several names for a window, such as one "
        "for each day, all of them must be there.",
    )


class Gaps(StrEnum):
    """What becomes of windows that should have been scored and were not."""

    FILL = "fill"
    REPORT = "report"
