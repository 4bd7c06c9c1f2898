"""Which rows people are asked about, and with what probability each was to be chosen.

Poisson sampling with permanent random numbers (Brewer, Early and Joyce, 1972, Australian Journal of Statistics 14;
Särndal, Swensson and Wretman, 1992, Model Assisted Survey Sampling, 3.5): a row's number, between 0 and 1, is a hash of
what the row is, and the row is chosen when its number lies below its inclusion probability. So a repeated run chooses
the same rows, rows are chosen independently of each other, and the probability of a pair is the product of two.
Doubtful predictions tell most, and every other row keeps a probability above 0, without which no estimate from the
sample could be unbiased (the mixture of Zrnic and Candès, 2024, Active statistical inference, arXiv 2403.03208, 4).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perennial.arrays import Floats

Flags = npt.NDArray[np.bool_]
_STEPS = 2**53  # numbers that a float tells apart between 0 and 1


@dataclass(frozen=True)
class Plan:
    """The inclusion probability of each row (`probability`), and whether its prediction is `doubtful`; shape (rows,).

    `uniform` is the least of the probabilities: rows whose number lies below it are a uniform sample of all rows.
    """

    probability: Floats
    doubtful: Flags
    uniform: float


def plan(predictions: Floats, band: tuple[float, float] | None, random_share: float, limit: int) -> Plan:
    """The probabilities with which rows with these predictions are asked about.

    Every row has `random_share`. Rows in the band (both ends included) have 1, or what is left of the limit shared
    among them. Where the random share alone goes beyond the limit, every row has limit / rows. So at most `limit` rows
    are to be expected, and no probability is 0.

    >>> plan(np.array([0.1, 0.5, 0.9]), (0.4, 0.6), 0.02, 50).probability.tolist()
    [0.02, 1.0, 0.02]
    >>> plan(np.full(100, 0.5), (0.4, 0.6), 0.02, 50).probability[0].item()
    0.5
    """
    rows = len(predictions)
    doubtful = np.zeros(rows, dtype=bool)
    if band is not None:
        doubtful = (predictions >= band[0]) & (predictions <= band[1])
    uniform = random_share if rows * random_share <= limit else limit / rows
    inside = int(doubtful.sum())
    left = limit - uniform * (rows - inside)
    of_doubtful = min(1.0, max(uniform, left / inside)) if inside else uniform
    return Plan(np.where(doubtful, of_doubtful, uniform), doubtful, uniform)


def numbers(names: Iterable[str], *salt: str) -> Floats:
    """A number from 0 to 1, 1 excluded, for each name: the same for the same name and salt, and else as if by chance.

    >>> numbers(["a", "b"], "x").tolist() == numbers(["a", "b"], "x").tolist() != numbers(["a", "b"], "y").tolist()
    True
    """
    start = hashlib.sha256("\x00".join((*salt, "")).encode())
    found = []
    for name in names:
        each = start.copy()
        each.update(name.encode())
        found.append((int.from_bytes(each.digest()[:8], "big") >> 11) / _STEPS)
    return np.array(found, dtype=np.float64)


def chosen(number: Floats, probability: Floats) -> npt.NDArray[np.int64]:
    """The positions of the rows that are chosen, in the order in which people are asked about them.

    Among chosen rows, number / probability is uniform and independent of the row. In its order, the first answers are
    as good as a random part of all, however many people come to give.
    """
    at = np.flatnonzero(number < probability)
    order = np.argsort(number[at] / probability[at], kind="stable")
    return np.asarray(at[order], dtype=np.int64)
