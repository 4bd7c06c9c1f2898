"""An expectation's arguments, made comparable with the column they are about."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from perennial.errors import InvalidWindow
from perennial.window import parse_instant

_COMPARED = ("min_value", "max_value", "value_set")


def comparable_arguments(arguments: Mapping[str, Any], column: Any) -> dict[str, Any]:
    """The arguments as they can be compared with values of the dtype `column`.

    For a column of timestamps, dates and texts become instants in UTC; other arguments and columns stay as they are.
    Great Expectations would compare a bare date with a timestamp, which pandas refuses. Errors: `ValueError` for a
    text that is no date or time.
    """
    if not isinstance(column, pd.DatetimeTZDtype):
        return dict(arguments)
    return {name: _instants(value) if name in _COMPARED else value for name, value in arguments.items()}


def _instants(value: Any) -> Any:
    if isinstance(value, list):
        return [_instants(item) for item in value]
    if isinstance(value, str):
        try:
            return parse_instant(value)
        except InvalidWindow as error:
            raise ValueError(str(error)) from error
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value
