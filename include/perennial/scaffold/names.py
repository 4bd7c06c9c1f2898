"""From what a source calls its columns to names that a spec takes."""

import re
import unicodedata
from collections.abc import Iterable

from perennial.spec.fields import RESERVED_COLUMNS

LONGEST = 63  # characters, as in PostgreSQL


def identifier(written: str) -> str:
    """A name that a spec takes; letters lose their accents.

    >>> identifier("Order ID"), identifier("gekündigt"), identifier("amount")
    ('order_id', 'gekundigt', 'amount')
    """
    letters = "".join(each for each in unicodedata.normalize("NFKD", written) if not unicodedata.combining(each))
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", letters).strip("_") or "column"
    plain = plain if plain == written else plain.lower()
    plain = with_ending(f"c_{plain}" if plain[0].isdigit() else plain, "")
    return f"{plain}_" if plain in RESERVED_COLUMNS else plain


def with_ending(name: str, ending: str) -> str:
    """The name with that at its end, cut to the length that a spec takes.

    >>> with_ending("late", "_outcome"), len(with_ending(80 * "a", "_outcome"))
    ('late_outcome', 63)
    """
    return f"{name[: LONGEST - len(ending)]}{ending}"


def identifiers(written: Iterable[str]) -> dict[str, str]:
    """A name for each, with a number behind those that another has already, in whatever case.

    >>> identifiers(["amount", "Amount"])
    {'amount': 'amount', 'Amount': 'Amount_2'}
    """
    taken: set[str] = set()
    names = {}
    for each in written:
        plain = name = identifier(each)
        number = 2
        while name.casefold() in taken:
            name, number = with_ending(plain, f"_{number}"), number + 1
        taken.add(name.casefold())
        names[each] = name
    return names
