"""Which champion stands by: the one that the present champion took over from, to which a rollback goes back."""

from collections.abc import Sequence


def standby_of(champions: Sequence[str]) -> str | None:
    """Of versions that were champion, in the order in which that was recorded, the one that stands by; None for none.

    A version that comes back ends the service of those that came after it: what was rolled back does not stand by.

    >>> standby_of(["1", "2", "3"]), standby_of(["1", "2", "3", "2"]), standby_of(["1"])
    ('2', '1', None)
    """
    line: list[str] = []
    for version in champions:
        line = [*(line[: line.index(version)] if version in line else line), version]
    return line[-2] if len(line) > 1 else None
