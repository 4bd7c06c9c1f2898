"""A source of personal data: what it says of rows that it can't read names no value of them.

Libraries quote what they stumble over: Arrow a whole line of a CSV file, PostgreSQL a cell. Which column that was is
not known there, so all that is quoted is withheld, in the message and in what it was raised from.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

import pyarrow as pa

from perennial.errors import InvalidQuery, SchemaMismatch, SourceRejected, UndecodableText
from perennial.sources.port import Extract, Source
from perennial.spec.models import Limits
from perennial.window import Window
from perennial.wording import WITHHELD

_LINE = re.compile(r"(columns, got \d+): .*", re.DOTALL)
_NEVER_CLOSED = re.compile(r"(the rows after it), from .* on, (would be taken for text)", re.DOTALL)
_CELL = re.compile(r": '.*' ")  # of one line: what is wrong with a cell has no quotation mark
_QUOTED = re.compile(r"\"[^\"]*\"")
_ABOUT_ROWS = (SchemaMismatch, UndecodableText, InvalidQuery)


@dataclass(frozen=True)
class Discreet(Source):
    """The same source, whose errors about rows name no values."""

    source: Source

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        """See `Source.fetch`."""
        with _withholding():
            return self.source.fetch(window, as_of, limits, keys)

    def parts(
        self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None
    ) -> Generator[Extract, None, None]:
        """See `Source.parts`."""
        with _withholding(), closing(self.source.parts(window, as_of, limits, keys)) as parts:
            yield from parts


@contextmanager
def _withholding() -> Iterator[None]:
    try:
        yield
    except _ABOUT_ROWS as error:
        _raise_without_values(error)


def _raise_without_values(error: SourceRejected | InvalidQuery) -> NoReturn:
    raise type(error)(without_values(str(error))) from None


def without_values(said: str) -> str:
    """The message with `withheld` for all that it quotes of rows.

    >>> without_values("x.csv: not a CSV file that can be read: Expected 2 columns, got 3: Ada,36,London")
    'x.csv: not a CSV file that can be read: Expected 2 columns, got 3: withheld'
    >>> without_values("column age: 'thirty' is not a number")
    "column age: 'withheld' is not a number"
    """
    said = _LINE.sub(rf"\1: {WITHHELD}", said)
    said = _NEVER_CLOSED.sub(rf"\1, {WITHHELD}, \2", said)
    said = _CELL.sub(f": '{WITHHELD}' ", said)
    return _QUOTED.sub(f'"{WITHHELD}"', said)
