"""How the command line logs: as text for people, or as one JSON object a line, on standard error."""

import logging
import sys
from enum import StrEnum
from typing import TextIO

import structlog

OURS = ("perennial",)


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to what standard error is when a line is written."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


_HANDLER = _Handler()


def set_up(log_format: LogFormat) -> None:
    """Let our loggers write in this format from now on: everything from `INFO` on as JSON, warnings as text.

    The text of warnings is what Python itself writes of a process that has set nothing up.
    The fields are those of Airflow's logs of tasks: `timestamp` (UTC), `level`, `event`, `logger`, and what the line is
    about (see `perennial.log_context`).
    """
    for name in OURS:
        logger = logging.getLogger(name)
        if log_format is LogFormat.JSON:
            logger.setLevel(logging.INFO)
            logger.addHandler(_HANDLER)  # once, however often
        else:
            logger.setLevel(logging.NOTSET)
            logger.removeHandler(_HANDLER)


def as_json() -> bool:
    """Whether the log is JSON, so that what ends a command must be, too."""
    return _HANDLER in logging.getLogger(OURS[0]).handlers


def _stamped(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The most looked for first."""
    first = ("timestamp", "level", "event", "logger")
    return {**{name: event[name] for name in first if name in event}, **event}


_JSON = structlog.stdlib.ProcessorFormatter(
    foreign_pre_chain=[
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ],
    processors=[
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _stamped,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ],
)
_HANDLER.setFormatter(_JSON)
