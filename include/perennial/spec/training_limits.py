"""What a candidate may take, at most: time, memory, and room."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from perennial.spec.fields import Duration, Spec
from perennial.spec.problems import Problem, broken_rules

_SIZE = re.compile(r"(?P<amount>\d{1,9}(\.\d{1,3})?) ?(?P<unit>[kMGT]?B)")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def _bytes(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (found := _SIZE.fullmatch(value)):
        return round(float(found["amount"]) * _UNITS[found["unit"]])
    raise broken_rules([Problem((), "not a size; write a number of bytes, or one with its unit: 800kB, 50MB, 4GB")])


_WRITTEN = WithJsonSchema(
    {
        "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}],
        "examples": ["50MB", "4GB"],
    }
)
Bytes = Annotated[int, Field(gt=0), BeforeValidator(_bytes), _WRITTEN]


class TrainingLimits(Spec):
    """Beyond any of these a candidate is not used, and the decision says so; the other candidates go on."""

    seconds_per_1k_rows: float | None = Field(None, gt=0, description="How long it may take to predict 1,000 rows.")
    artefact: Bytes | None = Field(None, description="How many bytes the model may have: 50MB.")
    memory: Bytes | None = Field(
        None,
        description="How much memory the process that trains it may use, its libraries (about 300MB) and the rows "
        "included: 4GB. It gets no more.",
    )
    time: Duration = Field(
        timedelta(hours=5), description="How long its search, fits and measurements may take together."
    )


def size_text(count: float) -> str:
    """A number of bytes as messages show it.

    >>> size_text(52_400_000)
    '52.4 MB'
    """
    for unit, size in reversed(_UNITS.items()):
        if count >= size:
            return f"{count / size:,.3g} {unit}"
    return "0 B"
