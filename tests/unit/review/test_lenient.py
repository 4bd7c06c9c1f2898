"""Columns read with good will: what can be understood is, and everything odd is told."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from perennial.review.lenient import understand
from perennial.review.matching import match_keys
from perennial.spec.columns import Kind


def read(kind: Kind, values: list[object], type_: pa.DataType | None = None, **said: object) -> tuple[list, str]:
    given = {"zone": "Europe/Berlin", "naive_allowed": False, "text": False, **said}
    found = understand(kind, pa.chunked_array([pa.array(values, type_)]), **given)  # type: ignore[arg-type]
    return found.values.to_pylist(), "; ".join(found.problems)


@pytest.mark.parametrize(
    ("kind", "values", "understood", "problem"),
    [
        (Kind.NUMERIC, ["1.5", " 2 ", "", "NA", None], [1.5, 2.0, None, None, None], ""),
        (Kind.NUMERIC, ["1.234,5", "7"], [1234.5, 7.0], "decimal comma, such as '1.234,5' in row 1"),
        (
            Kind.NUMERIC,
            ["1", "one"],
            [1.0, None],
            "holds 1 of 2 cells that are not numbers; the first is 'one' in row 2",
        ),
        (Kind.INTEGER, ["305184080441754059", "5.0"], [305184080441754059, 5], ""),
        (Kind.INTEGER, ["99999999999999999999"], [None], "too large for 64 bits"),
        (Kind.INTEGER, ["1.5", "x"], [None, None], "not whole, so declare it numeric; the first is '1.5' in row 1"),
        (Kind.BOOLEAN, ["true", "0", "1.0", None], [True, False, True, None], ""),
        (Kind.BOOLEAN, ["Y", "N", "2"], [True, False, None], "says yes and no as 'Y' in row 1"),
        (Kind.CATEGORICAL, ["  a", ""], ["  a", ""], ""),
        (Kind.CATEGORICAL, [1.5, 2.0], ["1.5", "2.0"], "holds float64 values"),
        (Kind.NUMERIC, [True, False], [1.0, 0.0], "declare it boolean"),
        (Kind.TIMESTAMP, [1, 2], [None, None], "holds Int64 values, and is a timestamp in the spec"),
    ],
)
def test_values_are_understood_as_far_as_they_can_be(
    kind: Kind, values: list[object], understood: list[object], problem: str
) -> None:
    found, problems = read(kind, values)
    assert found == understood
    assert (problem in problems) if problem else problems == ""


def test_times_with_and_without_a_zone() -> None:
    found, problems = read(Kind.TIMESTAMP, ["2024-01-05T10:00:00Z", "2024-01-05 10:00", "05.01.2024 10:00", "soon"])
    ten = datetime(2024, 1, 5, 10, tzinfo=UTC)
    assert found[0] == ten
    assert found[1] == ten.replace(hour=9)  # in Berlin
    assert found[3] is None
    assert "without a time zone, such as '2024-01-05 10:00'" in problems
    assert "timezone: Europe/Berlin" in problems
    assert "not ISO 8601, such as '05.01.2024 10:00' in row 3" in problems
    assert "1 of 4 cells that are not times; the first is 'soon' in row 4" in problems


def test_what_the_spec_knows_of_is_no_problem() -> None:
    assert read(Kind.NUMERIC, ["1,5"], comma=True) == ([1.5], "")
    assert read(Kind.TIMESTAMP, ["2024-07-05 10:00"], naive_allowed=True)[1] == ""


def test_an_hour_that_does_not_exist_is_no_time() -> None:
    assert read(Kind.TIMESTAMP, ["2024-03-31T02:30:00"], naive_allowed=True)[0] == [None]


def test_text_at_a_source_that_has_types_is_told() -> None:
    assert "is text at the source, and numeric in the spec" in read(Kind.NUMERIC, ["1"], text=True)[1]
    assert read(Kind.CATEGORICAL, ["1"], text=True)[1] == ""


def test_keys_that_match_are_not_suspicious() -> None:
    found = match_keys(range(100), range(40, 100))
    assert (found.rows, found.labels, found.both, found.mend, found.suspicious) == (100, 60, 60, None, False)


def test_keys_are_not_mended_by_making_two_of_them_one() -> None:
    found = match_keys(["a", "A"], ["a ", "A "])
    assert found.mend == "spaces around them"
    assert found.matched_when_mended == 2


def test_the_mend_that_changes_least_is_told() -> None:
    assert match_keys(["a-1", "a-2"], ["A-1 ", "A-2 "]).mend == "spaces around them, upper and lower case"


def test_a_float_where_the_other_side_has_a_whole_number() -> None:
    assert match_keys([1, 2, 3], ["1.0", "2.0", "3.0"]).mend == "a .0 at the end (a number that was written as a float)"


@pytest.mark.parametrize(
    ("written", "day"),
    [
        (["05.02.2024 10:00", "06.02.2024 10:00"], 5),  # dots part day, month and year, in that order
        (["05/02/2024 10:00", "13/02/2024 10:00"], 5),  # there is no month 13
        (["02/05/2024 10:00", "02/13/2024 10:00"], 5),
    ],
)
def test_days_before_months_are_known_by_how_they_are_written(written: list[object], day: int) -> None:
    found, problems = read(Kind.TIMESTAMP, written, naive_allowed=True)
    assert found[0] == datetime(2024, 2, day, 9, tzinfo=UTC)
    assert f"not ISO 8601, such as '{written[0]}' in row 1" in problems
