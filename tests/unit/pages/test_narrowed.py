"""What of a long report is shown: by column, only what failed, and page by page."""

import pytest

from perennial.pages.narrowed import CARDS, Narrowed, narrowed

KNOWN = ("origin", "origin_city", "temp")


def test_without_a_choice_everything_is_shown() -> None:
    look = narrowed({}, KNOWN)
    assert not look.active
    assert look.shows((), failed=False)
    assert look.query(1) == ""


def test_a_name_is_one_column_and_a_part_of_a_name_is_all_that_have_it() -> None:
    exact, part, other = (narrowed({"column": text}, KNOWN) for text in (" origin ", "ORIG", "city"))
    assert [exact.shows((name,), failed=False) for name in KNOWN] == [True, False, False]
    assert [part.shows((name,), failed=False) for name in KNOWN] == [True, True, False]
    assert [other.shows((name,), failed=False) for name in KNOWN] == [False, True, False]
    assert not part.shows((), failed=False)
    assert part.shows(("temp", "origin"), failed=False)


def test_only_what_failed_leaves_out_the_rest() -> None:
    look = narrowed({"only": "failed", "column": "temp"}, KNOWN)
    assert (look.shows(("temp",), failed=True), look.shows(("temp",), failed=False)) == (True, False)
    assert not look.shows(("origin",), failed=True)
    assert look.query(3) == "column=temp&only=failed&page=3"


@pytest.mark.parametrize("text", ["0", "-1", "two", "", "²", "9" * 50, "1.5"])
def test_a_page_that_makes_no_sense_is_the_first(text: str) -> None:
    assert narrowed({"page": text}, KNOWN).page(100).number == 1


def test_pages_end_where_the_items_do() -> None:
    items = list(range(2 * CARDS + 1))
    pages = [Narrowed(number=number).page(len(items)) for number in (1, 2, 3, 99)]
    assert [each.number for each in pages] == [1, 2, 3, 3]
    assert [item for each in pages[:3] for item in each.of(items)] == items
    assert Narrowed().page(0).of([]) == []


def test_what_is_unknown_asks_for_nothing_and_a_long_text_is_cut() -> None:
    look = narrowed({"only": "moon", "column": "x" * 9_999}, KNOWN)
    assert (look.failed, len(look.column)) == (False, 200)
