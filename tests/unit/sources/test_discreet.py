"""What a source of personal data says of rows that it can't read."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from perennial.errors import InvalidQuery, PermanentError, SchemaMismatch, SourceUnavailable, UndecodableText
from perennial.sources.discreet import Discreet
from perennial.sources.port import Extract
from perennial.spec.models import Limits
from perennial.window import Window

DAY = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))
SAID = [
    (SchemaMismatch, "a.csv: not a CSV file that can be read: CSV parse error: Expected 2 columns, got 3: Ada,7,x"),
    (SchemaMismatch, "a.csv: a quote in the last column is never closed; the rows after it, from Ada,7 on, would be "
     "taken for text. Close the quote, or send the whole file again."),
    (SchemaMismatch, "5 rows for shop don't fit:\n  - column age: not one of its 5 cells could be read; the first: "
     "'Ada's age' is not a number\n  - column name is missing"),
    (InvalidQuery, 'Connection shop, query rows.sql: invalid input syntax for type integer: "Ada" (SQLSTATE 22P02).'),
    (UndecodableText, "a.csv: column name: 'Ada' is not UTF-8"),
]  # fmt: skip


class Broken:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        raise self.error from ValueError("Ada")


@pytest.mark.parametrize(("kind", "said"), SAID)
def test_its_errors_name_no_value_nor_does_what_they_were_raised_from(kind: type[PermanentError], said: str) -> None:
    with pytest.raises(kind, match="withheld") as raised:
        Discreet(Broken(kind(said))).fetch(DAY, DAY.end, Limits())
    assert type(raised.value) is kind
    assert "Ada" not in str(raised.value)
    assert (raised.value.__cause__, raised.value.__suppress_context__) == (None, True)


def test_what_is_wrong_is_still_said() -> None:
    with pytest.raises(SchemaMismatch) as raised:
        Discreet(Broken(SchemaMismatch(SAID[2][1]))).fetch(DAY, DAY.end, Limits())
    assert "the first: 'withheld' is not a number\n  - column name is missing" in str(raised.value)


def test_what_is_not_about_rows_is_passed_on() -> None:
    error = SourceUnavailable("Connection shop could not be opened")
    with pytest.raises(SourceUnavailable) as raised:
        Discreet(Broken(error)).fetch(DAY, DAY.end, Limits())
    assert raised.value is error
