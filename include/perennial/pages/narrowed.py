"""What of a long report a reader wants to see: one column, only what failed, the next page of cards."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlencode

COLUMN, ONLY, PAGE = "column", "only", "page"
FAILED = "failed"
CARDS = 24  # charts on a page: more take long to read and to load
LONGEST = 200

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page:
    """One page of a list of charts; `number` begins with 1."""

    number: int
    pages: int

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items on this page."""
        return items[(self.number - 1) * CARDS : self.number * CARDS]


@dataclass(frozen=True)
class Narrowed:
    """A filter of the page, not of its JSON. `column` is the name of one column or a part of several names, "" for all.

    `failed` leaves out expectations that are met and columns that did not drift. `known` are the columns there are.
    """

    column: str = ""
    failed: bool = False
    number: int = 1
    known: tuple[str, ...] = field(default=(), repr=False)

    @property
    def active(self) -> bool:
        """Whether anything may be left out."""
        return bool(self.column) or self.failed

    def shows(self, columns: Iterable[str], *, failed: bool) -> bool:
        """Whether something about these columns is to be seen."""
        if self.failed and not failed:
            return False
        if self.column in self.known:
            return self.column in columns
        return not self.column or any(self.column.lower() in each.lower() for each in columns)

    def page(self, items: int) -> Page:
        """The page that was asked for, the last one if there are fewer."""
        pages = max(1, -(-items // CARDS))
        return Page(min(self.number, pages), pages)

    def query(self, number: int) -> str:
        """The query of another page of the same choice."""
        given = {COLUMN: self.column, ONLY: FAILED if self.failed else "", PAGE: str(number) if number > 1 else ""}
        return urlencode({name: value for name, value in given.items() if value})


def narrowed(arguments: Mapping[str, str], known: Iterable[str]) -> Narrowed:
    """What the address asks for. What makes no sense there asks for nothing."""
    page = arguments.get(PAGE, "")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < len("10000") else 1
    return Narrowed(
        column=arguments.get(COLUMN, "").strip()[:LONGEST],
        failed=arguments.get(ONLY) == FAILED,
        number=max(number, 1),
        known=tuple(dict.fromkeys(known)),
    )
