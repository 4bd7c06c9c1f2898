"""Names and texts that come from data, as messages may show them: short, and nothing in them that a terminal obeys."""

from collections.abc import Iterable

LONGEST = 100


def shown(text: str, longest: int = LONGEST) -> str:
    r"""The text on one line, cut after `longest` characters; what does not print is written as an escape.

    >>> shown("a\x1b[2J\nb")
    'a\\x1b[2J\\nb'
    """
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut)


def shown_name(name: str) -> str:
    r"""`shown`, with the code points of letters beyond ASCII, so that look-alikes give themselves away.

    >>> shown_name("weight"), shown_name("größe"), shown_name("")
    ('weight', 'größe (gr\\xf6\\xdfe)', "''")
    """
    text = shown(name)
    if not text:
        return "''"
    cut = text.rstrip("…")
    return text if cut.isascii() else f"{text} ({cut.encode('unicode_escape').decode()})"


def listed(names: Iterable[str], most: int = 10) -> str:
    """The names behind each other, and how many there are besides the first `most`; "" for none.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    every = list(names)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(map(shown_name, every[:most])) + more
