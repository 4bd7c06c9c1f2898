"""Types of single values in a spec, each with the rule that goes with it, and the base of all parts of a spec.

Durations are written as people write them: `14d`, `12h`, `30m`, `2w`, or ISO 8601 such as `PT36H`.
"""

import re
import zoneinfo
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from perennial.spec.names import ESTIMATORS, METRICS
from perennial.spec.problems import Problem, broken_rules, nearest, unknown_name


class Spec(BaseModel):
    """Base of every part of a spec: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)


_SHORT = re.compile(r"(?P<amount>\d{1,6})(?P<unit>[mhdw])")
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_ISO = re.compile(r"P(?=\d|T\d)((?P<w>\d{1,6})W)?((?P<d>\d{1,6})D)?(T(?=\d)((?P<h>\d{1,6})H)?((?P<m>\d{1,6})M)?)?")
_PATTERN = r"^([0-9]+[mhdw]|P(?=[0-9]|T[0-9])([0-9]+W)?([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?)?|PT0S)$"
_ISO_WRITTEN: TypeAdapter[timedelta] = TypeAdapter(timedelta)
_NOTHING = "PT0S"  # how ISO 8601 writes a duration of zero
_HELP = "write a number and a unit: 30m, 12h, 14d, 2w (minutes, hours, days, weeks)"


def parse_duration(value: Any) -> timedelta:
    """What a duration in a spec means, for validators of pydantic: what is none is refused with a broken rule."""
    if isinstance(value, timedelta):
        return value
    if value == _NOTHING:
        return timedelta(0)
    if isinstance(value, str):
        if short := _SHORT.fullmatch(value):
            return int(short["amount"]) * _UNITS[short["unit"]]
        if iso := _ISO.fullmatch(value):
            return sum((int(n) * _UNITS[unit] for unit, n in iso.groupdict().items() if n), start=timedelta(0))
    plain_number = isinstance(value, int | float) and not isinstance(value, bool)
    raise broken_rules(
        [Problem((), f"a duration needs its unit; {_HELP}" if plain_number else f"not a duration; {_HELP}")]
    )


def _in_iso(value: timedelta) -> str:
    """As ISO 8601, without years: pydantic writes 365 days as one, which is no duration that a spec may have."""
    if value < timedelta(days=365):
        return str(_ISO_WRITTEN.dump_python(value, mode="json"))
    rest = _ISO_WRITTEN.dump_python(value - timedelta(days=value.days), mode="json") if value.seconds else "P"
    return f"P{value.days}D{rest.removeprefix('P')}"


_WRITTEN = WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["14d", "12h", "30m", "2w"]})
_SERIALIZED = PlainSerializer(_in_iso, return_type=str, when_used="json")

FOREVER = "forever"


def _parse_or_forever(value: Any) -> timedelta | str:
    if value == FOREVER:
        return FOREVER
    try:
        parsed = parse_duration(value)
    except PydanticCustomError as error:
        raise broken_rules([Problem((), f"neither {FOREVER} nor a duration; {_HELP}")]) from error
    if parsed <= timedelta(0):
        raise broken_rules([Problem((), f"must be longer than 0; write {FOREVER} to keep everything")])
    return parsed


Duration = Annotated[timedelta, Field(gt=timedelta(0)), BeforeValidator(parse_duration), _SERIALIZED, _WRITTEN]
DurationOrZero = Annotated[timedelta, Field(ge=timedelta(0)), BeforeValidator(parse_duration), _SERIALIZED, _WRITTEN]
DurationOrForever = Annotated[Duration | Literal["forever"], BeforeValidator(_parse_or_forever)]


NAME_PATTERN = r"^[a-z][a-z0-9_]{0,47}$"
COLUMN_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
CONNECTION_PATTERN = r"^[A-Za-z0-9_.-]{1,250}$"
CLASS_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$"
PATTERNS_IN_WORDS = {
    NAME_PATTERN: "must be lower-case letters, digits and _, start with a letter, and have at most 48 characters",
    COLUMN_PATTERN: "must be letters, digits and _, not start with a digit, and have at most 63 characters; write "
    "the source's name for it in `from`",
    CONNECTION_PATTERN: "must be the id of an Airflow connection: letters, digits, _, . and -, 250 of them at most",
    CLASS_PATTERN: "must be the full name of a class, such as package.module.Class",
}
# Columns that the lake and the published table have beside the use case's own.
RESERVED_COLUMNS = (
    *("partition_key", "bad_cells", "window", "window_start", "window_end", "rule", "snapshot_digest"),
    *("prediction", "decided", "model_version", "model_digest", "revision", "run_id", "labelled_by"),
)
ENCODINGS = ("utf-8", "utf-16", "latin-1", "cp1252", "iso-8859-15", "shift_jis", "gb18030")  # the most common ones
LONGEST_TAG = 100  # Airflow's limit


# The name under which the event time is published, and the columns that PostgreSQL adds to every table.
PUBLISHED_EVENT_TIME = "event_time"
SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")


def _free_name(name: str) -> str:
    if name.lower() in RESERVED_COLUMNS:  # the lake doesn't tell upper and lower case apart
        text = (
            "this name is reserved for the lake; give the column another one, and write the source's name for it in "
            "`from`"
        )
        raise broken_rules([Problem((), text)])
    return name


def _known_estimator(name: str) -> str:
    if name not in ESTIMATORS:
        unknown = unknown_name(name, "estimator", sorted(ESTIMATORS))
        raise broken_rules([Problem((), unknown.text, _by_class().get(name, unknown.suggestion))])
    return name


def _by_class() -> dict[str, str]:
    """Our names of estimators, by the names of scikit-learn's classes, which people know better."""
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


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)
    except (LookupError, ValueError) as error:
        text = "not an encoding of text that Python knows, such as utf-8, latin-1 or cp1252"
        raise broken_rules([Problem((), text, nearest(name.lower(), ENCODINGS))]) from error
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
Encoding = Annotated[str, AfterValidator(_known_encoding)]
FileBeside = Annotated[Path, AfterValidator(_beside)]
