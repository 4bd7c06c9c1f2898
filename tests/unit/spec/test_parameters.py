import pytest

from perennial.spec.parameters import bound_names


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("x >= :start AND x < :end", {"start": 1, "end": 1}),
        ("x >= :start\nAND y < :start\nAND z < :as_of", {"start": 1, "as_of": 3}),
        ("x::date, CAST(y AS int)::text", {}),
        ("-- [:start, :end)\nx", {}),
        ("/* :start\n:end */ x < :as_of", {"as_of": 2}),
        ("x = 'at :noon, it''s :late' AND \"odd :name\" = 1", {}),
        ("$$ :a $$, $q$ :b $$ :c $q$, :d", {"d": 1}),
        ("a[1:n]", {"n": 1}),  # which ingest refuses, too; behind a blank it is the end of a slice
        ("a[1: n]", {}),
        (r"E'it\'s :late' || :as_of", {"as_of": 1}),
        ("/* one /* in another */ :start\n*/ x < :end", {"end": 2}),
        ("(:start)::timestamptz", {"start": 1}),
        ("", {}),
    ],
)
def test_names_are_those_that_the_database_would_have_to_know(sql: str, names: dict[str, int]) -> None:
    assert bound_names(sql) == names
