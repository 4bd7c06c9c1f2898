"""From what a source calls its columns to names that a spec takes."""

import re
import unicodedata
from collections.abc import Iterable

from perennial.spec.fields import RESERVED_COLUMNS


def identifier(written: str) -> str:
    """A name that a spec takes; letters lose their accents.

    >>> identifier("Order ID"), identifier("gekündigt"), identifier("amount")
    ('order_id', 'gekundigt', 'amount')
    """
    letters = "".join(each for each in unicodedata.normalize("NFKD", written) if not unicodedata.combining(each))
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", letters).strip("_") or "column"
    plain = plain if plain == written else plain.lower()
    plain = f"c_{plain}" if plain[0].isdigit() else plain[:63]
    return f"{plain}_" if plain in RESERVED_COLUMNS else plain


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
            name, number = f"{plain}_{number}", number + 1
        taken.add(name.casefold())
        names[each] = name
    return names
