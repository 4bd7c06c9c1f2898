"""Texts as values: exactly, or not at all, and the same however many others stand beside them."""

import random
from decimal import Decimal

import pyarrow as pa
import pytest

from perennial.quality.texts import Spelling, read_text
from perennial.spec.columns import Column

DRAW = random.Random(7)
NUMBERS = [
    *(repr(DRAW.uniform(-1e6, 1e6)) for _ in range(50)),
    *(repr(DRAW.random() * 10 ** DRAW.randrange(-300, 300)) for _ in range(50)),
    *(f"{DRAW.uniform(0, 1000):.{digits}f}" for digits in range(1, 15)),
    *(f"{DRAW.random():.20g}" for _ in range(20)),
    *("0", "-0", "+5", "1.", ".5", "1e3", "1E-3", "9007199254740992", "9007199254740993", "12345678901234567890"),
    *(
        "5e-324",
        "1.7976931348623157e308",
        "1e309",
        "inf",
        "-Infinity",
        "0x10",
        "1_000",
        "1,5",
        "--1",
        "1e",
        "e5",
        ".",
        "",
    ),
]
WHOLE = [
    *(str(DRAW.randrange(-(2**63), 2**63)) for _ in range(50)),
    *(str(DRAW.randrange(-1000, 1000)) for _ in range(20)),
    *(
        "0",
        "-0",
        "00",
        "08",
        "+5",
        "5.0",
        "5.",
        "5.5",
        "1e3",
        "1e16",
        "0x10",
        str(2**63),
        str(-(2**63)),
        "9" * 40,
        "",
        "x",
    ),
]
TIMES = [
    *(f"20{DRAW.randrange(10, 30)}-{DRAW.randrange(1, 13):02}-{DRAW.randrange(1, 32):02}T10:00:00Z" for _ in range(60)),
    *("2024-02-29T00:00Z", "2023-02-29T00:00Z", "1900-02-29T00:00Z", "2000-02-29T00:00Z", "0000-01-01T00:00Z"),
    *(
        "0001-01-01T00:00+01:00",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59-01:00",
        "2024-01-01",
        "2024-01-01T00:00",
    ),
    *("2024-01-01T24:00Z", "2024-01-01T23:59:60Z", "2024-01-01 00:00:00.5+05", "2024-01-01T00:00:00.1234560Z"),
    *("2024-01-01T00:00:00.1234567Z", "infinity", "-infinity", "0044-03-15 00:00:00+00 BC", "now", ""),
]
BOOLEANS = ["true", "False", "TRUE", "1", "0", "1.0", "0.00", "2", "yes", "t", "", "-1", "1.5"]
TEXTS = {"numeric": NUMBERS, "integer": WHOLE, "timestamp": TIMES, "boolean": BOOLEANS}


def read(column: Column, *texts: str, timezone: str | None = None) -> tuple[list[object], list[str | None]]:
    found = read_text(column, pa.chunked_array([list(texts)], pa.string()), Spelling(timezone=timezone))
    said = found.unread.to_pylist() if found.unread else [None] * len(texts)
    return found.values.to_pylist(), said


@pytest.mark.parametrize("role", ["feature", "carry"])
@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("timezone", [None, "Europe/Berlin"])
def test_a_text_is_the_same_value_alone_and_among_others(kind: str, role: str, timezone: str | None) -> None:
    """Alone it may take the quick way; among texts that can't be read it never does."""
    column = Column(kind=kind, role="monitor" if (kind, role) == ("timestamp", "feature") else role)
    values, said = read(column, *TEXTS[kind], "not at all", timezone=timezone)
    for text, value, why in zip(TEXTS[kind], values, said, strict=False):
        assert read(column, text, timezone=timezone) == ([value], [why]), text
        assert (value is None) == (why is not None or text == ""), text


@pytest.mark.parametrize("text", [text for text in NUMBERS if text not in ("", "inf", "-Infinity")])
def test_a_number_that_is_carried_along_is_kept_or_refused(text: str) -> None:
    (value,), (why,) = read(Column(kind="numeric", role="carry"), text)
    if why is None:
        assert isinstance(value, float)
        said = Decimal(text)
        digits = max(0, -said.as_tuple().exponent)
        assert said in (Decimal(repr(value)), Decimal(f"{value:.{digits}f}"))
    else:
        assert value is None


def test_what_the_database_computed_is_a_feature_and_not_an_amount() -> None:
    third = "0.33333333333333333333"  # as avg() gives it
    assert read(Column(kind="numeric"), third) == ([1 / 3], [None])
    (value,), (why,) = read(Column(kind="numeric", role="carry"), third)
    assert value is None
    assert why is not None
    assert "would lose digits" in why


@pytest.mark.parametrize("beside", [(), ("not at all",)])  # without it, no text is looked at by itself
@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1e-400", None), ("-3E-324", None), (f"0.{'0' * 400}1", None), ("1.23456e-320", None)),
        *(("4.9e-324", 5e-324), ("2.5e-300", 2.5e-300), ("0e5", 0.0), ("0.000", 0.0)),
    ],
)
def test_a_tiny_amount_is_itself_or_refused(text: str, value: float | None, beside: tuple[str, ...]) -> None:
    values, said = read(Column(kind="numeric", role="carry"), text, *beside)
    assert values[0] == value
    assert (said[0] is None) == (value is not None)


@pytest.mark.parametrize("text", WHOLE)
def test_a_whole_number_is_itself_or_refused(text: str) -> None:
    (value,), (why,) = read(Column(kind="integer", role="key"), text)
    if value is not None:
        assert Decimal(text) == value
        assert not text.lstrip("+-").startswith("0") or value == 0
    assert (value is None) == (why is not None or text == "")


def test_a_local_time_that_clocks_skip_or_repeat_is_no_instant() -> None:
    column = Column(kind="timestamp", role="carry")
    values, said = read(column, "2024-03-31 02:30", "2024-10-27 02:30", "2024-10-27 03:30", timezone="Europe/Berlin")
    assert [value is None for value in values] == [True, True, False]
    assert all("is skipped or happens twice" in (why or "") for why in said[:2])
