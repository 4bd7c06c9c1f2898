"""Wording that messages share."""


def counted(number: int, noun: str) -> str:
    """The number with its noun.

    >>> counted(1, "row"), counted(2, "row"), counted(1200, "row")
    ('1 row', '2 rows', '1,200 rows')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
