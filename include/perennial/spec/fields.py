"""Types of single values in a spec, each with the rule that goes with it."""

import zoneinfo
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from perennial.spec.names import ESTIMATORS, METRICS
from perennial.spec.problem import Problem, broken_rules, unknown_name
from perennial.spec.suggest import nearest

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,47}$"
COLUMN_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
PATTERNS_IN_WORDS = {
    NAME_PATTERN: "must be lower-case letters, digits and _, start with a letter, and have at most 48 characters",
    COLUMN_PATTERN: "must be letters, digits and _, not start with a digit, and have at most 63 characters",
}
# Columns that the lake and the published table have beside the use case's own.
RESERVED_COLUMNS = (
    *("partition_key", "window", "window_start", "window_end", "rule", "snapshot_digest"),
    *("prediction", "model_version", "model_digest", "revision", "run_id"),
)
LONGEST_TAG = 100  # of Airflow


def _free_name(name: str) -> str:
    if name in RESERVED_COLUMNS:
        raise broken_rules(
            [Problem((), "this name is reserved for the lake; let the query give the column another one")]
        )
    return name


def _known_estimator(name: str) -> str:
    if name not in ESTIMATORS:
        unknown = unknown_name(name, "estimator", sorted(ESTIMATORS))
        raise broken_rules([Problem((), unknown.text, _by_class().get(name, unknown.suggestion))])
    return name


def _by_class() -> dict[str, str]:
    """Our names by those that scikit-learn gives its classes: people know them better."""
    paths = [(path, name) for name, known in ESTIMATORS.items() for path in (known.classifier, known.regressor)]
    return {path.rpartition(".")[2]: name for path, name in paths if path}


def _known_metric(name: str) -> str:
    if name not in METRICS:
        raise broken_rules([unknown_name(name, "metric", sorted(METRICS))])
    return name


def _known_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        text = "not a time zone of the IANA database, such as UTC or Europe/Berlin"
        raise broken_rules([Problem((), text, nearest(name, zoneinfo.available_timezones()))]) from error
    return name


def _beside(path: Path) -> Path:
    if path.is_absolute() or ".." in path.parts or path == Path():
        raise broken_rules([Problem((), "must name a file in the use case's own folder, relative to it")])
    return path


Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Tag = Annotated[str, Field(min_length=1, max_length=LONGEST_TAG)]
ColumnName = Annotated[str, Field(pattern=COLUMN_PATTERN), AfterValidator(_free_name)]
EstimatorName = Annotated[str, AfterValidator(_known_estimator), Field(json_schema_extra={"enum": sorted(ESTIMATORS)})]
MetricName = Annotated[str, AfterValidator(_known_metric), Field(json_schema_extra={"enum": sorted(METRICS)})]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
FileBeside = Annotated[Path, AfterValidator(_beside)]
