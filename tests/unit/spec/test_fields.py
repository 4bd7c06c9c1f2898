import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from perennial.spec.fields import Duration

DURATION = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("14d", timedelta(days=14)),
        ("2w", timedelta(weeks=2)),
        ("P14D", timedelta(days=14)),
        ("P1W", timedelta(weeks=1)),
        ("PT36H", timedelta(hours=36)),
        ("P1DT12H30M", timedelta(days=1, hours=12, minutes=30)),
    ],
)
def test_durations(written: str, meant: timedelta) -> None:
    assert DURATION.validate_python(written) == meant
    assert DURATION.validate_python(DURATION.dump_python(meant, mode="json")) == meant
    assert re.search(DURATION.json_schema()["pattern"], written)


@given(st.timedeltas(min_value=timedelta(minutes=1), max_value=timedelta(days=2_000)))
def test_a_duration_is_read_back_as_it_was_written(meant: timedelta) -> None:
    whole = meant - timedelta(seconds=meant.seconds % 60, microseconds=meant.microseconds)
    assert DURATION.validate_python(DURATION.dump_python(whole, mode="json")) == whole


@pytest.mark.parametrize(("days", "written"), [(364, "P364D"), (365, "P365D"), (400, "P400D"), (730.5, "P730DT12H")])
def test_a_year_is_written_in_days(days: float, written: str) -> None:
    assert DURATION.dump_python(timedelta(days=days), mode="json") == written


@pytest.mark.parametrize(
    "written", ["14", "d", "14 d", "14D", "1.5d", "-2d", "P", "PT", "P1DT", "P1Y", "P1M", "1:30", ""]
)
def test_texts_that_are_no_durations(written: str) -> None:
    with pytest.raises(ValidationError, match="not a duration"):
        DURATION.validate_python(written)
    assert not re.search(DURATION.json_schema()["pattern"], written)


@pytest.mark.parametrize("written", [14, 1.5])
def test_a_number_needs_its_unit(written: float) -> None:
    with pytest.raises(ValidationError, match="needs its unit"):
        DURATION.validate_python(written)


@pytest.mark.parametrize("written", ["0d", "0h", timedelta(0), True, None])
def test_nothing_is_no_duration(written: object) -> None:
    with pytest.raises(ValidationError):
        DURATION.validate_python(written)
