"""Durations as people write them: `14d`, `12h`, `30m`, `2w`, or ISO 8601 such as `PT36H`."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from perennial.spec.problem import Problem, broken_rules

_SHORT = re.compile(r"(?P<amount>\d{1,6})(?P<unit>[mhdw])")
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_ISO = re.compile(r"P(?=\d|T\d)((?P<w>\d{1,6})W)?((?P<d>\d{1,6})D)?(T(?=\d)((?P<h>\d{1,6})H)?((?P<m>\d{1,6})M)?)?")
_PATTERN = r"^([0-9]+[mhdw]|P(?=[0-9]|T[0-9])([0-9]+W)?([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?)?)$"
_HELP = "write a number and a unit: 30m, 12h, 14d, 2w (minutes, hours, days, weeks)"


def _parse(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        if short := _SHORT.fullmatch(value):
            return int(short["amount"]) * _UNITS[short["unit"]]
        if iso := _ISO.fullmatch(value):
            return sum((int(n) * _UNITS[unit] for unit, n in iso.groupdict().items() if n), start=timedelta(0))
    plain_number = isinstance(value, int | float) and not isinstance(value, bool)
    raise broken_rules(
        [Problem((), f"a duration needs its unit; {_HELP}" if plain_number else f"not a duration; {_HELP}")]
    )


Duration = Annotated[
    timedelta,
    Field(gt=timedelta(0)),
    BeforeValidator(_parse),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["14d", "12h", "30m", "2w"]}),
]
