"""Which rows of a window the challenger predicts: those whose key falls below its share.

A key's place is the same in every window, every process and every version, so an entity stays with its model. Rows
with 5% are among those with 25%, because the salt stays the same for a whole roll-out; another roll-out has another
salt, and does not try its model on the same entities again.
"""

import hashlib
from collections.abc import Iterable

import numpy as np

from perennial.arrays import Bools

PLACES = 10_000
_PER_PERCENT = PLACES // 100


def place(salt: str, use_case: str, key: str) -> int:
    """The place of a key from 0 to 9,999: the first 8 bytes of the sha-256 of salt, use case and key, modulo 10,000.

    The key is written as text, a number in decimal: a column that becomes text changes no place.

    >>> place("s", "flights", "17"), place("t", "flights", "17")
    (6445, 372)
    """
    digest = hashlib.sha256("\x00".join((salt, use_case, key)).encode()).digest()
    return int.from_bytes(digest[:8], "big") % PLACES


def is_challengers(place: int, share: int) -> bool:
    """Whether a challenger with that share of rows, in percent, predicts the rows at a place."""
    return place < share * _PER_PERCENT


def challengers_rows(salt: str, use_case: str, keys: Iterable[str], share: int) -> Bools:
    """The same for many keys: an array of shape (keys,)."""
    return np.asarray([is_challengers(place(salt, use_case, key), share) for key in keys], dtype=np.bool_)
