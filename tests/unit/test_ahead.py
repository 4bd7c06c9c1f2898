"""Items that are made ahead are those that would have come, one more of them at most."""

import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from perennial.ahead import one_ahead
from perennial.errors import SchemaMismatch

LONG = 60.0  # seconds, waited for in vain only
SAID: ContextVar[str] = ContextVar("said", default="nothing")


@pytest.mark.parametrize("items", [[], [None], [1, None, 3]])
def test_the_items_come_in_their_order(items: list[object]) -> None:
    assert list(one_ahead(items)) == items


def test_the_next_one_is_made_while_one_is_used_and_no_more() -> None:
    made = [threading.Event() for _ in range(4)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in one_ahead(items()):
        if number < 3:
            assert made[number + 1].wait(LONG)
        assert not any(event.is_set() for event in made[number + 2 :])


def test_an_error_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise SchemaMismatch("the source broke off")

    found = one_ahead(items())
    assert next(found) == 1
    with pytest.raises(SchemaMismatch, match="broke off"):
        next(found)


def test_who_takes_no_more_leaves_no_thread_and_nothing_open() -> None:
    before = threading.active_count()
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.set()

    for _ in one_ahead(items()):
        break
    assert closed.is_set()
    assert threading.active_count() == before


def test_what_is_known_where_they_are_used_is_known_where_they_are_made() -> None:
    token = SAID.set("a window")
    try:
        assert list(one_ahead(SAID.get() for _ in range(2))) == ["a window"] * 2
    finally:
        SAID.reset(token)
