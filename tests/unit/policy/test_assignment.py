"""Which rows the challenger predicts: stable, and more of the same with a greater share."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.policy.assignment import PLACES, challengers_rows, is_challengers, place

KEYS = st.one_of(st.integers().map(str), st.text())
SHARES = st.integers(1, 99)


@given(salt=st.text(), use_case=st.text(), key=KEYS, one=SHARES, other=SHARES)
def test_the_rows_of_a_share_are_among_those_of_a_greater_one(
    *, salt: str, use_case: str, key: str, one: int, other: int
) -> None:
    found = place(salt, use_case, key)
    assert 0 <= found < PLACES
    assert found == place(salt, use_case, key)
    small, large = sorted((one, other))
    assert not is_challengers(found, small) or is_challengers(found, large)
    assert not is_challengers(found, 0)
    assert is_challengers(found, 100)


@given(keys=st.lists(KEYS, max_size=20), share=SHARES)
def test_many_keys_are_answered_like_each_one(keys: list[str], share: int) -> None:
    found = challengers_rows("salt", "flights", keys, share)
    assert found.dtype == np.bool_
    assert list(found) == [is_challengers(place("salt", "flights", key), share) for key in keys]


@given(share=SHARES, salt=st.text(max_size=8))
def test_the_share_of_rows_is_as_asked(share: int, salt: str) -> None:
    found = challengers_rows(salt, "flights", map(str, range(4_000)), share).mean()
    p = share / 100
    assert abs(found - p) < 6 * np.sqrt(p * (1 - p) / 4_000)


def test_another_salt_or_use_case_chooses_other_rows() -> None:
    keys = [str(key) for key in range(4_000)]
    one = challengers_rows("a", "flights", keys, 25)
    for other in (challengers_rows("b", "flights", keys, 25), challengers_rows("a", "parcels", keys, 25)):
        assert np.count_nonzero(one & other) / 4_000 == pytest.approx(0.25**2, abs=0.02)


@pytest.mark.parametrize("key", ["17", "-3", "Zürich", "東京", "", "🛫", "e\u0301"])
def test_places_must_never_change(key: str) -> None:
    """Rows that were predicted are assigned to their model by this when they are explained or scored again."""
    digest = hashlib.sha256(b"s\x00flights\x00" + key.encode()).hexdigest()
    assert place("s", "flights", key) == int(digest[:16], 16) % 10_000


def test_places_of_known_keys() -> None:
    assert [place("s", "flights", key) for key in ("17", "18", "Zürich")] == [6445, 1732, 811]


def test_texts_that_are_one_to_people_are_two_keys() -> None:
    assert place("s", "flights", "\u00e9") != place("s", "flights", "e\u0301")
