"""Shapes: one way of writing gives a pattern that all texts match; words, names and mixtures give none."""

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.quality.proposals.shapes import merged, shape_of


def pattern(*windows: list[str]) -> str | None:
    shape = merged(shape_of(pa.array(texts)) for texts in windows)
    return shape.pattern if shape is not None else None


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["AB1234", "XY0001"], "^[A-Z]{2}[0-9]{4}$"),
        (["AB1", "XY9876"], "^[A-Z]{2}[0-9]+$"),
        (["EWR", "JFK"], "^[A-Z]{3}$"),
        (["9E", "UA", "B6"], "^[A-Z0-9]{2}$"),
        (["2024-01-31", "1999-12-01"], r"^[0-9]{4}\-[0-9]{2}\-[0-9]{2}$"),
        (["12.50", "3.99"], r"^[0-9]+\.[0-9]{2}$"),
        (["3f2a-77", "aa1c-0b"], r"^[a-z0-9]{4}\-[a-z0-9]{2}$"),
        (["007", "42"], "^[0-9]+$"),
        (["$(1)*", "$(2)*"], r"^\$\([0-9]\)\*$"),
    ],
)
def test_texts_that_are_written_alike(texts: list[str], expected: str) -> None:
    assert pattern(texts) == expected
    assert all(re.search(expected, text) for text in texts)


@pytest.mark.parametrize(
    "texts",
    [
        ["road", "air"],
        ["Anna Berg", "Li Wu"],
        ["AB1234", "1234"],
        ["AB-12", "A12"],
        ["a-b", "ab-"],
        [""],
        ["ok", ""],
        ["naïve", "cafés"],
        ["two\nlines", "two\tcells"],
        ["x" * 41],
    ],
)
def test_texts_that_are_not(texts: list[str]) -> None:
    assert pattern(texts) is None


def test_windows_share_a_shape_or_have_none() -> None:
    assert pattern(["AB12"], ["CD345"]) == "^[A-Z]{2}[0-9]+$"
    assert pattern(["9E"], ["UA"]) == "^[A-Z0-9]{2}$"
    assert pattern(["AB12"], ["free text"]) is None
    assert pattern(["AB12"], [""]) is None
    assert merged([]) is None


def test_a_slice_of_texts_is_read_where_it_lies() -> None:
    texts = pa.array(["free text", "AB12", "CD34", "more"])
    assert shape_of(texts.slice(1, 2)) == shape_of(pa.array(["AB12", "CD34"]))


@given(st.lists(st.text(st.characters(codec="ascii"), max_size=8), min_size=1, max_size=12, unique=True))
def test_a_pattern_matches_every_text_that_it_was_made_from(texts: list[str]) -> None:
    found = pattern(texts)
    assert found is None or all(re.search(found, text) for text in texts)


TEXTS = st.lists(st.text("AZaz09-/é", max_size=4) | st.from_regex("[A-Z]{2}[0-9]{1,2}", fullmatch=True), min_size=1)


@given(TEXTS, TEXTS)
def test_a_shape_takes_in_exactly_what_its_pattern_matches(learnt: list[str], later: list[str]) -> None:
    shape = shape_of(pa.array(learnt))
    if shape is None or (found := shape.pattern) is None:
        return
    assert shape.takes_in(shape_of(pa.array(later))) == all(re.search(found, text) for text in later)
