"""Parameters are found in plain SQL, and nowhere else."""

import pytest

from perennial.errors import InvalidQuery
from perennial.sources.sql import bound


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("a >= :start AND a < :end AND b <= :as_of", "a >= %(start)s AND a < %(end)s AND b <= %(as_of)s"),
        ("(:start,:end)", "(%(start)s,%(end)s)"),
        (":start::date", "%(start)s::date"),
        ("x::start", "x::start"),
        ("':start' || 'it''s :end'", "':start' || 'it''s :end'"),
        (r"E'\' :start' || :end", r"E'\' :start' || %(end)s"),
        (r"'\' || :end", r"'\' || %(end)s"),
        ('":start" = :end', '":start" = %(end)s'),
        ('"a"":start"', '"a"":start"'),
        ("$$ :start $$ || :end", "$$ :start $$ || %(end)s"),
        ("$x$ $$ :start $y$ $x$ || :end", "$x$ $$ :start $y$ $x$ || %(end)s"),
        ("1 -- :start\n + :end", "1 -- :start\n + %(end)s"),
        ("1 /* :start /* :end */ ' */ + :end", "1 /* :start /* :end */ ' */ + %(end)s"),
        ("1 /* open :start", "1 /* open :start"),
        ("a % 2 LIKE '5%' -- 5%", "a %% 2 LIKE '5%%' -- 5%%"),
        ("a[1:2]", "a[1:2]"),
        ("%(start)s", "%%(start)s"),
    ],
)
def test_only_parameters_change(sql: str, expected: str) -> None:
    assert bound(sql, "x.sql") == expected


def test_an_unknown_parameter_is_told_with_its_line() -> None:
    with pytest.raises(InvalidQuery, match=r"x.sql, line 2: there is no parameter :begin; .* :start, :end, :as_of"):
        bound("SELECT 1\nWHERE a >= :begin", "x.sql")
