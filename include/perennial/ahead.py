"""Work that is done in a thread while what it made before is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def one_ahead(items: Iterable[T]) -> Iterator[T]:
    """The items. While one is used, the next is made in a thread, so that one more of them is in memory.

    Errors: those of the items, in their place.
    """
    source, context = iter(items), copy_context()

    def following() -> list[T]:
        """The next one, or none at the end."""
        return context.run(list, islice(source, 1))

    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(following)
        while found := coming.result():
            coming = thread.submit(following)
            yield found[0]
